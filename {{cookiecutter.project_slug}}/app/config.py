"""Every environment variable: its name, its type, its default, and why it exists.

They are read from the environment and from `.env`; the mapping that create_app is given overrides both. Under TESTING,
only this mapping can name a database.
"""

import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from flask.helpers import get_debug_flag, get_load_dotenv
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from .cookies import SESSIONS, session_cookie_name
from .engines import typed_options
from .parsers import (
    any_secret,
    bind_host,
    boolean,
    comma_separated,
    integer,
    level,
    level_or_off,
    limits_storage,
    proxy_headers,
    release,
    strong_secret,
    trusted_hosts,
)
from .private_files import why_link, why_not_ours
from .release import find_commit
from .scratch import scratch_folder
from .sqlite import in_memory

PROJECT = Path(__file__).parent.parent
INSTANCE = PROJECT / "instance"

MiB = 1024 * 1024
# Libraries such as PyJWT (HS512) warn if a key is shorter than this one.
FOR_DEBUGGING = "for debugging and for tests only, no secret: it stands in the source code"
ONE_YEAR_SECONDS = 365 * 24 * 60 * 60
TEN_YEARS_SECONDS = 10 * ONE_YEAR_SECONDS

# This maps the beginning of a URL to the driver that it gets, and to the extra that installs the driver.
SCHEMES = {
    "sqlite": ("sqlite", ""),
    "postgresql": ("postgresql+psycopg", "postgresql"),
    "postgres": ("postgresql+psycopg", "postgresql"),
    "mysql": ("mysql+pymysql", "mysql"),
    "mariadb": ("mariadb+pymysql", "mysql"),
}

Read = Callable[[str, Callable[[Any], object], object], Any]


class ConfigError(SystemExit):
    """The configuration is wrong. This exception ends the process, which prints only the message.

    4 is gunicorn's exit code for an application that cannot be loaded: with another one it would
    start worker after worker.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = 4


def load_config(overrides: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return what goes into `app.config`.

    Raises ConfigError, naming every variable that is wrong and what was expected.
    """
    values, mistakes = read_config(overrides or {})
    if mistakes:
        message = "\n".join(["The configuration is wrong:", *(f"  {mistake}" for mistake in mistakes)])
        print(message, file=sys.stderr)
        raise ConfigError(message)
    return values


