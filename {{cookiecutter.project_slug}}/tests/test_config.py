"""Every variable has a type and a default; mistakes are reported together."""

import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import URL

from app.config import INSTANCE, PROJECT, ConfigError, load_config
from app.engines import engine_options

from .conftest import KEY


def mistakes(**config: object) -> dict[str, str]:
    """Return the mistakes that load_config() reports, by variable."""
    with pytest.raises(ConfigError) as raised:
        load_config({"SECRET_KEY": KEY, **config})
    return dict(re.findall(r"^  (\w+): (.+)$", str(raised.value), re.MULTILINE))


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in load_config({"SECRET_KEY": KEY}):
        monkeypatch.delenv(name, raising=False)


def sqlite(path: str, **options: str) -> str:
    """Return the URL of a SQLite file; the names of its folders are quoted where necessary."""
    return str(URL.create("sqlite", database=path, query=options))


def test_defaults() -> None:
    values = load_config({"SECRET_KEY": KEY})
    expected = {
        "SECRET_KEY": KEY,
        "DATABASE_URL": sqlite(f"{INSTANCE}/app.db"),
        "LOG_DATABASE_URL": sqlite(f"{INSTANCE}/log.db"),
        "LOG_LEVEL": "INFO",
        "LOG_FILE": f"{PROJECT}/instance/app.log",
        "LOG_FILE_LEVEL": "INFO",
        "LOG_FILE_MAX_MB": 10,
        "LOG_FILE_COUNT": 5,
        "LOG_DB_LEVEL": "WARNING",
        "LOG_JOURNAL_DIR": f"{PROJECT}/instance/journal",
        "LOG_JOURNAL_MAX_MB": 256,
        "LOG_JOURNAL_FSYNC": False,
        "LOG_RETENTION_DAYS": 30,
        "LOG_MAX_ROWS": 5_000_000,
        "LOG_MAX_PROBLEMS": 10_000,
        "LOG_REDACT": [],
        "PROXY_HOPS": 0,
        "PROXY_HEADERS": [],
        "HSTS_SECONDS": 31_536_000,
        "AUTO_MIGRATE": None,
        "SESSION_IDLE_MINUTES": 0,
        "RATELIMIT_STORAGE_URI": "memory://",
        "RATELIMIT_ENABLED": True,
        "AUDIT_RETENTION_DAYS": 0,
        "PERMANENT_SESSION_LIFETIME": timedelta(days=14),
        "BIND_HOST": "127.0.0.1",
        "PORT": 8000,
        "WEB_CONCURRENCY": 1,
        "MAX_CONTENT_LENGTH": 1_048_576,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": True,
    }
    assert {name: values[name] for name in expected} == expected


def test_environment_is_typed_and_overrides_go_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("LOG_REDACT", "iban,pin")
    monkeypatch.setenv("LOG_JOURNAL_FSYNC", "true")
    monkeypatch.setenv("AUTO_MIGRATE", "0")
    monkeypatch.setenv("TRUSTED_HOSTS", "example.org, .example.com")
    monkeypatch.setenv("MAX_CONTENT_LENGTH", "1000")
    monkeypatch.setenv("SESSION_COOKIE_SECURE", "1")
    monkeypatch.setenv("LOG_RETENTION_DAYS", "7")
    monkeypatch.setenv("LOG_MAX_ROWS", "1000000")
    values = load_config(
        {
            "SECRET_KEY": KEY,
            "LOG_RETENTION_DAYS": 3,
            "PROXY_HOPS": "2",
            "MINE": [1],
            "PERMANENT_SESSION_LIFETIME": timedelta(days=1),
        }
    )
    assert values["LOG_LEVEL"] == "DEBUG"
    assert values["LOG_REDACT"] == ["iban", "pin"]
    assert values["LOG_JOURNAL_FSYNC"] is True
    assert values["AUTO_MIGRATE"] is False
    assert values["TRUSTED_HOSTS"] == ["example.org", ".example.com"]
    assert values["MAX_CONTENT_LENGTH"] == 1000
    assert values["SESSION_COOKIE_SECURE"] is True
    assert (values["LOG_RETENTION_DAYS"], values["LOG_MAX_ROWS"], values["PROXY_HOPS"]) == (3, 1_000_000, 2)
    assert values["MINE"] == [1]
    assert values["PERMANENT_SESSION_LIFETIME"] == timedelta(days=1)


