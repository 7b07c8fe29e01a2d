"""Every environment variable: its name, its type, its default, and why it exists.

They are read from the environment and from `.env`; what create_app is given overrides both.
"""

import atexit
import functools
import logging
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from environs import Env, EnvValidationError, ValidationError
from flask.helpers import get_debug_flag, get_load_dotenv
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

PROJECT = Path(__file__).parent.parent
INSTANCE = PROJECT / "instance"

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

# What a URL may begin with: the driver it gets, and the extra that installs the driver.
SCHEMES = {
    "sqlite": ("sqlite", ""),
    "postgresql": ("postgresql+psycopg", "postgresql"),
    "postgres": ("postgresql+psycopg", "postgresql"),
    "mysql": ("mysql+pymysql", "mysql"),
    "mariadb": ("mariadb+pymysql", "mysql"),
}

# Settings of Flask itself that a deployment changes; unset, Flask's own default holds.
FLASK_SETTINGS = {
    "APPLICATION_ROOT": "str",
    "MAX_CONTENT_LENGTH": "int",
    "MAX_FORM_MEMORY_SIZE": "int",
    "MAX_FORM_PARTS": "int",
    "PERMANENT_SESSION_LIFETIME": "int",
    "PREFERRED_URL_SCHEME": "str",
    "SECRET_KEY_FALLBACKS": "comma_separated",
    "SEND_FILE_MAX_AGE_DEFAULT": "int",
    "SERVER_NAME": "str",
    "SESSION_COOKIE_DOMAIN": "str",
    "SESSION_COOKIE_NAME": "str",
    "SESSION_COOKIE_PATH": "str",
    "SESSION_COOKIE_SECURE": "bool",
    "TEMPLATES_AUTO_RELOAD": "bool",
    "TRUSTED_HOSTS": "comma_separated",
}


class ConfigError(SystemExit):
    """The configuration is wrong. Ends whatever process meets it with the message alone.

    4 is gunicorn's exit code for an application that cannot be loaded: with another one it would
    start worker after worker.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = 4


class Settings(Env):
    """The environment, `.env`, and above both what create_app was given."""

    def __init__(self, overrides: Mapping[str, object]) -> None:
        super().__init__(eager=False)
        self.overrides = overrides

    def _get_value(self, env_key: str, default: Any) -> Any:
        value = self.overrides.get(env_key)
        if value is None:
            value = super()._get_value(env_key, default)
        return default if value == "" and env_key != "LOG_FILE" else value


def load_config(overrides: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return what goes into `app.config`.

    Raises ConfigError, naming every variable that is wrong and what was expected.
    """
    overrides = overrides or {}
    testing = bool(overrides.get("TESTING"))
    debug = bool(overrides.get("DEBUG", get_debug_flag()))
    env = Settings(overrides)
    if get_load_dotenv():
        env.read_env(PROJECT / ".env", recurse=False)
    for parser in (secret, level, integer, comma_separated, project_path, database_url):
        env.add_parser(parser.__name__, parser)

    values: dict[str, object] = {
        # What the pages call this site.
        "SITE_NAME": tomllib.loads((PROJECT / "app/site.toml").read_text("utf-8"))["name"],
        # Signs the session cookie: whoever knows it can log in as anybody.
        "SECRET_KEY": env.secret("SECRET_KEY", "for debugging only" if debug or testing else ""),
        # The application's data. A SQLite path is relative to instance/.
        "DATABASE_URL": (url := env.database_url("DATABASE_URL", "sqlite:///app.db")),
        # The log's rows; a server's own, so that a busy log does not slow the application down.
        "LOG_DATABASE_URL": env.database_url("LOG_DATABASE_URL", log_default(url), for_log=True),
        # The least that the console shows.
        "LOG_LEVEL": env.level("LOG_LEVEL", "INFO"),
        # A rotating file for `tail -f`; empty turns it off.
        "LOG_FILE": env.project_path("LOG_FILE", "" if testing else "instance/app.log"),
        "LOG_FILE_LEVEL": env.level("LOG_FILE_LEVEL", "INFO"),
        "LOG_FILE_MAX_MB": env.integer("LOG_FILE_MAX_MB", 10, least=1),
        "LOG_FILE_COUNT": env.integer("LOG_FILE_COUNT", 5, least=1),
        # The least that /logs shows.
        "LOG_DB_LEVEL": env.level("LOG_DB_LEVEL", "WARNING"),
        # Where records wait for the database; must survive a restart to be of use.
        "LOG_JOURNAL_DIR": env.project_path("LOG_JOURNAL_DIR", scratch_folder() if testing else "instance/journal"),
        # More than this is dropped and counted, so that a lost database does not fill the disk.
        "LOG_JOURNAL_MAX_MB": env.integer("LOG_JOURNAL_MAX_MB", 256, least=1),
        # Survive power loss too, at a hundred times the cost of a record.
        "LOG_JOURNAL_FSYNC": env.bool("LOG_JOURNAL_FSYNC", False),
        # Older rows are pruned; 0 keeps them for ever.
        "LOG_RETENTION_DAYS": env.integer("LOG_RETENTION_DAYS", 30, most=36_500),
        # Beyond it the oldest rows are pruned, so that a flood of errors does not fill the disk; 0 keeps all.
        "LOG_MAX_ROWS": env.integer("LOG_MAX_ROWS", 5_000_000),
        # Names of values that must not be logged, besides passwords and the like.
        "LOG_REDACT": env.comma_separated("LOG_REDACT", ""),
        # How many proxies to believe about the visitor's address. Too many, and visitors choose theirs.
        "PROXY_HOPS": env.integer("PROXY_HOPS", 0),
        # What `flask run` does to the database: see migration_state.py.
        "AUTO_MIGRATE": env.bool("AUTO_MIGRATE", None),
        # Read by gunicorn itself; checked here so that a mistake is reported with the others.
        "PORT": env.integer("PORT", 8000),
        "WEB_CONCURRENCY": env.integer("WEB_CONCURRENCY", 1, least=1),
        # Other sites' forms do not carry the session.
        "SESSION_COOKIE_SAMESITE": env.str("SESSION_COOKIE_SAMESITE", "Lax"),
    }
    for name, kind in FLASK_SETTINGS.items():
        given = overrides.get(name)
        if given is None or isinstance(given, str):
            given = getattr(env, kind)(name, None)
        if given is not None:
            values[name] = given
    values["SQLALCHEMY_DATABASE_URI"] = values["DATABASE_URL"]
    values["SQLALCHEMY_BINDS"] = {"log": values["LOG_DATABASE_URL"]}
    refuse_mistakes(env)
    return values | {name: value for name, value in overrides.items() if name not in values}


