"""Every record becomes a row, also with hostile values, secrets, or objects whose text would query the database."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from flask_migrate import upgrade
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

from app import dblog
from app.accounts.access import current_user
from app.accounts.models import User
from app.config import PROJECT
from app.database import db, utcnow
from app.dblog.capture.sanitize import TRUNCATED
from app.dblog.handler import DatabaseLogHandler
from app.dblog.models import LogEntry, LogHour, LogProblem
from app.redaction import REDACTED

from ..conftest import KEY, login
from ..redaction_texts import REPEATED, SECRETS

# This logger is not from getLogger: the handlers of the console and of pytest raise at some of these records.
logger = logging.Logger("values")


def entries() -> list[LogEntry]:
    """Return all rows, newest first; the session ends here, because on SQLite it would lock the log."""
    assert dblog.flush(20)
    with Session(db.engines["log"], expire_on_commit=False) as session:
        return list(session.scalars(select(LogEntry).order_by(LogEntry.id.desc())))


def newest() -> LogEntry:
    return entries()[0]


def handler_of_the_log() -> logging.Handler:
    return next(each for each in logging.getLogger().handlers if isinstance(each, DatabaseLogHandler))


@pytest.fixture(autouse=True)
def alone(app: Flask) -> None:
    logger.handlers = [handler_of_the_log()]


@pytest.fixture
def log(app: Flask) -> Iterator[Flask]:
    with app.app_context():
        yield app


class Raises:
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        raise ValueError("no format")


class LiesAboutItsClass:
    def _class(self) -> Any:
        raise RuntimeError("no class")

    __class__ = property(_class)


cyclic: list[Any] = [1]
cyclic += [cyclic] * 50
deep: list[Any] = []
for _ in range(5_000):
    deep = [deep]


HOSTILE: dict[str, tuple[Any, ...]] = {
    "NUL": ("a\0b %s", "\0"),
    "lone surrogates": ("\udc80 %s", "\ud800"),
    "not numbers": ("%s %s", float("nan"), float("inf")),
    "bytes": ("%s", b"\xff\0"),
    "10 MB": ("%s", "x" * 10_000_000),
    "10 MB of message": ("y" * 10_000_000,),
    "beyond what is searched": ("%s", list(range(20_000))),
    "deep": ("%s", deep),
    "cyclic": ("%s", cyclic),
    "raising": ("%s", Raises()),
    "raising repr": ("%r", Raises()),
    "raising message": (Raises(),),
    "raising class": ("%s %s", 1, LiesAboutItsClass()),
    "too few arguments": ("%s %s", 1),
    "too many arguments": ("%s", 1, 2),
    "a number for text": ("%d", "five"),
    "percent": ("100%",),
    "percent and arguments": ("100%", 1),
    "a dictionary": ("%(a)s", {"a": 1}),
    "a dictionary without the key": ("%(b)s", {"a": 1}),
    "terminal codes": ("\x1b[31mred\x1b[0m\r\n\nnext %s", "\x9b31m"),
    "a very long number": ("%s", 10**5_000),
    "no text": (None,),
    "an exception": (ValueError("as message"),),
    "a template": ("{} %s", object()),
}


MARKED = {
    "10 MB": TRUNCATED,
    "beyond what is searched": TRUNCATED,
    "deep": "[too deep]",
    "cyclic": "[recursion]",
    "raising": "[raised ValueError]",
    "too few arguments": "[raised TypeError]",
}


def test_hostile_messages(log: Flask) -> None:
    for name, arguments in HOSTILE.items():
        logger.error(*arguments, extra={"which": name, "again": arguments[1:]})
    found = {str(entry.extra["which"]): entry for entry in entries() if entry.extra}
    assert found.keys() == HOSTILE.keys()
    for name, entry in found.items():
        assert len(entry.message) <= 65_536
        assert MARKED.get(name, "") in entry.message


def test_colours_are_left_out(log: Flask) -> None:
    """A message is searched and grouped by its words; other escape sequences, which somebody may have sent, stay."""
    logger.error("\x1b[1mpaid\x1b[0m %s", "\x1b[31;1mlate\x1b[0m \x1b[2J")
    name = "coffee"
    logger.error(f"\x1b[32mOut of\x1b[0m {name}")
    record = logging.makeLogRecord({"msg": "worker", "levelno": 40, "exc_text": "\x1b[31mValueError\x1b[0m: none"})
    handler_of_the_log().handle(record)
    worker, out, paid = entries()
    assert (paid.message, out.message) == ("paid late \x1b[2J", "Out of coffee")
    assert worker.trace == "ValueError: none"
    with log.app_context():
        titles = set(db.session.scalars(select(LogProblem.title)))
    assert titles >= {"paid %s", "Out of {name}"}


def test_hostile_levels_and_names(log: Flask) -> None:
    names = {"name": "\udc80" * 300, "threadName": "\0" * 300, "funcName": "\U0001f600" * 300}
    for level in (-5, 0, 10**6, 10**30, "no number"):
        handler_of_the_log().handle(logging.makeLogRecord({"msg": "odd", "levelno": level, **names}))
    assert [entry.level for entry in reversed(entries())] == [0, 0, 32_767, 32_767, logging.ERROR]


def test_hostile_requests(app: Flask) -> None:
    @app.get("/x/<path:rest>", endpoint="e" * 300)
    def view(rest: str) -> str:
        logger.error("seen")
        return ""

    environ = {"REMOTE_ADDR": "\udc80" * 200}
    assert app.test_client().get("/x/%ff" + "z" * 5_000, environ_overrides=environ).status_code == 200
    with app.app_context():
        entry = newest()
        assert entry.message == "seen"
        assert (entry.endpoint or "").startswith("eee")
        assert (entry.ip or "").endswith(TRUNCATED)


def test_extra_keys_named_like_columns_clash_with_nothing(log: Flask) -> None:
    columns = sorted(
        set(LogEntry.metadata.tables["log_entry"].c.keys()) - vars(logging.makeLogRecord({})).keys() - {"message"}
    )
    logger.error("clash", extra=dict.fromkeys(columns, "mine"))
    entry = newest()
    assert entry.message == "clash"
    assert entry.extra == dict.fromkeys(columns, "mine")


def test_arguments_are_taken_as_they_are_now(log: Flask) -> None:
    things, extra = ["before"], {"deep": ["before"]}
    logger.error("%s", things, extra={"things": things, "extra": extra})
    things.append("after")
    extra["deep"].append("after")
    entry = newest()
    assert entry.message == "['before']"
    assert entry.extra == {"things": ["before"], "extra": {"deep": ["before"]}}


scalars: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes()
)
scalars |= st.characters(categories=["Cs", "Cc"]) | st.builds(Raises) | st.complex_numbers() | st.decimals()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner))


calls = st.tuples(st.text() | scalars, st.lists(values, max_size=2), values)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(call=calls)
def log_any(made: list[int], call: tuple[Any, list[Any], Any]) -> None:
    message, arguments, extra = call
    logger.error(message, *arguments, extra={"value": extra})
    made.append(1)


def test_any_values(log: Flask) -> None:
    made: list[int] = []
    log_any(made)
    assert len(entries()) == len(made)
    with db.engines["log"].connect() as connection:
        assert connection.scalar(select(func.sum(LogProblem.count))) == len(made)
        assert connection.scalar(select(func.sum(LogHour.count))) == len(made)
    assert dblog.status(log)["quarantined"] == 0


# Secrets

SECRET = "hunter2-hunter2"


@pytest.fixture
def kept(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Return everything that is kept of the records: the journal's lines and the rows."""
    journal = app.extensions["dblog"].journal
    lines: list[bytes] = []
    append = journal.append

    def listen(line: bytes) -> None:
        lines.append(line)
        append(line)

    monkeypatch.setattr(journal, "append", listen)

    def look() -> str:
        assert dblog.flush(20)
        assert lines
        with db.engines["log"].connect() as connection:
            rows = [connection.execute(select(table)).all() for table in db.metadatas["log"].tables.values()]
        return f"{b''.join(lines).decode()} {rows}"

    return look