def test_empty_is_unset_but_for_the_file() -> None:
    values = load_config({"SECRET_KEY": KEY, "LOG_LEVEL": "", "AUTO_MIGRATE": "", "LOG_FILE": ""})
    assert (values["LOG_LEVEL"], values["AUTO_MIGRATE"]) == ("INFO", None)
    assert values["LOG_FILE"] == ""


def test_all_mistakes_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    found = mistakes(
        SECRET_KEY="",
        DATABASE_URL="orakel://user:hidden@host/name",
        LOG_DATABASE_URL="sqlite://",
        LOG_LEVEL="LOUD",
        LOG_RETENTION_DAYS="999999",
        LOG_MAX_ROWS="-1",
        LOG_FILE_MAX_MB="0",
        LOG_JOURNAL_FSYNC="perhaps",
        BIND_HOST="http://0.0.0.0",
        PORT="65536",
        PROXY_HEADERS="host, for",
        TRUSTED_HOSTS="https://example.org",
        MAX_CONTENT_LENGTH="much",
    )
    assert set(found) == {
        "SECRET_KEY",
        "DATABASE_URL",
        "LOG_DATABASE_URL",
        "LOG_LEVEL",
        "LOG_RETENTION_DAYS",
        "LOG_MAX_ROWS",
        "LOG_FILE_MAX_MB",
        "LOG_JOURNAL_FSYNC",
        "BIND_HOST",
        "PORT",
        "PROXY_HEADERS",
        "TRUSTED_HOSTS",
        "MAX_CONTENT_LENGTH",
    }
    assert "0.0.0.0" in found["BIND_HOST"]
    assert "host, port, prefix" in found["PROXY_HEADERS"]
    assert ".example.org" in found["TRUSTED_HOSTS"]
    assert "postgresql" in found["DATABASE_URL"]
    assert "WARNING" in found["LOG_LEVEL"]
    assert "1 or more" in found["LOG_FILE_MAX_MB"]
    assert "0 to 36,500" in found["LOG_RETENTION_DAYS"]
    assert "0 or more" in found["LOG_MAX_ROWS"]
    assert "hidden" not in capsys.readouterr().err


@pytest.mark.parametrize("url", ["nonsense", "postgresql://u:hidden@host:port/name", "://"])
def test_a_url_that_is_none(url: str) -> None:
    assert "hidden" not in mistakes(DATABASE_URL=url)["DATABASE_URL"]


def test_a_missing_driver_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for extra, module, url in (
        ("postgresql", "psycopg", "postgres://host/name"),
        ("mysql", "pymysql", "mysql://host/name"),
    ):
        monkeypatch.setitem(__import__("sys").modules, module, None)
        found = mistakes(DATABASE_URL=url)["DATABASE_URL"]
        assert f"uv sync --extra {extra}" in found
        assert f'pip install -e ".[{extra}]"' in found


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p@h/n", "postgresql+psycopg://u:p@h/n"),
        ("postgresql://u@h/n?sslmode=require", "postgresql+psycopg://u@h/n?sslmode=require"),
        ("postgresql+psycopg://u@h/n", "postgresql+psycopg://u@h/n"),
    ],
)
def test_postgresql_urls(given: str, used: str) -> None:
    pytest.importorskip("psycopg")
    values = load_config({"SECRET_KEY": KEY, "DATABASE_URL": given})
    assert values["SQLALCHEMY_DATABASE_URI"] == used
    assert values["SQLALCHEMY_BINDS"] == {"log": used}


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("postgresql://h/n?prepare_threshold=0", {"prepare_threshold": None}),
        ("postgresql://h/n?prepare_threshold=none&autocommit=0", {"prepare_threshold": None, "autocommit": 0}),
        ("postgresql://h/n?prepare_threshold=7&sslmode=require", {"prepare_threshold": 7}),
        ("mariadb+pymysql://h/n?max_allowed_packet=1048576&charset=utf8mb4", {"max_allowed_packet": 1_048_576}),
        ("sqlite:///app.db?timeout=20", {}),
    ],
)
def test_options_of_a_url_that_drivers_want_as_numbers(url: str, options: dict[str, object]) -> None:
    given = engine_options(url)["connect_args"]
    assert {name: given[name] for name in options} == options
    assert given.keys() - options.keys() <= {"connect_timeout", "client_encoding"}


