"""``flask log``: the log on a terminal, and as JSON lines for other programs."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

import click
from flask import current_app
from flask.cli import AppGroup

from ...terminal import (
    Cell,
    Colored,
    Column,
    how_many,
    inert,
    json_option,
    limit_option,
    local_time,
    plain_errors,
    prepare_terminal,
    print_table,
)
from ..errors import Unreadable
from . import export
from .filters import SHOW, Filters
from .follow import follow
from .format import as_json, as_text, first_line, heading, json_line, level_cell, repeats_request
from .muted import count_problems
from .queries import ALL_COLUMNS, LIST_COLUMNS, Entry, find, page, reading
from .status import report

P = ParamSpec("P")
T = TypeVar("T")

cli = AppGroup("log", help="Read the log and look after it.", callback=prepare_terminal)

ROW_COLUMNS = (
    Column("ID", is_number=True),
    Column("TIME"),
    Column("LEVEL"),
    Column("LOGGER", may_be_cut=True),
    Column("MESSAGE", may_be_cut=True),
)


muted_option = click.option("--muted", flag_value=SHOW, help="Rows of muted problems, too.")


def filter_options(command: Callable[P, T]) -> Callable[P, T]:
    for option in (
        muted_option,
        click.option("--release", help="Only rows of this release."),
        click.option("--problem", metavar="ID", help="Only rows of this problem."),
        click.option("--user", metavar="USER", help="Only rows of this user: a number or a name."),
        click.option("--request", help="Only rows of this request id."),
        click.option("--grep", "q", help="Only messages that contain this text."),
        click.option("--until", help="Only rows from before this age or date."),
        click.option("--since", help="Only rows since this age (30m, 2h, 7d) or date."),
        click.option("--logger", help="Only this logger."),
        click.option("--level", help="This level and above: WARNING, ERROR, …"),
    ):
        command = option(command)
    return command


@cli.command("list")
@filter_options
@limit_option
@json_option
@plain_errors(Unreadable)
def list_command(limit: int, as_json_lines: bool, **terms: str | None) -> None:
    """Show the newest rows, newest first."""
    filters = Filters.parse(terms)
    say_what_is_hidden(filters.hides_muted)
    entries = _newest(filters, ALL_COLUMNS if as_json_lines else LIST_COLUMNS, limit)
    if as_json_lines:
        print_json(entries)
    else:
        print_table(ROW_COLUMNS, map(cells, entries), empty="No row matches.")


def say_what_is_hidden(hides_muted: bool) -> None:
    """Say on stderr how many problems are muted, if any are, since their rows are left out."""
    if not hides_muted:
        return
    with reading() as log:
        problems = count_problems(log)
    if problems:
        number = how_many(problems, "muted problem")
        click.echo(f"Without the rows of {number}; --muted shows them.", err=True)


def _newest(filters: Filters, columns: Any, limit: int) -> Iterator[Entry]:
    """Yield up to ``limit`` rows, page by page.

    Each page searches a bounded number of rows. Without ``since`` the first page that reaches this bound is the last
    one, and stderr says how far back it searched.
    """
    before = None
    while limit > 0:
        with reading() as log:
            found = page(log, filters, columns=columns, before=before, size=min(limit, export.EXPORT_ROWS))
        yield from found.entries
        limit -= len(found.entries)
        before = found.older
        if before is None:
            return
        if found.searched_to is not None and filters.since is None:
            click.echo(f"Searched back to {local_time(found.searched_to)}; --since goes further.", err=True)
            return


@cli.command("show")
@click.argument("entry_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@click.option("--full", is_flag=True, help="Libraries' frames of a traceback, too.")
@json_option
@plain_errors(Unreadable)
def show_command(entry_id: int, full: bool, as_json_lines: bool) -> None:
    """Show one row with all that is known of it."""
    with reading() as log:
        entry = find(log, entry_id)
    if entry is None:
        raise click.ClickException(f"There is no row {entry_id} in the log.")
    root = current_app.extensions["dblog"].writer.root
    click.echo(json_line(as_json(entry)) if as_json_lines else inert(as_text(entry, root, folded=not full)))


@cli.command("tail")
@click.option(
    "-n", "count", type=click.IntRange(0, 10_000), default=10, show_default=True, help="How many rows to begin with."
)
@muted_option
@json_option
@plain_errors(Unreadable)
def tail_command(count: int, as_json_lines: bool, muted: str | None) -> None:
    """Show the last rows, then each new one as it arrives; Ctrl-C ends it."""
    say_what_is_hidden(not muted)
    entries = _following(count, ALL_COLUMNS if as_json_lines else LIST_COLUMNS, bool(muted))
    with suppress(KeyboardInterrupt):
        if as_json_lines:
            print_json(entries)
        else:
            print_table(ROW_COLUMNS, map(cells, entries), empty="", measured=0)


def _following(count: int, columns: Any, show_muted: bool) -> Iterator[Entry]:
    for found in follow(count, columns, show_muted):
        if isinstance(found, Unreadable):
            click.echo(f"{found} Trying again.", err=True)
        else:
            yield found


@cli.command("export")
@filter_options
@click.option("--format", "form", type=click.Choice([*export.FORMATS]), required=True)
@plain_errors(Unreadable)
def export_command(form: str, **terms: str | None) -> None:
    """Write all rows, newest first, to the standard output."""
    filters = Filters.parse(terms)
    say_what_is_hidden(filters.hides_muted)
    rows = export.entries(filters)
    terminal = sys.stdout.isatty()
    # The progress bar needs a terminal on which the rows themselves are not printed.
    hidden = terminal or not sys.stderr.isatty()
    with click.progressbar(
        rows, label="Exporting", show_pos=True, update_min_steps=export.EXPORT_ROWS, file=sys.stderr, hidden=hidden
    ) as counted:
        for line in export.lines(counted, form):
            click.echo(inert(line.rstrip()) if terminal else line, nl=terminal)


@cli.command("status")
@json_option
def status_command(as_json_lines: bool) -> None:
    """Show how the log itself is doing: what waits, what was lost, what went wrong. Exits with 1 if it is degraded."""
    facts = report(current_app.extensions["dblog"], current_app.config["LOG_MAX_ROWS"])
    if as_json_lines:
        click.echo(json_line(facts))
    else:
        texts = {name: value for name, value in facts.items() if name not in ("state", "reasons", "storms")}
        lines = [("state", facts["state"]), *(("", reason) for reason in facts["reasons"]), *texts.items()]
        lines += [
            ("storm", f"{each['records_without_row']:,} without row: {first_line(each['title'])}")
            for each in facts["storms"] or ()
        ]
        for name, value in lines:
            click.echo(f"{name.replace('_', ' '):>26}  {inert(_fact(value))}")
    sys.exit(1 if facts["state"] == "degraded" else 0)


def _fact(value: object) -> str:
    if isinstance(value, datetime):
        return local_time(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "-" if value is None else str(value)


def print_json(entries: Iterable[Entry]) -> None:
    for entry in entries:
        click.echo(json_line(as_json(entry)))


def cells(entry: Entry) -> list[Cell]:
    what = first_line(heading(entry))
    if entry.exception:
        what += f" ({entry.method} {entry.path})" if repeats_request(entry) else f" ({entry.exception})"
    logger = Colored(entry.logger, "bright_black")
    return [entry.id, local_time(entry.created_at), level_cell(entry.level), logger, what]