SECRETIVE: dict[str, Callable[[], None]] = {
    "key": lambda: logger.error("x", extra={"password": SECRET}),
    "nested": lambda: logger.error("x", extra={"a": [{"b": {"Api-Key": SECRET, "access_token": [SECRET]}}]}),
    "bytes key": lambda: logger.error("%s", {b"password": SECRET}, extra={"b": {b"password": SECRET}}),
    "deeper than is looked": lambda: logger.error("%s", [[[[[[[[[[{"password": SECRET}]]]]]]]]]]),
    "beyond what is searched": lambda: logger.error("%s", [*range(20_000), {"password": SECRET}]),
    "headers": lambda: logger.error("%s", {"Authorization": SECRET, "Cookie": SECRET, "X-CSRF-Token": SECRET}),
    "pairs": lambda: logger.error("%s", [("Authorization", SECRET)], extra={"h": [("authorization", SECRET)]}),
    "named argument": lambda: logger.error("%(password)s", {"password": SECRET}),
    "spelling": lambda: logger.error("x", extra={"Pass-Phrase": SECRET, "PRIVATE KEY": SECRET}),
    "url": lambda: logger.error(f"postgresql://ada:{SECRET}@db/x and redis://:{SECRET}@db"),
    "url in extra": lambda: logger.error("x", extra={"dsn": f"mysql://ada:{SECRET}@db/x"}),
    "url query": lambda: logger.error("GET %s", f"https://site/reset?id=1&reset_token={SECRET}#x"),
    "template cut off": lambda: logger.error("x" * 150 + f"postgresql://ada:{SECRET * 9}@db/x %s", 1),
    "bytes cut off": lambda: logger.error("x", extra={"raw": b"x" * 8_150 + f"redis://:{SECRET * 9}@db".encode()}),
    "url cut off": lambda: logger.error("x" * 65_515 + f"postgresql://ada:{SECRET}@db/x"),
}