def refuse_mistakes(env: Env) -> None:
    try:
        env.seal()
    except EnvValidationError as error:
        mistakes: Any = error.error_messages
        lines = [f"  {name}: {' '.join(map(str, why))}" for name, why in mistakes.items()]
        message = "\n".join(["The configuration is wrong:", *lines])
        print(message, file=sys.stderr)
        raise ConfigError(message) from None


def secret(value: str) -> str:
    if not value:
        raise ValidationError(
            "is not set; expected a long random text, such as the output of"
            ' python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    return value


def level(value: str | int) -> str:
    name = logging.getLevelName(value) if isinstance(value, int) else value.upper()
    if name not in LEVELS:
        raise ValidationError(f"expected one of {', '.join(LEVELS)}")
    return name


def integer(value: str | int, least: int = 0, most: int | None = None) -> int:
    with suppress(TypeError, ValueError):
        if least <= (found := int(value)) and (most is None or found <= most):
            return found
    expected = f"{least} or more" if most is None else f"{least} to {most:,}"
    raise ValidationError(f"expected a whole number, {expected}")


def comma_separated(value: str | list[str] | None) -> list[str] | None:
    """What commas separate."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def project_path(value: str | os.PathLike[str]) -> str:
    """Relative to the project's folder, wherever the process was started."""
    return str(PROJECT / value) if value else ""


def database_url(value: str, for_log: bool = False) -> str:
    """Return the URL with its driver named and a SQLite path made absolute."""
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValidationError("expected a URL such as postgresql://user@host/name") from None
    backend = url.get_backend_name()
    if backend not in SCHEMES:
        raise ValidationError(f"expected {', '.join(SCHEMES)} before ://, not {backend}")
    driver, extra = SCHEMES[backend]
    if "+" not in url.drivername:
        url = url.set(drivername=driver)
    try:
        url.get_dialect().import_dbapi()
    except (ImportError, NoSuchModuleError):
        raise ValidationError(
            f"the driver of {url.drivername} is not installed; run `uv sync --extra {extra}`"
            f' or `pip install -e ".[{extra}]"`'
        ) from None
    if in_memory(url):
        if for_log:
            raise ValidationError("the log would be lost in memory; expected a file or a server")
    elif backend == "sqlite" and not str(url.database).startswith("file:"):
        url = url.set(database=str(INSTANCE / str(url.database)))
    return url.render_as_string(hide_password=False)


def in_memory(url: URL) -> bool:
    place = url.database or ":memory:"
    return url.get_backend_name() == "sqlite" and (":memory:" in place or url.query.get("mode") == "memory")


def log_default(url: str | None) -> str:
    """Beside the application's data on a server, in a file of its own with SQLite."""
    if url is None or not url.startswith("sqlite"):
        return url or "sqlite:///log.db"
    if in_memory(make_url(url)):
        return f"sqlite:///{scratch_folder()}/log.db"
    return "sqlite:///log.db"


def scratch_folder() -> str:
    """A folder that is removed when this process ends."""
    return tempfile.mkdtemp(dir=scratch_root())


@functools.cache
def scratch_root() -> str:
    folder, owner = tempfile.mkdtemp(prefix="app-"), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # not in a forked child
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder
