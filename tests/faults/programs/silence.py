# mypy: ignore-errors
# It runs in the environment of the generated project.
"""All the servers serve the project with a page for each way to fail.

The text of each exception names SERVER and the way. CONFIGURE names what configures logging after the application is
made.
"""

import io
import logging
import logging.config
import os
import sys
import threading

import click
from app import create_app
from flask import Response, request, session, stream_with_context

SERVER = os.environ["SERVER"]
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
THIRD_PARTIES = {
    "nobody": lambda: None,
    "dictConfig": lambda: logging.config.dictConfig({"version": 1, "root": {"level": "INFO", "handlers": []}}),
    "fileConfig": lambda: logging.config.fileConfig(io.StringIO(THEIRS)),
    "basicConfig": lambda: logging.basicConfig(force=True),
    "handlers": lambda: setattr(logging.root, "handlers", []),
    "level": lambda: logging.root.setLevel("CRITICAL"),
    "disable": lambda: logging.disable(),
}

app = create_app()


def fail(way: str) -> None:
    raise RuntimeError(f"{SERVER}: {way}")


@app.before_request
def log_in() -> None:
    session["_user_id"] = "7"


@app.get("/view", endpoint="view")
def view() -> str:
    fail("view")


def parts(way: str):
    yield b"the first part"
    fail(way)


@app.get("/stream", endpoint="stream")
def stream() -> Response:
    return Response(parts("stream"))


@app.get("/stream_with_context", endpoint="stream_with_context")
def stream_in_context() -> Response:
    return Response(stream_with_context(parts("stream_with_context")))


@app.get("/teardown", endpoint="teardown")
@app.get("/quiet", endpoint="quiet")
def quiet() -> str:
    return "quiet"


@app.teardown_request
def tear_down(_error: BaseException | None) -> None:
    if request.endpoint == "teardown":
        fail("teardown")


@app.get("/close", endpoint="close")
def close() -> Response:
    response = Response("closed in a moment")
    response.call_on_close(lambda: fail("close"))
    return response


@app.get("/SystemExit", endpoint="SystemExit")
def leave() -> str:
    sys.exit(f"{SERVER}: SystemExit")


@app.get("/thread", endpoint="thread")
def thread() -> str:
    thread = threading.Thread(target=fail, args=["thread"])
    thread.start()
    thread.join()
    return "over"


@app.cli.command("fail")
def fail_command() -> None:
    click.echo("about to fail")
    fail("command")


THIRD_PARTIES[os.environ["CONFIGURE"]]()