def read_config(given: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """Return the values, and a sentence for each variable that is wrong, which has the value None."""
    mistakes: list[str] = []
    overrides = with_databases(given, mistakes)
    testing = bool(overrides.get("TESTING"))
    debug = bool(overrides.get("DEBUG", get_debug_flag()))
    served = not debug and not testing
    if get_load_dotenv():
        load_env_file(PROJECT / ".env")
    read = reader(overrides, mistakes)
    key = strong_secret if served else any_secret

    site = tomllib.loads((PROJECT / "app/site.toml").read_text("utf-8"))
    values: dict[str, object] = {
        # The site's name on its pages.
        "SITE_NAME": overrides.get("SITE_NAME", site["name"]),
        # Signs the session cookie: a person who knows the key can log in as anybody.
        "SECRET_KEY": read("SECRET_KEY", key, "" if served else FOR_DEBUGGING),
        # Earlier keys, whose cookies are still accepted.
        "SECRET_KEY_FALLBACKS": read("SECRET_KEY_FALLBACKS", lambda keys: [*map(key, comma_separated(keys))], []),
        # The application's data. A SQLite path is relative to instance/.
        "DATABASE_URL": (url := read("DATABASE_URL", database_url, "sqlite:///app.db")),
        # The log's rows. With a server of its own, a busy log does not slow the application down.
        "LOG_DATABASE_URL": read("LOG_DATABASE_URL", log_database_url, log_default(url)),
        # The lowest level that the console shows.
        "LOG_LEVEL": read("LOG_LEVEL", level, "INFO"),
        # A rotating file for `tail -f`; empty turns it off.
        "LOG_FILE": read("LOG_FILE", project_path, "" if testing else "instance/app.log"),
        "LOG_FILE_LEVEL": read("LOG_FILE_LEVEL", level, "INFO"),
        "LOG_FILE_MAX_MB": read("LOG_FILE_MAX_MB", integer(least=1), 10),
        "LOG_FILE_COUNT": read("LOG_FILE_COUNT", integer(least=1), 5),
        # The lowest level that /logs shows; OFF records nothing.
        "LOG_DB_LEVEL": read("LOG_DB_LEVEL", level_or_off, "WARNING"),
        # Records wait here for the database; the folder must survive a restart to be of use.
        "LOG_JOURNAL_DIR": read("LOG_JOURNAL_DIR", journal_folder, scratch_folder() if testing else "instance/journal"),
        # Records beyond this are dropped and counted, so that a lost database does not fill the disk.
        "LOG_JOURNAL_MAX_MB": read("LOG_JOURNAL_MAX_MB", integer(least=1), 256),
        # Whether records survive power loss, too; each record then costs a hundred times as much.
        "LOG_JOURNAL_FSYNC": read("LOG_JOURNAL_FSYNC", boolean, False),
        # Older rows are pruned; 0 keeps them for ever.
        "LOG_RETENTION_DAYS": read("LOG_RETENTION_DAYS", integer(most=36_500), 30),
        # Beyond this number the oldest rows are pruned, so that a flood of errors does not fill the disk; 0 keeps all.
        "LOG_MAX_ROWS": read("LOG_MAX_ROWS", integer(), 5_000_000),
        # Of a problem's records beyond this number in an hour, only one in a hundred is stored as a row. 0 stores all.
        "LOG_STORM_ROWS": read("LOG_STORM_ROWS", integer(), 10_000),
        # Beyond this number the problems with the fewest rows are deleted, unless they have a decision; 0 keeps all.
        "LOG_MAX_PROBLEMS": read("LOG_MAX_PROBLEMS", integer(), 10_000),
        # The deployed release, stored with each log row; the log lists what is new since the last deploy.
        "RELEASE": read("RELEASE", release, "" if testing else find_commit(PROJECT)),
        # Names of values that must not be logged, besides passwords and the like.
        "LOG_REDACT": read("LOG_REDACT", comma_separated, []),
        # After how long without use a session ends; with 0 it ends only after its 14 days.
        "SESSION_IDLE_MINUTES": read("SESSION_IDLE_MINUTES", integer(), 0),
        # Where wrong passwords are counted; several processes need one place, a Redis for example.
        "RATELIMIT_STORAGE_URI": read("RATELIMIT_STORAGE_URI", limits_storage, "memory://"),
        # Whether too many wrong passwords are refused.
        "RATELIMIT_ENABLED": read("RATELIMIT_ENABLED", boolean, True),
        # How many days `flask audit prune` keeps; 0 keeps all.
        "AUDIT_RETENTION_DAYS": read("AUDIT_RETENTION_DAYS", integer(most=36_500), 0),
        # How many proxies to believe about the visitor's address and scheme. With too many, visitors choose theirs.
        "PROXY_HOPS": read("PROXY_HOPS", integer(), 0),
        # Other headers of these proxies to believe. Do not name a header that a proxy passes on from the visitor.
        "PROXY_HEADERS": read("PROXY_HEADERS", proxy_headers, []),
        # For how long a browser that came over https uses https only; 0 does not send the header.
        "HSTS_SECONDS": read("HSTS_SECONDS", integer(), ONE_YEAR_SECONDS),
        # What `flask run` does to the database: see migration_state.py.
        "AUTO_MIGRATE": read("AUTO_MIGRATE", boolean, None),
        # gunicorn.conf.py reads these. By default only a proxy on this machine reaches the server.
        "BIND_HOST": read("BIND_HOST", bind_host, "127.0.0.1"),
        "PORT": read("PORT", integer(most=65_535), 8000),
        "WEB_CONCURRENCY": read("WEB_CONCURRENCY", integer(least=1), 1),
        # A larger body is refused before it is read, unless the view has a limit of its own: see security.py.
        "MAX_CONTENT_LENGTH": read("MAX_CONTENT_LENGTH", integer(least=1), MiB),
        # Browsers do not send the session with other sites' forms, nor over plain http.
        "SESSION_COOKIE_SAMESITE": read("SESSION_COOKIE_SAMESITE", str, "Lax"),
        "SESSION_COOKIE_SECURE": read("SESSION_COOKIE_SECURE", boolean, served),
    }
    values |= settings_of_flask(overrides, read)
    values.setdefault(
        "SESSION_COOKIE_NAME", session_cookie_name(site["slug"], {**overrides, **values}, debug or testing)
    )
    values["SQLALCHEMY_DATABASE_URI"] = values["DATABASE_URL"]
    values["SQLALCHEMY_BINDS"] = dict(overrides["SQLALCHEMY_BINDS"]) | {"log": values["LOG_DATABASE_URL"]}
    return SESSIONS | values | {name: value for name, value in overrides.items() if name not in values}, mistakes


def with_databases(given: Mapping[str, object], mistakes: list[str]) -> dict[str, Any]:
    """Return what create_app is given, with its databases under the names of their variables.

    The mapping may also use Flask-SQLAlchemy's names for them. Under TESTING a database that it does not name is a new,
    empty one: a test must not touch the database that the environment or `.env` names.
    """
    binds: Any = given.get("SQLALCHEMY_BINDS") or {}
    found = {**given, "SQLALCHEMY_BINDS": binds}
    for variable, name, url in (
        ("DATABASE_URL", "SQLALCHEMY_DATABASE_URI", given.get("SQLALCHEMY_DATABASE_URI")),
        ("LOG_DATABASE_URL", 'SQLALCHEMY_BINDS["log"]', binds.get("log")),
    ):
        if url and given.get(variable) not in (None, "", url):
            mistakes.append(f"{variable}: {name} names another database; give one of the two")
        if url := url or given.get(variable):
            found[variable] = url
        elif given.get("TESTING"):
            found[variable] = URL.create("sqlite", database=f"{scratch_folder()}/scratch.db")
    return found


def load_env_file(path: Path) -> None:
    """Put the variables of a file into the environment; a variable that is there already stays as it is.

    Raises ConfigError if the file is not in UTF-8; editors on Windows write other encodings, or UTF-8 with a mark.
    """
    try:
        load_dotenv(path, encoding="utf-8-sig")
    except ValueError:  # the bytes cannot be decoded, or are a NUL character, which no variable may have
        message = f"{path} is not in UTF-8: save it in this encoding."
        print(message, file=sys.stderr)
        raise ConfigError(message) from None


def settings_of_flask(overrides: Mapping[str, object], read: Read) -> dict[str, object]:
    """Return those of Flask's own settings that a deployment may set; for the others Flask's defaults apply."""
    kinds: dict[str, Callable[[Any], object]] = {
        **dict.fromkeys(("APPLICATION_ROOT", "PREFERRED_URL_SCHEME", "SERVER_NAME"), str),
        **dict.fromkeys(("SESSION_COOKIE_DOMAIN", "SESSION_COOKIE_NAME", "SESSION_COOKIE_PATH"), str),
        **dict.fromkeys(("MAX_FORM_MEMORY_SIZE", "MAX_FORM_PARTS"), integer()),
        **dict.fromkeys(("PERMANENT_SESSION_LIFETIME", "SEND_FILE_MAX_AGE_DEFAULT"), integer(most=TEN_YEARS_SECONDS)),
        **{"TRUSTED_HOSTS": trusted_hosts, "TEMPLATES_AUTO_RELOAD": boolean},
    }
    found = {
        name: read(name, parse, None)
        for name, parse in kinds.items()
        # Flask itself understands values of other types, such as a timedelta.
        if isinstance(overrides.get(name), str | None)
    }
    return {name: value for name, value in found.items() if value is not None}


def reader(overrides: Mapping[str, object], mistakes: list[str]) -> Read:
    """Return a function that reads a variable, from what create_app was given or else from the environment.

    It takes the variable's name, a parser, and the default, which is used for an empty text, too. If the parser raises
    ValueError, which says what was expected, the sentence is added to `mistakes`.
    """

    def read(name: str, parse: Callable[[Any], object], default: object) -> Any:
        value = overrides.get(name, os.environ.get(name))
        # LOG_FILE alone has a meaning when it is empty.
        if value is None or (value == "" and name != "LOG_FILE"):
            value = default
        try:
            return None if value is None else parse(value)
        except ValueError as mistake:
            mistakes.append(f"{name}: {mistake}")
            return None

    return read


def journal_folder(value: str | os.PathLike[str]) -> str:
    """Return the folder's path; raises ValueError if others can put files into the folder."""
    path = project_path(value)
    if path and (why := why_not_ours(Path(path))):
        raise ValueError(why)
    return path


def project_path(value: str | os.PathLike[str]) -> str:
    """Return the absolute path; a relative one begins at the project's folder, wherever the process was started."""
    return str(PROJECT / value) if value else ""


def database_url(value: str | URL) -> str:
    """Return the URL with its driver named and a SQLite path made absolute."""
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError("expected a URL such as postgresql://user@host/name") from None
    backend = url.get_backend_name()
    if backend not in SCHEMES:
        raise ValueError(f"expected {', '.join(SCHEMES)} before ://, not {backend}")
    driver, extra = SCHEMES[backend]
    if "+" not in url.drivername:
        url = url.set(drivername=driver)
    try:
        url.get_dialect().import_dbapi()
    except (ImportError, NoSuchModuleError):
        raise ValueError(
            f"the driver of {url.drivername} is not installed; run `uv sync --extra {extra}`"
            f' or `pip install -e ".[{extra}]"`'
        ) from None
    typed_options(url)  # raises ValueError
    if backend == "sqlite" and not in_memory(url) and not str(url.database).startswith("file:"):
        path = INSTANCE / str(url.database)
        if why := why_link(path):
            raise ValueError(why)
        url = url.set(database=str(path))
    return url.render_as_string(hide_password=False)


def log_database_url(value: str | URL) -> str:
    """Return the log's URL as :func:`database_url` does; the log's database may not be in memory."""
    url = database_url(value)
    if in_memory(make_url(url)):
        raise ValueError("the log would be lost in memory; expected a file or a server")
    return url


def log_default(url: str | None) -> str:
    """Return the log's default URL: the application's database if it is on a server, with SQLite a second file."""
    if url is None or not url.startswith("sqlite"):
        return url or "sqlite:///log.db"
    if in_memory(make_url(url)):
        return f"sqlite:///{scratch_folder()}/log.db"
    return "sqlite:///log.db"