def test_an_option_that_is_no_number() -> None:
    pytest.importorskip("psycopg")
    said = mistakes(DATABASE_URL="postgresql://u:hidden@h/n?prepare_threshold=never")["DATABASE_URL"]
    assert "expected a whole number for prepare_threshold in the URL, not never" in said


def test_mysql_urls() -> None:
    pytest.importorskip("pymysql")
    for scheme in ("mysql", "mariadb"):
        values = load_config({"SECRET_KEY": KEY, "DATABASE_URL": f"{scheme}://u@h/n"})
        assert values["DATABASE_URL"] == f"{scheme}+pymysql://u@h/n"


def test_sqlite_urls(tmp_path: Path) -> None:
    values = load_config({"SECRET_KEY": KEY, "DATABASE_URL": "sqlite:///data/x.db?timeout=20"})
    assert values["DATABASE_URL"] == sqlite(f"{INSTANCE}/data/x.db", timeout="20")
    values = load_config({"SECRET_KEY": KEY, "DATABASE_URL": f"sqlite:///{tmp_path}/x.db"})
    assert values["DATABASE_URL"] == sqlite(f"{tmp_path}/x.db")
    for url in ("sqlite://", "sqlite:///:memory:"):
        values = load_config({"SECRET_KEY": KEY, "DATABASE_URL": url})
        log = Path(str(values["LOG_DATABASE_URL"]).removeprefix("sqlite:///"))
        assert log.is_absolute()
        assert not log.is_relative_to(INSTANCE)


def test_debugging_and_testing_need_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    # Libraries warn about keys of fewer than 32 bytes, and the tests turn warnings into errors.
    assert len(str(load_config({"TESTING": True})["SECRET_KEY"])) >= 64
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert load_config()["SECRET_KEY"]
    monkeypatch.setenv("FLASK_DEBUG", "0")
    assert "not set" in mistakes(SECRET_KEY="")["SECRET_KEY"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("dev", "shorter than 32 bytes"),
        ("x" * 31, "shorter than 32 bytes"),
        ("abab" * 16, "fewer than 5 different characters"),
        ("secret" * 8, "can be guessed"),
        ("changeme-changeme-changeme-changeme", "can be guessed"),
        ("you-will-never-guess you-will-never-guess", "can be guessed"),
        ("your-secret-key-change-this-in-production", "can be guessed"),
        ("a-very-long-secret-key-that-is-hard-to-guess", "can be guessed"),
        ("django-insecure-replace-me-in-production-please", "can be guessed"),
        ("SECRET_KEY_SECRET_KEY_SECRET_KEY_SECRET", "can be guessed"),
        ("x8Kd!qLw" * 4, "can be guessed"),
        ("12345678901234567890123456789012", "can be guessed"),
        ("abcdefghijklmnopqrstuvwxyz0123456789", "can be guessed"),
        ("192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf", "can be guessed"),
    ],
)
def test_a_key_that_others_know_is_refused(key: str, said: str) -> None:
    for name in ("SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        refusal = mistakes(**{name: key})[name]
        assert said in refusal
        assert "secrets.token_urlsafe(32)" in refusal
        assert key not in refusal


def test_keys_as_they_are_made_are_taken() -> None:
    for make in (secrets.token_urlsafe, secrets.token_hex):
        for _ in range(100):
            load_config({"SECRET_KEY": make(32)})
    assert load_config({"SECRET_KEY": secrets.token_hex(16)})  # many generators make keys of 32 characters


def test_the_cookie_is_secure_outside_debug_and_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_config({"SECRET_KEY": KEY})["SESSION_COOKIE_SECURE"] is True
    assert load_config({"SECRET_KEY": KEY, "DEBUG": True})["SESSION_COOKIE_SECURE"] is False
    assert load_config({"TESTING": True})["SESSION_COOKIE_SECURE"] is False
    monkeypatch.setenv("SESSION_COOKIE_SECURE", "0")
    assert load_config({"SECRET_KEY": KEY})["SESSION_COOKIE_SECURE"] is False


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("0.0.0.0", "0.0.0.0"),
        ("::1", "[::1]"),
        ("[::]", "[::]"),
        ("localhost", "localhost"),
        ("web-1.lan", "web-1.lan"),
    ],
)
def test_addresses_to_listen_on(given: str, used: str) -> None:
    assert load_config({"SECRET_KEY": KEY, "BIND_HOST": given})["BIND_HOST"] == used


