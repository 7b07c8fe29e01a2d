"""``flask log flush`` and ``flask log prune``: what changes the log, for cron and for before a shutdown."""

import time
from datetime import datetime, timedelta

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ...database import LOG, db, utcnow
from ...terminal import plain_errors
from ..errors import Unreadable, is_transient
from ..journal.read import waiting_records
from ..models import count_rows_before
from .retention import Pruned, new_holder, prune
from .writer import Writer

POLL_SECONDS = 0.1
LEASE_POLL_SECONDS = 1.0
PATIENCE = 60.0


@click.command("flush")
@click.option("--timeout", type=click.FloatRange(min=0), default=30.0, show_default=True, help="Seconds to try.")
@with_appcontext
def flush_command(timeout: float) -> None:
    """Ship every journal now, those of dead processes included; fails if anything is left."""
    writer: Writer = current_app.extensions["dblog"].writer
    end = time.monotonic() + timeout
    while True:
        writer.flush(max(0.1, end - time.monotonic()))
        # Live processes ship their own journals within a moment.
        left = len(writer.journal.memory) + waiting_records(writer.journal.folder)
        if not left or time.monotonic() >= end:
            break
        time.sleep(POLL_SECONDS)
    if left:
        error = writer.journal.state.error
        why = f" ({error})" if error else ""
        raise click.ClickException(f"{left} records are still waiting{why}.")
    click.echo("Everything that was logged is in the database.")


@click.command("prune")
@click.option("--days", type=click.IntRange(1, 36_500), help="Keep so many days; LOG_RETENTION_DAYS if not given.")
@click.option("--dry-run", is_flag=True, help="Only say how many rows would go.")
@with_appcontext
@plain_errors(Unreadable)
def prune_command(days: int | None, dry_run: bool) -> None:
    """Delete rows older than some days, and their counts with them."""
    days = days or current_app.config["LOG_RETENTION_DAYS"]
    if not days:
        raise click.UsageError("LOG_RETENTION_DAYS is 0, which keeps all: name a number of --days.")
    before = utcnow() - timedelta(days=days)
    with db.engines[LOG].connect() as connection:
        total = count_rows_before(connection, before)
    if dry_run:
        click.echo(f"{total:,} rows are older than {days} days.")
        return
    engine, holder = db.engines[LOG], new_holder()
    gone = 0
    pruned: Pruned | None = None
    with click.progressbar(length=total, label="Pruning") as bar:
        while pruned is None or not pruned.done:
            started = time.monotonic()
            pruned = _prune(engine, before, holder, pruned)
            gone += pruned.rows
            bar.update(pruned.rows)
            # As long again for those who write.
            time.sleep(time.monotonic() - started)
    click.echo(f"{gone:,} rows older than {days} days are gone.")


def _prune(engine: Engine, before: datetime, holder: str, last: Pruned | None) -> Pruned:
    """One transaction's worth, after whoever is in the way; raises :class:`Unreadable`."""
    end = time.monotonic() + PATIENCE
    waiting = False
    while True:
        try:
            pruned = prune(engine, before, holder, last.reached if last else None)
        except SQLAlchemyError as error:
            if not is_transient(error) or time.monotonic() > end:
                raise Unreadable(error, engine) from error
            time.sleep(POLL_SECONDS)
            continue
        if pruned is not None:
            return pruned
        if not waiting:
            click.echo("Another process is pruning: waiting for it.", err=True)
        waiting = True
        time.sleep(LEASE_POLL_SECONDS)
