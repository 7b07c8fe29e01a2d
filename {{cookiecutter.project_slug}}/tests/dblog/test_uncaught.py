"""Every exception that nobody handles is recorded once, with its request, wherever it is raised and whoever logs."""

import gc
import logging
import logging.config
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO, StringIO
from typing import Any

import pytest
from flask import (
    Flask,
    Response,
    abort,
    copy_current_request_context,
    has_request_context,
    request,
    send_file,
    session,
    stream_with_context,
)
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app import dblog
from app.database import db
from app.dblog.journal.files import read_state
from app.dblog.models import LogEntry
from app.request_id import HEADER
from app.serving import served

USER = 7
WAYS = ("view", "stream", "stream_with_context", "teardown", "teardown_appcontext", "close", "exit", "after", "abort")
ENDING = (GeneratorExit, KeyboardInterrupt, type("GreenletExit", (BaseException,), {}))
SHARED = RuntimeError("one object for all requests")


@pytest.fixture
def app(app: Flask) -> Flask:
    """Return the application as it is served: under TESTING Flask would propagate exceptions."""
    # makes the application believe the ids that `ask` sends
    app.config.update(PROPAGATE_EXCEPTIONS=False, PROXY_HOPS=1)

    @app.before_request
    def log_in() -> None:
        session["_user_id"] = str(USER)

    @app.get("/view")
    def view() -> str:
        raise RuntimeError("view")

    @app.get("/stream")
    def stream() -> Iterator[bytes]:
        yield b"the first part"
        raise RuntimeError("stream")

    @app.get("/stream_with_context", endpoint="stream_with_context")
    def stream_in_context() -> Response:
        def parts() -> Iterator[bytes]:
            yield b"the first part"
            raise RuntimeError("stream_with_context")

        return Response(stream_with_context(parts()))

    @app.get("/teardown", endpoint="teardown")
    @app.get("/teardown_appcontext", endpoint="teardown_appcontext")
    @app.get("/after", endpoint="after")
    @app.get("/quiet", endpoint="quiet")
    def quiet() -> str:
        return "quiet"

    @app.teardown_request
    def tear_down(_error: BaseException | None) -> None:
        if request.endpoint == "teardown":
            raise RuntimeError("teardown")

    @app.teardown_appcontext
    def tear_down_app(_error: BaseException | None) -> None:
        if (served.get() or {}).get("PATH_INFO") == "/teardown_appcontext":
            raise RuntimeError("teardown_appcontext")

    @app.after_request
    def after(response: Response) -> Response:
        if request.endpoint == "after" and response.status_code == 200:
            raise RuntimeError("after")
        return response

    @app.get("/close")
    def close() -> Response:
        def fail() -> None:
            raise RuntimeError("close")

        response = Response("closed in a moment")
        response.call_on_close(fail)
        return response

    @app.get("/exit", endpoint="exit")
    def leave() -> str:
        sys.exit("exit")

    @app.get("/abort", endpoint="abort")
    def give_up() -> str:
        abort(500, "abort")

    @app.get("/shared")
    def shared() -> str:
        raise SHARED

    return app


def ask(app: Flask, path: str, **environ: object) -> BaseException | None:
    """Do what a server does: call, iterate, close. Return the exception that the server would see."""
    raised: BaseException | None = None
    wsgi = {**EnvironBuilder(path=path, headers=[(HEADER, f"id-{path.strip('/')}")]).get_environ(), **environ}
    try:
        parts, _status, _headers = run_wsgi_app(app, wsgi)
        try:
            for _part in parts:
                pass
        finally:
            parts.close()  # type: ignore[attr-defined]
    except BaseException as error:
        raised = error
    return raised


def entries(app: Flask) -> list[LogEntry]:
    assert dblog.flush(30)
    with app.app_context(), Session(db.engines["log"], expire_on_commit=False) as log:
        return list(log.scalars(select(LogEntry).order_by(LogEntry.id)))


@pytest.mark.parametrize("propagates", [False, True])
def test_each_way_to_fail_is_one_row_with_its_request(app: Flask, propagates: bool) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = propagates
    for way in WAYS:
        raised = ask(app, f"/{way}")
        if raised:
            # A server logs an exception once more if it reaches the server.
            logging.getLogger("waitress").error("Exception while serving", exc_info=raised)
            logging.getLogger("gunicorn.error").error("Error handling request", exc_info=raised)
    found = [(row.path, row.request_id, row.user_id, row.method, row.ip) for row in entries(app)]
    assert found == [(f"/{way}", f"id-{way}", USER, "GET", None) for way in WAYS]
    for row in entries(app):
        assert row.message == f"Exception on {row.path} [GET]"
        assert row.path == f"/{row.endpoint}"
        assert f": {row.endpoint}\n" in (row.trace or "")
        assert "capture/uncaught.py" not in (row.trace or "")


