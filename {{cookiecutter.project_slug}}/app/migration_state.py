"""This compares the database with the revisions in migrations/, and applies them if AUTO_MIGRATE says so."""

import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Literal

import click
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import Flask, abort, current_app, request
from sqlalchemy import String, column, inspect, select, table
from sqlalchemy.exc import SQLAlchemyError

from .database import db

State = Literal["current", "behind", "empty", "branched", "unknown"]

TODO = {
    "branched": "Two revisions in migrations/ are the newest, each without the other: run `flask db merge heads`, then"
    " `flask db upgrade`.",
    "behind": "The database is behind the revisions in migrations/: run `flask db upgrade`.",
    "empty": "The database has no tables yet: run `flask db upgrade`.",
}

logger = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Bring the database up to date if this is `flask run`, and check it before requests."""
    if is_first_start_of_run():
        with app.app_context():
            migrate_for_run(app)
    app.extensions["schema_unseen"] = True
    if not app.testing:  # a test makes the tables that it needs
        app.before_request(refuse_while_behind if app.debug else warn_if_behind)


def state(app: Flask, bind: str | None = None) -> State:
    """Return how one database compares with the revisions.

    An "unknown" database is ahead of the revisions, or was not made by them. The answer is "branched" if two revisions
    are the newest, whatever the database has. Raises SQLAlchemyError if the database cannot be asked.
    """
    heads, known = revisions(app.extensions["migrate"].directory)
    if len(heads) > 1:
        return "branched"
    with app.app_context():
        engine = db.engines[bind]
    with engine.connect() as connection:
        inspector = inspect(connection)
        version = version_table(bind)
        if inspector.has_table(version):
            query = select(table(version, column("version_num", String)).c.version_num)
            if applied := set(connection.scalars(query)):
                if applied == heads:
                    return "current"
                return "behind" if applied <= known else "unknown"
        return "unknown" if set(inspector.get_table_names()) - tables_of_others(bind) else "empty"


def version_table(bind: str | None) -> str:
    return f"alembic_version_{bind}" if bind else "alembic_version"


def tables_of_others(bind: str | None) -> set[str]:
    """Return the names of tables that may be in the same database without belonging to this bind."""
    others = [metadata for key, metadata in db.metadatas.items() if key != bind]
    return {name for metadata in others for name in metadata.tables} | set(map(version_table, db.metadatas))


def revisions(directory: str) -> tuple[set[str], set[str]]:
    """Return the newest revisions, and all revisions; they are read again only after a file was added or removed."""
    return read_revisions(directory, Path(directory, "versions").stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def read_revisions(directory: str, _changed: int) -> tuple[set[str], set[str]]:
    script = ScriptDirectory(directory)
    return set(script.get_heads()), {each.revision for each in script.walk_revisions()}


def refuse_while_behind() -> None:
    """In debug, answer with what to do instead of failing later at a missing column."""
    if request.endpoint == "static":
        return
    for bind in db.engines:
        try:
            found = state(current_app, bind)
        except SQLAlchemyError:
            continue  # the page that needs this database says what is wrong
        if found in TODO:
            abort(503, TODO[found])


def warn_if_behind() -> None:
    """Outside debug, warn at the first request that the database is behind, and serve: most pages may work."""
    if current_app.extensions.pop("schema_unseen", False):
        with suppress(SQLAlchemyError):
            if (found := state(current_app)) in TODO:
                logger.warning(TODO[found])


def is_first_start_of_run() -> bool:
    """Return True in `flask run`, but not when its reloader starts the application again."""
    context = click.get_current_context(silent=True)
    running = context is not None and context.info_name == "run"
    return running and "WERKZEUG_RUN_MAIN" not in os.environ


def migrate_for_run(app: Flask) -> None:
    """Apply what AUTO_MIGRATE allows: everything, or in debug the tables of an empty database."""
    auto, made = app.config["AUTO_MIGRATE"], False
    allowed = {"behind", "empty"} if auto else {"empty"} if app.debug and auto is None else set()
    for bind in sorted(db.engines if allowed else (), key=lambda bind: bind or ""):
        try:
            if (found := state(app, bind)) == "branched":
                raise CommandError(TODO[found])
            if found in allowed:
                config = app.extensions["migrate"].migrate.get_config()
                config.attributes["binds"] = [bind]
                with quiet_alembic() if found == "empty" else nullcontext():
                    command.upgrade(config, "heads")
                made |= found == "empty"
        except (SQLAlchemyError, CommandError) as error:
            if auto and bind is None:
                raise click.ClickException(f"AUTO_MIGRATE: {error}") from error
            logger.warning("A database was not brought up to date: %s", error)
    if made:
        click.echo(f"Tables made. Open {address_of_run() or '/'}")


@contextmanager
def quiet_alembic() -> Iterator[None]:
    """Keep alembic from naming each revision in the block: for tables that are made the first time this is no news."""
    speaker = logging.getLogger("alembic.runtime.migration")
    level = speaker.level
    speaker.setLevel(logging.WARNING)
    try:
        yield
    finally:
        speaker.setLevel(level)


def address_of_run() -> str:
    """Return the address under which a browser on this machine will reach `flask run`.

    It is "" if nobody knows it yet: without a port the system chooses one, and a Unix socket has no port.
    """
    options = click.get_current_context().params
    host, port = options["host"], options["port"]
    if not port or host.startswith("unix:"):
        return ""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{'https' if options['cert'] else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
