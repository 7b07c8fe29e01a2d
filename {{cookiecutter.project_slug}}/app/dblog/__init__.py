"""The database log: a record is safe in a journal when the log call returns, and in the database a moment later.

    LogRecord ──event──▶ journal (file, one write) ──writer──▶ log_entry, log_problem, log_hour ──queries──▶ pages, CLI
        the caller's thread ┘                  a thread ┘ └ own engine, own transaction

A record passes through these folders, the rooms, from left to right. Each room has a rule: what its modules may touch.

- :mod:`.handler` takes the record and appends it.
- :mod:`.capture`, the caller's thread, memory only: ``event`` (a record as one line of JSON), ``sanitize`` (values made
  storable and bounded; what counts as a secret is in ``app.redaction``), ``tracebacks`` (an exception as frames),
  ``uncaught`` (exceptions that nobody logs; it watches jobs, and requests from the first middleware to the response's
  end).
- :mod:`.journal`, files only: ``append`` (this process's journal), ``read`` (in order, those of dead processes too),
  ``dead`` (which to adopt), ``waiting`` (what is not shipped yet), ``files`` (names, locks, how far a journal is
  shipped, records that no database takes).
- :mod:`.store`, the writer's thread and the log's own engine: ``writer`` (when to bring records to the database),
  ``shipping`` (which records: those of this process, then of dead ones), ``batch`` (one commit; records that the
  database refuses are set aside), ``rows`` (an event as columns), ``render`` (frames as text and for the page),
  ``folding`` (frames that repeat), ``upsert`` (each record is stored and counted once), ``storms`` (records that are
  only counted), ``retention`` (pruning), ``cli`` (``flask log flush`` and ``prune``).
- :mod:`.viewer`, SELECT and what people decide: ``filters``, ``queries`` (lists and searches), ``counts`` (totals and
  histogram), ``problems`` (lists), ``decisions``, ``follow``, ``status``, ``volume``, ``views``, ``row_page``,
  ``problem_views``, ``problem_page`` and ``decision_views`` (pages, JSON, forms), ``blueprint`` (guard, tabs, errors),
  ``format``, ``charts``, ``export``, ``cli`` and ``problem_cli`` (commands), ``templates/``, ``static/``.

Beside the rooms are :mod:`.models` (the tables), :mod:`.grouping` (what makes records one problem), :mod:`.limits`
(which rows are to be deleted), :mod:`.errors` (what goes wrong, in one sentence) and :mod:`.process` (one pipeline for
each process).
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import ParamSpec, TypeVar

from flask import Flask, current_app

from .. import components
from ..actor import NO_NAMES, Actor, Guard, Names, forbid, nobody, on_forget
from ..database import log_engine
from ..private_files import why_not_ours
from ..redaction import secret_names
from ..scratch import scratch_folder
from . import process
from .capture.event import format_message as format_message
from .capture.uncaught import run_job, watch
from .handler import DatabaseLogHandler, why_silent
from .journal.append import FILES_SEEN_AT_ONCE, Journal
from .store.cli import flush_command, prune_command
from .store.forget import forget
from .store.writer import Writer
from .viewer import bp
from .viewer.cli import cli
from .viewer.problem_cli import problems_group
from .viewer.status import health

P = ParamSpec("P")
T = TypeVar("T")

MB = 1024 * 1024
#: The values for an application whose configuration does not name these variables.
DEFAULTS = {"LOG_DB_LEVEL": "WARNING", "LOG_JOURNAL_MAX_MB": 256, "LOG_JOURNAL_FSYNC": False, "LOG_REDACT": ()}
DEFAULTS |= {"LOG_RETENTION_DAYS": 30, "LOG_MAX_ROWS": 5_000_000, "LOG_STORM_ROWS": 10_000}
DEFAULTS |= {"LOG_MAX_PROBLEMS": 10_000, "RELEASE": ""}

cli.add_command(flush_command)
cli.add_command(prune_command)
cli.add_command(problems_group)


@dataclass(frozen=True)
class DatabaseLog:
    """What ``app.extensions["dblog"]`` holds."""

    writer: Writer
    journal: Journal
    handler: DatabaseLogHandler
    actor: Actor
    guard: Guard
    names: Names


def init_app(
    app: Flask,
    *,
    root: str | os.PathLike[str] | None = None,
    actor: Actor = nobody,
    guard: Guard = forbid,
    names: Names = NO_NAMES,
) -> None:
    """Open the log of ``app``, over the engine of :func:`app.database.log_engine`.

    Exceptions of middleware are recorded too if it is put around ``app.wsgi_app`` before this.

    :param root: the folder of the project's own code, to tell its frames from a library's; ``app.root_path`` if None
    :param actor: tells who is acting, without a query, see :data:`app.actor.Actor`
    :param guard: tells who may read the log, see :data:`app.actor.Guard`
    :param names: tells what users are called, see :class:`app.actor.Names`
    :raises ValueError: LOG_JOURNAL_DIR is a folder into which others can put files
    """
    config = app.config
    for name, default in DEFAULTS.items():
        config.setdefault(name, default)
    if "LOG_JOURNAL_DIR" not in config:
        # Under test the journal is in a temporary folder: tests must not ship the records in the real one.
        config["LOG_JOURNAL_DIR"] = Path(scratch_folder() if app.testing else app.instance_path, "journal")
    own, most = os.path.join(os.path.abspath(root or app.root_path), ""), config["LOG_JOURNAL_MAX_MB"] * MB
    if why := why_not_ours(folder := Path(config["LOG_JOURNAL_DIR"])):
        raise ValueError(f"LOG_JOURNAL_DIR: {why}")
    journal = Journal(folder, most, config["LOG_JOURNAL_FSYNC"], own, config["RELEASE"])
    keep = config["LOG_RETENTION_DAYS"], config["LOG_MAX_ROWS"], config["LOG_STORM_ROWS"], config["LOG_MAX_PROBLEMS"]
    writer = Writer(log_engine(app), journal, own, *keep)
    secret = secret_names(config["LOG_REDACT"])
    level = config["LOG_DB_LEVEL"]
    handler = DatabaseLogHandler(level, journal, writer, actor, secret)
    writer.why_silent = lambda: why_silent(handler, logging.getLogger(app.name))
    process.make_current(app, writer, handler)
    watch(app, process.record, actor)

    app.extensions["dblog"] = DatabaseLog(writer, journal, handler, actor, guard, names)
    on_forget(app, partial(forget, writer))
    app.before_request(_start_writer)
    components.init_app(app)
    app.register_blueprint(bp)
    app.cli.add_command(cli)


def _start_writer() -> None:
    """Start the writer at the first request, so that it ships the journals that dead processes left."""
    current_app.extensions["dblog"].writer.start()


def job(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that a worker (RQ, Celery or another) calls, so that log and trail know it by its name.

    The job runs in an application context of the application that was made last. Its records and entries have
    ``job:<name>`` in the place of the request's id, and an exception that leaves it is recorded. If a request calls
    the job, the job is a part of that request.

    :raises TypeError: it is a coroutine function, which returns before it has done anything
    """
    if iscoroutinefunction(function):
        raise TypeError(f"{function.__name__} is a coroutine function: make a job of one that runs it.")

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        called = partial(function, *args, **kwargs)
        return run_job(called, function.__name__, process.current_app(), process.record)

    return run


def flush(timeout: float) -> bool:
    """Wait until all that this process logged is in the database; False if ``timeout`` seconds were not enough."""
    writer = process.current_writer()
    return writer is None or writer.flush(timeout)


def status(app: Flask) -> dict[str, object]:
    """Return the log's health, see :func:`app.dblog.viewer.status.health`; no database is asked.

    It looks at no more than a few hundred files, however many journals there are.
    """
    log: DatabaseLog = app.extensions["dblog"]
    return health(log.journal, log.writer.why_silent(), FILES_SEEN_AT_ONCE)