def test_what_fails_before_the_view(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interface(SecureCookieSessionInterface):
        def open_session(self, *_: Any) -> Any:
            logging.getLogger("shop").error("No endpoint yet")
            raise RuntimeError("no session")

    monkeypatch.setattr(app, "session_interface", Interface())
    ask(app, "/quiet")
    # The third is raised by the error page, which has no session either.
    assert [row.exception for row in entries(app)] == [None, "RuntimeError", "AssertionError"]
    assert {(row.path, row.request_id) for row in entries(app)} == {("/quiet", "id-quiet")}


@pytest.mark.parametrize("kind", ENDING)
def test_an_end_is_no_error(app: Flask, kind: type[BaseException]) -> None:
    @app.get("/ends")
    def ends() -> str:
        raise kind

    assert type(ask(app, "/ends")) is kind
    assert entries(app) == []


def test_a_visitor_who_leaves_is_no_error(app: Flask) -> None:
    parts, _status, _headers = run_wsgi_app(app, EnvironBuilder(path="/stream").get_environ())
    assert next(iter(parts)) == b"the first part"
    parts.close()  # type: ignore[attr-defined]
    assert entries(app) == []


def test_a_response_that_nobody_closes_leaves_no_context(app: Flask) -> None:
    gc.disable()
    try:
        parts, _status, _headers = run_wsgi_app(app, EnvironBuilder(path="/stream_with_context").get_environ())
        assert has_request_context()
        del parts
        assert not has_request_context()
    finally:
        gc.enable()


def test_one_object_raised_by_two_requests_is_two_rows(app: Flask) -> None:
    for propagates in (False, True):
        app.config["PROPAGATE_EXCEPTIONS"] = propagates
        ask(app, "/shared")
        ask(app, "/shared")
    assert len(entries(app)) == 4


def test_an_applications_own_record_is_kept_and_is_the_only_one(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def log_exception(exc_info: Any) -> None:
        logging.getLogger("shop").critical("The till is on fire", exc_info=exc_info, extra={"till": 3})

    monkeypatch.setattr(app, "log_exception", log_exception)
    ask(app, "/view")
    [row] = entries(app)
    assert (row.message, row.extra, row.request_id) == ("The till is on fire", {"till": 3}, "id-view")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_finaliser_raises(app: Flask) -> None:
    class Fails:
        def __del__(self) -> None:
            raise RuntimeError("finaliser")

    Fails()
    gc.collect()
    [row] = entries(app)
    assert (row.exception, row.message) == ("RuntimeError", "Exception ignored in function")


def test_a_servers_file_passes_untouched(app: Flask) -> None:
    class Wrapper:
        def __init__(self, file: Any, _size: int = 0) -> None:
            self.file = file

    @app.get("/file")
    def file() -> Response:
        return send_file(BytesIO(b"many bytes"), "text/plain")

    def respond(wrapper: Callable[..., object]) -> object:
        environ = EnvironBuilder(path="/file").get_environ() | {"wsgi.file_wrapper": wrapper}
        return app(environ, lambda *_: lambda _: None)

    assert type(respond(Wrapper)) is Wrapper
    # uWSGI's wrapper is a function that returns the file itself.
    assert type(respond(lambda file, _size: file)) is BytesIO


# Third parties

# The least that `fileConfig` needs.
THEIRS = """
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys =
[logger_root]
level = INFO
handlers = console
[handler_console]
class = StreamHandler
args = ()
"""


def by_dict() -> None:
    logging.config.dictConfig({"version": 1, "root": {"level": "INFO", "handlers": []}})


def by_dict_that_keeps_loggers() -> None:
    root = {"level": "INFO", "handlers": []}
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": root})


def by_dict_without_root() -> None:
    logging.config.dictConfig({"version": 1})


def by_file() -> None:
    logging.config.fileConfig(StringIO(THEIRS))


def by_basic_config() -> None:
    logging.basicConfig(force=True)


def by_emptying() -> None:
    logging.root.handlers = []


def by_level() -> None:
    logging.root.setLevel("CRITICAL")


def by_disable() -> None:
    logging.disable()


def by_not_propagating() -> None:
    logging.getLogger("app").propagate = False


THIRD_PARTIES = (
    *(by_dict, by_dict_that_keeps_loggers, by_dict_without_root, by_file),
    *(by_basic_config, by_emptying, by_level, by_disable, by_not_propagating),
)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Undo what third parties change."""
    root, own = logging.root, logging.getLogger("app")
    handlers, level = root.handlers, root.level
    # Flask sets this logger's level in debug mode, which another test may have used.
    own.setLevel(logging.NOTSET)
    yield
    root.handlers = handlers
    root.setLevel(level)
    logging.disable(logging.NOTSET)
    own.propagate = True
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize("configure", THIRD_PARTIES)
def test_whoever_configures_logging_later_silences_no_exception(app: Flask, configure: Callable[[], None]) -> None:
    assert dblog.status(app)["state"] == "ok"
    configure()
    for way in WAYS:
        ask(app, f"/{way}")
    assert [row.path for row in entries(app)] == [f"/{way}" for way in WAYS]
    assert {row.user_id for row in entries(app)} == {USER}

    # `flask log status` reads this in another process.
    log = app.extensions["dblog"]
    assert "unhandled exceptions only" in str(read_state(log.journal.folder, log.journal.name, ()).error)

    # Records of the application itself are lost. The status says so, and names one repair after the other.
    app.logger.error("lost")
    sentences: list[str] = []
    assert dblog.status(app)["state"] == "degraded"
    while sentence := log.writer.why_silent():
        assert sentence not in sentences
        sentences.append(sentence)
        exec(sentence.partition("configure logging before create_app, or ")[2], {"logging": logging, "app": app})
    app.logger.error("arrived")
    assert [row.message for row in entries(app) if not row.exception] == ["arrived"]
    assert dblog.status(app)["state"] == "ok"


def test_the_handlers_own_level_and_filters_hold(app: Flask) -> None:
    handler = app.extensions["dblog"].handler
    handler.setLevel("CRITICAL")
    for way in WAYS:
        ask(app, f"/{way}")
    handler.setLevel("WARNING")
    handler.addFilter(lambda record: "view" not in record.getMessage())
    ask(app, "/view")
    ask(app, "/stream")
    assert [row.path for row in entries(app)] == ["/stream"]


def test_a_filter_that_fails_takes_the_place_of_no_exception(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_record: logging.LogRecord) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(logging, "raiseExceptions", False)
    app.extensions["dblog"].handler.addFilter(fail)
    assert str(ask(app, "/stream")) == "stream"


def test_off_records_nothing_and_the_status_says_so(make_app: Callable[..., Flask]) -> None:
    app = make_app(LOG_DB_LEVEL="off")

    @app.get("/fail")
    def fail() -> str:
        raise RuntimeError

    with suppress(RuntimeError):
        app.test_client().get("/fail")
    app.logger.critical("unheard")
    assert not app.extensions["dblog"].journal.is_pending()
    assert dblog.status(app)["state"] == "ok"
    assert "OFF" in app.test_cli_runner().invoke(args=["log", "status"]).output


# The request


def test_the_requests_id_depends_on_nothing(app: Flask) -> None:
    logger = logging.getLogger("shop")

    @app.get("/everywhere")
    def everywhere() -> Response:
        @copy_current_request_context
        def work() -> None:
            logger.error("in a thread")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        with app.app_context():
            logger.error("in a nested context")

        def parts() -> Iterator[bytes]:
            logger.error("in a stream")
            yield b"part"

        response = Response(parts())
        response.call_on_close(lambda: logger.error("at the close"))
        return response

    ask(app, "/everywhere")
    logger.error("outside")
    found = {row.message: (row.request_id, row.endpoint, row.user_id) for row in entries(app)}
    inside = ("id-everywhere", "everywhere", USER)
    places = ("in a thread", "in a nested context", "in a stream", "at the close")
    assert found == dict.fromkeys(places, inside) | {"outside": (None, None, None)}


def test_the_page_that_says_it_was_written_down_tells_the_truth(app: Flask) -> None:
    answer = app.test_client().get("/abort")
    assert answer.status_code == 500
    [row] = entries(app)
    assert row.request_id == answer.headers[HEADER]
    assert (row.exception, row.endpoint) == ("werkzeug.exceptions.InternalServerError", "abort")


def test_a_thread_that_gets_the_dead_writers_ident_loses_nothing(app: Flask) -> None:
    log = app.extensions["dblog"]
    ask(app, "/view")
    assert dblog.flush(30)
    [dead] = [thread.ident for thread in threading.enumerate() if thread.name == "dblog-writer"]
    log.writer.close(30)
    idents = []

    def work() -> None:
        idents.append(threading.get_ident())
        logging.getLogger("shop").error("number %s", len(idents))

    while dead not in idents and len(idents) < 1_000:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert dead in idents
    written = "".join(path.read_text() for path in log.journal.folder.glob("*.jsonl"))
    assert f"number {len(idents)}" in written