def test_hosts_that_are_trusted() -> None:
    hosts = ["example.org", ".example.org", "xn--bcher-kva.example", "192.0.2.1", "[2001:db8::1]"]
    assert load_config({"SECRET_KEY": KEY, "TRUSTED_HOSTS": ",".join(hosts)})["TRUSTED_HOSTS"] == hosts


def test_testing_has_a_journal_of_its_own_and_no_file() -> None:
    first, second = load_config({"TESTING": True}), load_config({"TESTING": True})
    assert first["LOG_JOURNAL_DIR"] != second["LOG_JOURNAL_DIR"]
    assert first["LOG_FILE"] == ""


def test_testing_takes_a_database_from_what_is_given_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "LOG_DATABASE_URL"):
        monkeypatch.setenv(name, f"sqlite:///{tmp_path}/mine.db")
    first, second = load_config({"TESTING": True}), load_config({"TESTING": True, "DATABASE_URL": ""})
    used = [values[name] for values in (first, second) for name in ("DATABASE_URL", "LOG_DATABASE_URL")]
    assert len(set(used)) == 4
    for url in used:
        assert not Path(str(url).removeprefix("sqlite:///")).exists()
        assert str(url).startswith("sqlite:///")
        assert str(INSTANCE) not in str(url)
        assert str(tmp_path) not in str(url)
    named = load_config({"TESTING": True, "DATABASE_URL": f"sqlite:///{tmp_path}/named.db"})
    assert named["DATABASE_URL"] == sqlite(f"{tmp_path}/named.db")
    assert named["LOG_DATABASE_URL"] not in (*used, sqlite(f"{tmp_path}/mine.db"), sqlite(f"{INSTANCE}/log.db"))


@pytest.mark.parametrize("more", [{}, {"TESTING": True}])
def test_names_of_flask_sqlalchemy_count(more: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///of-the-environment.db")
    binds = {"log": "sqlite:///l.db", "else": "sqlite:///e.db"}
    given = {"SECRET_KEY": KEY, "SQLALCHEMY_DATABASE_URI": "sqlite:///a.db", "SQLALCHEMY_BINDS": binds, **more}
    values = load_config(given)
    assert values["DATABASE_URL"] == values["SQLALCHEMY_DATABASE_URI"] == sqlite(f"{INSTANCE}/a.db")
    assert values["LOG_DATABASE_URL"] == sqlite(f"{INSTANCE}/l.db")
    assert values["SQLALCHEMY_BINDS"] == {"log": sqlite(f"{INSTANCE}/l.db"), "else": "sqlite:///e.db"}


def test_one_database_by_two_names_is_refused_unless_they_agree() -> None:
    one, other = "sqlite:///one.db", "sqlite:///other.db"
    found = mistakes(
        DATABASE_URL=one, SQLALCHEMY_DATABASE_URI=other, LOG_DATABASE_URL=one, SQLALCHEMY_BINDS={"log": other}
    )
    assert "SQLALCHEMY_DATABASE_URI names another database" in found["DATABASE_URL"]
    assert 'SQLALCHEMY_BINDS["log"] names another database' in found["LOG_DATABASE_URL"]
    load_config({"SECRET_KEY": KEY, "DATABASE_URL": one, "SQLALCHEMY_DATABASE_URI": one})
    assert "lost in memory" in mistakes(SQLALCHEMY_BINDS={"log": "sqlite://"})["LOG_DATABASE_URL"]


def test_the_sites_name_may_be_given() -> None:
    assert load_config({"SECRET_KEY": KEY, "SITE_NAME": "Mine"})["SITE_NAME"] == "Mine"


def test_what_flask_is_told(make_app: Callable[..., Flask]) -> None:
    app = make_app(PROXY_HOPS=1, PROXY_HEADERS="host", TRUSTED_HOSTS="a.org")
    assert app.config["SESSION_COOKIE_HTTPONLY"]
    assert app.config["TRUSTED_HOSTS"] == ["a.org"]
    client = app.test_client()
    assert client.get("/absent").status_code == 400
    assert client.get("/absent", headers={"X-Forwarded-Host": "a.org"}).status_code == 404
