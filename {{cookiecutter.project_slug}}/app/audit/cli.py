"""``flask audit``: the trail on a terminal, and as JSON lines for other programs."""

import json
from collections.abc import Iterable, Mapping, Sequence

import click
from flask import current_app
from flask.cli import AppGroup

from ..terminal import (
    Cell,
    Colored,
    Column,
    how_many,
    inert_json,
    json_option,
    limit_option,
    local_time,
    plain_errors,
    prepare_terminal,
    print_table,
)
from . import queries
from .entries import ACTIONS, DELETE, INSERT, UPDATE
from .format import as_json, as_text, names_of, summary, who
from .models import AuditEntry
from .queries import Filters

COLUMNS = (
    Column("ID", is_number=True),
    Column("TIME"),
    Column("ACTION"),
    Column("OBJECT", may_be_cut=True),
    Column("BY", may_be_cut=True),
    Column("CHANGES", may_be_cut=True),
)
COLORS = {INSERT: "green", UPDATE: "blue", DELETE: "red"}

cli = AppGroup("audit", help="Who changed what: read the audit trail.", callback=prepare_terminal)


@cli.command("list")
@click.option("--model", help="Only this model: User, …")
@click.option("--id", "object", metavar="ID", help="Only objects with this primary key.")
@click.option("--user", metavar="USER", help="Only changes by this user: a number or a name.")
@click.option("--action", type=click.Choice(ACTIONS), help="Only this kind of change.")
@click.option("--field", metavar="NAME", help="Only changes of this field: email, …")
@click.option("--request", metavar="ID", help="Only changes by this request, job or command: cli:user create.")
@click.option("--since", help="Only changes since this age (30m, 2h, 7d) or date.")
@click.option("--until", help="Only changes from before this age or date.")
@limit_option
@json_option
def list_command(limit: int, as_json_lines: bool, **terms: str | None) -> None:
    """Show the newest entries, newest first."""
    entries = find(limit, **terms)
    if as_json_lines:
        print_json(entries)
    else:
        people = names_of(entries)
        print_table(COLUMNS, (cells(entry, people) for entry in entries), empty="No change matches.")


@cli.command("show")
@click.argument("model")
@click.argument("object_id", metavar="ID")
@limit_option
@json_option
def show_command(model: str, object_id: str, limit: int, as_json_lines: bool) -> None:
    """Show what happened to one object, field by field, newest first."""
    entries = find(limit, model=model, object=object_id)
    if not entries:
        raise click.ClickException(f"The trail has nothing about {model} {object_id}.")
    if as_json_lines:
        print_json(entries)
    else:
        people = names_of(entries)
        click.echo("\n".join(as_text(entry, people) for entry in entries))


@cli.command("prune")
@click.option(
    "--days", type=click.IntRange(0, 36_500), help="How many days to keep; AUDIT_RETENTION_DAYS if not given."
)
@click.option("--yes", is_flag=True, help="Do not ask, even if every entry would go.")
def prune_command(days: int | None, yes: bool) -> None:
    """Delete old entries; there is no way back."""
    if days is None and not (days := current_app.config.get("AUDIT_RETENTION_DAYS")):
        raise click.UsageError("AUDIT_RETENTION_DAYS is 0, which keeps all: name a number of --days.")
    with plain_errors():
        moment, is_all = queries.days_ago(days)
        if is_all and not yes:
            click.confirm(
                f"Every entry is older than {how_many(days, 'day')}. Is the clock right? Delete them all", abort=True
            )
        count = sum(queries.prune(moment))
    click.echo(f"Deleted {how_many(count, 'entry', 'entries')}.")


def find(limit: int, **terms: str | None) -> Sequence[AuditEntry]:
    with plain_errors():
        return list(queries.newest(Filters.parse(terms), limit))


def cells(entry: AuditEntry, people: Mapping[int, str]) -> list[Cell]:
    action = Colored(entry.action, COLORS[entry.action])
    what = f"{entry.model} {entry.object_id}"
    return [entry.id, local_time(entry.created_at), action, what, who(entry, people), summary(entry)]


def print_json(entries: Iterable[AuditEntry]) -> None:
    for entry in entries:
        click.echo(inert_json(json.dumps(as_json(entry), ensure_ascii=False)))
