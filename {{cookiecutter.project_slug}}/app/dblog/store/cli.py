"""``flask log flush`` and ``flask log prune``, for cron and for before a shutdown."""

import time
from functools import partial

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import func, select

from ...terminal import how_many, plain_errors
from ..errors import Unreadable, retry_while_busy
from ..journal.waiting import look, waiting_records
from ..models import LogEntry
from .retention import count_older, find_cutoff, prune, year_before
from .writer import Writer

POLL_SECONDS = 0.1
#: How long a step of pruning waits for its turn to write.
PRUNE_SECONDS = 60.0


@click.command("flush")
@click.option("--timeout", type=click.FloatRange(min=0), default=30.0, show_default=True, help="Seconds to try.")
@with_appcontext
def flush_command(timeout: float) -> None:
    """Ship every journal now, those of dead processes included; fails if anything is left."""
    if waiting := ship_everything(current_app.extensions["dblog"].writer, timeout):
        raise click.ClickException(waiting)
    click.echo("Everything that was logged is in the database.")


def ship_everything(writer: Writer, timeout: float) -> str | None:
    """Ship every journal within ``timeout`` seconds; return a sentence if records still wait then, None if none do."""
    end = time.monotonic() + timeout
    while True:
        writer.flush(max(0.1, end - time.monotonic()))
        # Live processes ship their own journals within a moment.
        left = waiting_records(writer.journal)
        if not left or time.monotonic() >= end:
            break
        time.sleep(POLL_SECONDS)
    waiting = look(writer.journal)
    if not (left or waiting.unreadable):
        return None
    least = "At least " if waiting.unreadable else ""
    why = f" ({waiting.error})" if waiting.error else ""
    return f"{least}{how_many(left, 'record')} {'is' if left == 1 else 'are'} still waiting{why}."


@click.command("prune")
@click.option("--days", type=click.IntRange(1, 36_500), help="How many days to keep; LOG_RETENTION_DAYS if not given.")
@click.option("--dry-run", is_flag=True, help="Only say how many rows would go.")
@click.option("--yes", is_flag=True, help="Do not ask, even if every row would go.")
@with_appcontext
@plain_errors(Unreadable)
def prune_command(days: int | None, dry_run: bool, yes: bool) -> None:
    """Delete the oldest rows by whole hours, and the counts of those hours with them.

    Those older than LOG_RETENTION_DAYS (or --days) go, and the oldest beyond LOG_MAX_ROWS.
    """
    days = days or current_app.config["LOG_RETENTION_DAYS"]
    max_rows = current_app.config["LOG_MAX_ROWS"]
    if not days and not max_rows:
        raise click.UsageError("LOG_RETENTION_DAYS and LOG_MAX_ROWS are 0, which keeps all: name a number of --days.")
    engine = current_app.extensions["dblog"].writer.engine
    cutoff = find_cutoff(engine, days, max_rows)
    if cutoff is None:
        click.echo(f"The log has at most {how_many(max_rows, 'row')}: nothing is to be pruned.")
        return
    total = count_older(engine, cutoff)
    hour = f"{cutoff.astimezone():%Y-%m-%d %H:%M}"
    if dry_run:
        click.echo(f"{how_many(total, 'row')} from before {hour} would go.")
        return
    with engine.connect() as connection:
        newest = connection.scalar(select(func.max(LogEntry.created_at)))
    if newest and newest < cutoff and not yes:
        question = f"Every row of the log, {total:,} in all, is from before {hour}. Is the clock right? Delete them all"
        click.confirm(question, abort=True)
    gone = 0
    decided_before = year_before(engine)
    with click.progressbar(length=total, label="Pruning") as bar:
        started = time.monotonic()
        while (
            rows := retry_while_busy(partial(prune, engine, cutoff, decided_before), engine, PRUNE_SECONDS)
        ) is not None:
            gone += rows
            bar.update(rows)
            # The pause lets others write for as long as this step took.
            time.sleep(time.monotonic() - started)
            started = time.monotonic()
    click.echo(f"Deleted {how_many(gone, 'row')} from before {hour}.")