def test_secrets(log: Flask, kept: Callable[[], str]) -> None:
    for name, speak in SECRETIVE.items():
        speak()
        assert "hunter2" not in kept(), name
    assert len(entries()) == len(SECRETIVE)


class Login(NamedTuple):
    user: str
    password: str


@dataclass
class Credentials:
    user: str
    user_pin: int | str
    iban: str = "none"


def test_secrets_by_form(log: Flask, kept: Callable[[], str]) -> None:
    """They are hidden in messages, arguments, extra, bytes, exceptions and their notes."""
    for around, secret in SECRETS:
        whole = around.replace("§", secret)
        logger.error("%s", whole, extra={"raw": whole.encode(), "deep": [{"text": whole}]})
        error = ValueError(whole)
        error.add_note(whole)
        logger.error("failed", exc_info=error)
    found = kept()
    # A shorter secret may also be a part of a time or of an id.
    assert [secret for _, secret in SECRETS if len(secret) > 5 and secret in found] == []


def test_secrets_in_fields(log: Flask) -> None:
    for value in (Login("ada", "abcdef"), Credentials("ada", "abcdef"), {"a": [Login("ada", "abcdef")]}):
        logger.error("%s", value, extra={"value": value})
        assert "abcdef" not in newest().message
        assert "abcdef" not in json.dumps(newest().extra)
        assert "ada" in newest().message


def test_no_text_holds_a_log_call_up() -> None:
    """A regular expression once took time that grew with the square of the length, so minutes for each of these."""
    texts = ("'http://x/' + '?' * 65_000", "'://?' + '?token' * 10_000", "'$' + 'scrypt' * 10_900", "'$argon2' * 9_000")
    load = "from app.dblog.capture.sanitize import clean_text"
    calls = "; ".join(
        [*(f"clean_text({each})" for each in texts), f"[clean_text(each * 9_000) for each in {REPEATED}]"]
    )
    subprocess.run(
        [sys.executable, "-c", f"{load}; {calls}"],
        cwd=PROJECT,
        check=True,
        timeout=60,
    )


