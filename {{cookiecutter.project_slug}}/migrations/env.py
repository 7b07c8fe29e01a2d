"""Runs the revisions on one database after the other: the application's, then the log's.

A revision's `upgrade` and `downgrade` are for the application's database; `upgrade_log` and `downgrade_log`, if it has
them, are for the log's. Each database records its revision in a table of its own, and its revisions see only its own
tables, so both may be the same database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from alembic.script.revision import MultipleHeads
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateSchema

import migrations.dialects  # noqa: F401  # alembic takes its classes by the names of their databases
from migrations.autogenerate import mend, render_item

LOCK_SECONDS = 60
#: PostgreSQL identifies advisory locks by numbers; any number that nothing else uses will do.
LOCK_NUMBER = 7_236_501_837
#: MySQL identifies its locks by names of at most 64 characters, which hold for the whole server.
LOCK_NAME = "CONCAT('migrate ', MD5(DATABASE()))"

migrate = current_app.extensions["migrate"]
db = migrate.db


def look_at_what_is_there() -> None:
    """Refuse, before any database is changed, a command that would fail half-way."""
    if nowhere := set(db.metadatas) - set(db.engines):
        names = ", ".join(sorted(map(repr, nowhere)))
        raise CommandError(f"Models have the __bind_key__ {names}, which no database in SQLALCHEMY_BINDS has.")
    try:
        context.get_revision_argument()
    except (CommandError, KeyError) as error:  # KeyError: the command runs no revisions
        if isinstance(error.__cause__, MultipleHeads):
            raise CommandError(
                "Two revisions are the newest, each without the other: run `flask db merge heads`, then"
                " `flask db upgrade`."
            ) from error


def choose_binds() -> list[str | None]:
    """Return the binds to run on: all, or the one that `-x bind=` names ("default" is the application's)."""
    given: Any = context.get_x_argument(as_dictionary=True).get("bind")
    if given:
        bind = None if given == "default" else given
        if bind not in db.engines:
            raise CommandError(f"There is no bind {given!r}.")
        return [bind]
    chosen = sorted(context.config.attributes.get("binds", db.engines), key=lambda bind: bind or "")
    if context.is_offline_mode() and len({db.engines[bind].url for bind in chosen}) > 1:
        options = ", ".join(f"`-x bind={bind or 'default'}`" for bind in chosen)
        raise CommandError(f"With --sql each database needs a script of its own: add one of {options}.")
    return chosen


def run(bind: str | None) -> None:
    engine = db.engines[bind]
    use_functions_for(bind)
    if context.is_offline_mode():
        print(f"-- For {engine.url!r}\n", file=context.config.output_buffer)
        configure(bind, url=engine.url, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    with connect(engine) as connection, foreign_keys_off(connection):
        make_missing_schema(connection)
        configure(bind, connection=connection)
        with context.begin_transaction(), one_at_a_time(connection):
            context.run_migrations()


def use_functions_for(bind: str | None) -> None:
    def skip() -> None:
        """Do nothing: the revision has no part for this database."""

    if bind:
        for revision in context.script.walk_revisions():
            module: Any = revision.module
            module.upgrade = getattr(module, f"upgrade_{bind}", skip)
            module.downgrade = getattr(module, f"downgrade_{bind}", skip)


def configure(bind: str | None, **target: Any) -> None:
    dialect = db.engines[bind].dialect.name
    suffix = f"_{bind}" if bind else ""
    # Options given to Migrate take precedence, except for the names that tell the databases apart.
    options: dict[str, Any] = {
        # SQLite can roll back a failed migration, too; alembic assumes that it cannot.
        "transactional_ddl": dialect in {"postgresql", "sqlite"},
        "include_name": tables_of(bind),
        **migrate.configure_args,
        "render_item": render_item(migrate.configure_args.get("render_item")),
        "process_revision_directives": look_at_revision,
    }
    context.configure(
        target_metadata=db.metadatas[bind],
        version_table=f"alembic_version{suffix}",
        upgrade_token=f"upgrades{suffix}",
        downgrade_token=f"downgrades{suffix}",
        **options,
        **target,
    )


def tables_of(bind: str | None) -> Any:
    own = set(db.metadatas[bind].tables)
    foreign = {f"alembic_version_{key}" if key else "alembic_version" for key in db.engines}
    foreign |= {name for metadata in db.metadatas.values() for name in metadata.tables} - own
    shared = any(db.engines[bind].url == db.engines[key].url for key in db.engines if key != bind)

    def include_name(name: str, kind: str, _parents: object) -> bool:
        # If both share a database, a table without a model counts as the application's.
        return kind != "table" or (name in own if bind and shared else name not in foreign)

    return include_name


def look_at_revision(migration_context: Any, revision: Any, scripts: list[Any]) -> None:
    """Mend the revision that is about to be written, or write none if no database has anything to change.

    alembic calls this after each database, with what it has found in all of them so far.
    """
    if given := migrate.configure_args.get("process_revision_directives"):
        given(migration_context, revision, scripts)
    finding = getattr(context.config.cmd_opts, "autogenerate", False)
    last = migration_context.opts["target_metadata"] is db.metadatas[binds[-1]]
    if not (scripts and finding and last):
        return

    def say(sentence: str) -> None:
        print(sentence, file=context.config.stdout)

    if all(ops.is_empty() for ops in scripts[0].upgrade_ops_list):
        scripts.clear()
        say("No changes in schema detected.")
    else:
        mend(scripts[0], say)


def connect(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except OperationalError as error:
        raise CommandError(f"{engine.url!r} cannot be reached: {error.orig}") from error


def make_missing_schema(connection: Connection) -> None:
    """Create the schema that a PostgreSQL URL names in its search_path, if it does not exist yet."""
    if connection.dialect.name == "postgresql" and not connection.dialect.default_schema_name:
        path = connection.scalar(text("SHOW search_path"))
        name = str(path).partition(",")[0].strip(' "')
        connection.execute(CreateSchema(name, if_not_exists=True))
        connection.commit()
        connection.dialect.default_schema_name = name


@contextmanager
def foreign_keys_off(connection: Connection) -> Iterator[None]:
    """Turn off SQLite's foreign keys: alembic drops a table in order to alter it, which would delete child rows."""
    if connection.dialect.name != "sqlite":
        yield
        return
    # The pragma has no effect inside a transaction, so it goes to the driver's own connection.
    sqlite: Any = connection.connection.dbapi_connection
    (wait,) = sqlite.execute("PRAGMA busy_timeout").fetchone()
    sqlite.execute("PRAGMA foreign_keys=OFF")
    connection.info["foreign_keys"] = "off"  # sessions in a revision leave them off, too
    sqlite.execute(f"PRAGMA busy_timeout={LOCK_SECONDS * 1000}")
    try:
        yield
    finally:
        sqlite.execute("PRAGMA foreign_keys=ON")
        del connection.info["foreign_keys"]
        sqlite.execute(f"PRAGMA busy_timeout={wait}")


@contextmanager
def one_at_a_time(connection: Connection) -> Iterator[None]:
    """Let only one process at a time migrate a database, on whatever machine it runs.

    alembic reads which revisions to run before it writes, so a second process waits here and then finds none left.
    """
    try:
        take_lock(connection)
    except OperationalError as error:
        raise CommandError(f"Another process keeps {connection.engine.url!r} locked: {error.orig}") from error
    try:
        yield
    finally:
        if connection.dialect.name in {"mysql", "mariadb"}:
            connection.execute(text(f"SELECT RELEASE_LOCK({LOCK_NAME})"))


def take_lock(connection: Connection) -> None:
    """Wait up to LOCK_SECONDS for the lock. SQLite and PostgreSQL release it at the end of the transaction."""
    sqlite: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})"))
    elif connection.dialect.name != "sqlite":
        if not connection.scalar(text(f"SELECT GET_LOCK({LOCK_NAME}, {LOCK_SECONDS})")):
            raise CommandError(f"Another process has been migrating {connection.engine.url!r} for too long.")
        # alembic begins a transaction of its own for each revision; the lock belongs to the connection.
        connection.commit()
    elif not sqlite.in_transaction:  # an in-memory database has one connection, and so one transaction, for all
        connection.exec_driver_sql("BEGIN IMMEDIATE")


look_at_what_is_there()
binds = choose_binds()
for each in binds:
    run(each)
