"""Records and exceptions of a job have the job's name in place of a request's id."""

import logging

import pytest
from flask import Flask, current_app
from sqlalchemy import select

from app import dblog
from app.accounts.models import User
from app.database import db
from app.dblog import process
from app.dblog.models import LogEntry


class TaskPredicate(Exception):
    """A class with the name of the base class of the exceptions that tell Celery to run a task again."""


class Retry(TaskPredicate):
    pass


@dblog.job
def send_mail(name: str, error: BaseException | None = None) -> str:
    db.session.add(User(username=name, password_hash="none"))
    db.session.commit()
    current_app.logger.error("sent to %s", name)
    if error:
        raise error
    return f"thanks from {name}"


def rows(app: Flask) -> list[tuple[str, str | None, str | None]]:
    assert dblog.flush(60)
    with app.app_context():
        found = db.session.scalars(select(LogEntry).order_by(LogEntry.id))
        return [(row.message, row.request_id, row.exception) for row in found]


def test_records_name_the_job(app: Flask) -> None:
    assert send_mail("ada") == "thanks from ada"
    app.logger.error("after it")
    assert rows(app) == [("sent to ada", "job:send_mail", None), ("after it", None, None)]


@pytest.mark.parametrize("error", [RuntimeError("lost"), SystemExit(3)], ids=repr)
def test_an_exception_is_recorded_once(app: Flask, error: BaseException) -> None:
    with pytest.raises(type(error)):
        send_mail("ada", error)
    # RQ and Celery log the exception again while they handle it; the log has recorded it before.
    try:
        raise error
    except BaseException:
        for repeater in ("rq.worker", "celery.app.trace"):
            process.record(logging.LogRecord(repeater, logging.ERROR, "", 0, "again", (), None))
    [said, raised] = rows(app)
    assert said == ("sent to ada", "job:send_mail", None)
    assert raised == ("Exception in job send_mail", "job:send_mail", type(error).__name__)


def test_the_traceback_begins_with_the_job(app: Flask) -> None:
    with pytest.raises(RuntimeError):
        send_mail("ada", RuntimeError("lost"))
    assert dblog.flush(60)
    with app.app_context():
        frames = db.session.scalars(select(LogEntry.frames).where(LogEntry.exception.is_not(None))).one()
        assert frames is not None
        assert [frame["function"] for frame in frames[-1]["frames"]] == ["send_mail"]


def test_a_task_that_asks_to_be_tried_again_has_not_failed(app: Flask) -> None:
    with pytest.raises(Retry):
        send_mail("ada", Retry())
    assert [row[0] for row in rows(app)] == ["sent to ada"]


def test_called_by_a_view_it_is_a_part_of_the_request(app: Flask) -> None:
    app.add_url_rule("/mail", view_func=lambda: send_mail("ada", RuntimeError("lost")))
    app.config["PROPAGATE_EXCEPTIONS"] = False
    request_id = app.test_client().get("/mail").headers["X-Request-ID"]
    found = rows(app)
    assert [row[0] for row in found] == ["sent to ada", "Exception on /mail [GET]"]
    assert {row[1] for row in found} == {request_id}


def test_without_an_application_it_says_what_to_do(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_installed", False)
    with pytest.raises(RuntimeError, match="let the worker call create_app"):
        send_mail("ada")


def test_a_coroutine_function_is_refused() -> None:
    async def later() -> None:
        """The job would have ended before it began."""

    with pytest.raises(TypeError, match="later is a coroutine function"):
        dblog.job(later)