def test_a_record_is_never_more_than_a_server_takes(log: Flask) -> None:
    logger.error("large", extra={f"key {number}": "\x01" * 8_192 for number in range(400)})
    assert newest().message == "large"
    assert list(newest().extra or ()) == [TRUNCATED]
    error: BaseException = ValueError("first")
    for number in range(60):
        following = ValueError(f"{number}")
        for _ in range(20):
            following.add_note("\x01" * 8_192)
        following.__cause__, error = error, following
    logger.error("long", exc_info=error)
    assert newest().message == "long"
    assert (newest().trace or "").endswith(f"ValueError: 59\n{TRUNCATED}\n")


def test_keys_of_the_sites_own(make_app: Callable[..., Flask]) -> None:
    app = make_app(LOG_REDACT="iban,birth-date")
    with app.app_context():
        upgrade()
        logger.handlers = [handler_of_the_log()]
        logger.error("x", extra={"IBAN": SECRET, "deep": [{"birth_date": SECRET}], "kiban": "shown"})
        assert newest().extra == {"IBAN": REDACTED, "deep": [{"birth_date": REDACTED}], "kiban": "shown"}


def test_secrets_in_the_headers_of_a_request(app: Flask, kept: Callable[[], str]) -> None:
    @app.get("/secrets")
    def view() -> str:
        logger.error("%s %s", request.headers, request.cookies, extra={"h": request.headers, "c": request.cookies})
        return ""

    headers = {"Authorization": f"Bearer {SECRET}", "Cookie": f"session={SECRET}; remember_token={SECRET}"}
    app.test_client().get("/secrets", headers=headers)
    with app.app_context():
        assert "hunter2" not in kept()


def test_the_query_and_the_browser_are_kept_without_secrets(app: Flask, kept: Callable[[], str]) -> None:
    @app.get("/asked")
    def view() -> str:
        logger.error("asked")
        return ""

    agent = f"curl/8 token={SECRET}"
    app.test_client().get(f"/asked?page=2&reset_token={SECRET}&q=%E2%82%AC", headers={"User-Agent": agent})
    app.test_client().get("/asked?" + "x" * 10_000, headers={"User-Agent": "y" * 10_000})
    app.test_client().get("/asked", environ_overrides={"HTTP_USER_AGENT": ""})
    with app.app_context():
        assert "hunter2" not in kept()
        bare, long, asked = entries()
    assert asked.query == f"page=2&reset_token={REDACTED}&q=%E2%82%AC"
    assert asked.user_agent == f"curl/8 token={REDACTED}"
    assert (len(long.query or ""), len(long.user_agent or "")) == (2_048, 512)
    assert (bare.query, bare.user_agent) == (None, None)


def test_what_an_exception_says_has_a_column(log: Flask) -> None:
    """The column has the text of the last exception in a chain, as long as searches look at it."""
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("no such tea" + "!" * 5_000) from error
    except ValueError:
        logger.exception("brewing")
    assert (newest().exception, newest().exception_text) == ("ValueError", "no such tea" + "!" * 3_989)


def test_secrets_in_errors_of_a_database(log: Flask, kept: Callable[[], str]) -> None:
    """Some errors contain the refused row with its password's hash, others the database's address with its password."""
    hashed = generate_password_hash(SECRET)
    named = 0
    careless = create_engine(db.engine.url)  # this engine is made without hide_parameters
    with careless.connect() as connection:
        for columns in ({"username": None}, {"id": None, "nothing": 1}, {"is_admin": None}):
            names = {"password_hash": hashed, "is_admin": False, **columns}
            statement = f"INSERT INTO users ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
            try:
                connection.execute(text(statement), names)
            except SQLAlchemyError as error:
                logger.exception("Refused: %s", error, extra={"error": error})
                named += hashed in str(error)
            connection.rollback()
    careless.dispose()
    assert named == 3
    try:
        raise ConnectionError(f"no answer from postgresql://ada:{SECRET}@db/x")
    except ConnectionError as error:
        error.add_note(f"postgresql://ada:{SECRET}@db/x")
        logger.exception("Lost")
    found = kept()
    assert hashed not in found
    assert hashed.rpartition("$")[2] not in found
    assert "hunter2" not in found
    assert found.count("Refused") > 3


# Objects that must not be asked


@pytest.fixture
def statements(app: Flask) -> list[str]:
    """Collect the statements of the application's engine from now on."""
    seen: list[str] = []
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    return seen


def test_model_objects_are_not_asked(
    log: Flask, user: User, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # User's own text needs no loaded columns; that of other people's models may.
    monkeypatch.setattr(User, "__repr__", lambda self: self.username)
    expired = db.session.get_one(User, user.id)
    db.session.expire(expired)
    deleted = User(username="gone", password_hash="a hash")
    db.session.add(deleted)
    db.session.flush()
    db.session.delete(deleted)
    db.session.flush()
    row = db.session.execute(select(User)).one()
    db.session.expire_all()
    db.session.add(User(username="pending", password_hash="a hash"))
    statements.clear()
    for thing in (expired, deleted, [expired], {"user": expired}, (1, {2: expired}), row, {expired}):
        logger.error("%s %r", thing, thing, extra={"user": thing, "deep": {"list": [thing]}})
    logger.error(expired)
    assert statements == []
    assert expired in db.session
    db.session.rollback()
    assert f"<User {user.id}>" in newest().message


@pytest.mark.parametrize("state", ["not loaded", "loaded", "expired", "deleted"])
def test_the_user_is_recorded_without_being_asked(
    app: Flask, client: FlaskClient, user: User, statements: list[str], state: str
) -> None:
    @app.get("/who")
    def who() -> str:
        if state != "not loaded":
            assert current_user.is_authenticated
        if state == "expired":
            db.session.expire_all()
        if state == "deleted":
            db.session.delete(db.session.get_one(User, user.id))
            db.session.flush()
        db.session.add(User(username="pending", password_hash="a hash"))
        statements.clear()
        logger.error("who", extra={"by": current_user})
        logger.error("%s %s", 1, current_user)
        seen = len(statements)
        db.session.rollback()
        return f"{seen} statements"

    login(client, user)
    assert client.get("/who").text == "0 statements"
    with app.app_context():
        assert newest().user_id == user.id
        if state == "loaded":
            assert newest().is_admin is False


# Exceptions that resist


@dataclass(frozen=True)
class Frozen(Exception):
    code: int


class Resists(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_exceptions_that_resist(log: Flask) -> None:
    for error in (Frozen(5), Resists()):
        logger.error("Resisted", exc_info=error)
        assert newest().exception == f"tests.dblog.test_values.{type(error).__name__}"
        logger.error(error)


@pytest.mark.parametrize("debug", [True, False])
def test_an_exception_that_cannot_be_marked(make_app: Callable[..., Flask], debug: bool) -> None:
    app = make_app(DEBUG=debug, TESTING=False, SECRET_KEY=KEY, LOG_FILE="", TRUSTED_HOSTS="localhost")
    app.config["PROPAGATE_EXCEPTIONS"] = debug

    @app.get("/raise")
    def view() -> str:
        raise Frozen(5)

    with app.app_context():
        upgrade()
    if debug:
        with pytest.raises(Frozen):
            app.test_client().get("/raise")
    else:
        assert app.test_client().get("/raise").status_code == 500
    with app.app_context():
        (entry,) = entries()
    assert entry.message == "Exception on /raise [GET]"
    if debug:
        # The frame is where the exception was raised, not where it was caught and recorded.
        assert entry.source
        assert entry.source.endswith("view")


# Records that others made


def take(**fields: Any) -> LogEntry:
    """Return the row of a record with these fields, as it arrives over a socket or from a library."""
    handler_of_the_log().handle(logging.makeLogRecord({"name": "values", "levelno": 40, "msg": "odd"} | fields))
    return newest()


def test_an_exception_that_came_as_text(log: Flask) -> None:
    text = "Traceback (most recent call last):\n  …\nValueError: elsewhere"
    assert take(exc_text=text).trace == text
    assert take(exc_text=text, stack_info="Stack:").trace == f"{text}\nStack:"


def test_the_stack_beside_an_exception(log: Flask) -> None:
    try:
        raise ValueError("five")
    except ValueError:
        logger.exception("both", stack_info=True)
    formatted, _, stack = (newest().trace or "").partition("ValueError: five\n")
    assert formatted.startswith("Traceback")
    assert stack.startswith("Stack (most recent call last):")
    assert "test_the_stack_beside_an_exception" in stack


FACTORY = """
import logging, sys
class Record(logging.LogRecord):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.tenant = "shop"
logging.setLogRecordFactory(Record)
from app.dblog.capture.event import encode
from app.redaction import secret_names
record = logging.getLogger("x").makeRecord("x", 40, "f", 1, "m", (), None, "g", {"mine": 1})
sys.stdout.write(encode(record, lambda: (None, None), secret_names()).decode())
"""


def test_fields_of_a_factory_that_was_set_before_the_import() -> None:
    line = subprocess.run([sys.executable, "-c", FACTORY], cwd=PROJECT, capture_output=True, check=True).stdout
    assert json.loads(line)["extra"] == {"tenant": "shop", "mine": 1}


def test_an_odd_field_costs_that_field_alone(app: Flask) -> None:
    class Homeless(Exception):
        pass

    Homeless.__module__ = None  # type: ignore[assignment]
    odd: dict[str, dict[str, Any]] = {
        "thread": {"threadName": ["no", "name"]},
        "source": {"lineno": {}, "module": []},
        "logger": {"name": {"a": "dictionary"}},
        "exception": {"exc_info": 5},
        "stack": {"stack_info": 7},
        "process": {"process": object()},
        "class": {"exc_info": (Homeless, Homeless("text"), None)},
    }

    @app.get("/odd/<which>")
    def view(which: str) -> str:
        record = {"name": "values", "levelno": 40, "msg": "odd %s", "args": (which,), "mine": "kept", **odd[which]}
        handler_of_the_log().handle(logging.makeLogRecord(record))
        return ""

    for which in odd:
        assert app.test_client().get(f"/odd/{which}").status_code == 200
    with app.app_context():
        found = {entry.message: entry for entry in entries()}
    assert found.keys() == {f"odd {which}" for which in odd}
    for entry in found.values():
        assert (entry.extra or {})["mine"] == "kept"
        assert (entry.path or "").startswith("/odd/")
        assert entry.request_id
    assert found["odd thread"].thread == "['no', 'name']"
    assert found["odd class"].exception == Homeless.__qualname__
    assert "Homeless: text" in (found["odd class"].trace or "")


@pytest.mark.parametrize("created", [float("nan"), float("inf"), None, 1e18, -1e18, "noon"])
def test_a_time_that_is_none_is_the_time_of_arrival(log: Flask, created: Any) -> None:
    before = utcnow()
    entry = take(created=created, mine="kept")
    assert before - timedelta(seconds=1) < entry.created_at <= utcnow()
    assert entry.extra == {"mine": "kept", "created": f"[time of arrival] {created}"}
    assert entry.message == "odd"


@pytest.mark.parametrize("year", [1000, 1969, 9999])
def test_any_year_that_a_row_can_have(make_app: Callable[..., Flask], log: Flask, year: int) -> None:
    make_app(LOG_RETENTION_DAYS=0)
    moment = datetime(year, 6, 1, tzinfo=UTC)
    assert take(created=moment.timestamp()).created_at == moment
