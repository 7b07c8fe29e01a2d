"""``flask audit``: the trail on a terminal, and as JSON lines for other programs."""

import json
from collections.abc import Iterable

import click
from flask import current_app
from flask.cli import AppGroup

from ..terminal import escape_what_the_terminal_lacks, inert_json, json_option, limit_option, plain_errors
from . import queries
from .entries import ACTIONS
from .format import as_json, as_line, as_text
from .models import AuditEntry
from .queries import Filters

cli = AppGroup("audit", help="Who changed what: read the audit trail.", callback=escape_what_the_terminal_lacks)


@cli.command("list")
@click.option("--model", help="Only this model: User, …")
@click.option("--id", "object", metavar="ID", help="Only objects with this primary key.")
@click.option("--user", metavar="ID", help="Only what the user with this number did.")
@click.option("--action", type=click.Choice(ACTIONS), help="Only this kind of change.")
@click.option("--request", metavar="ID", help="Only what this request did, a job or a command: cli:user create.")
@click.option("--since", help="An age (30m, 2h, 7d) or a date.")
@click.option("--until", help="The same: what happened before.")
@limit_option
@json_option
def list_command(limit: int, as_json_lines: bool, **terms: str | None) -> None:
    """Show the newest entries, newest first."""
    for entry in find(limit, **terms):
        click.echo(as_json_line(entry) if as_json_lines else as_line(entry))


@cli.command("show")
@click.argument("model")
@click.argument("object_id", metavar="ID")
@limit_option
@json_option
def show_command(model: str, object_id: str, limit: int, as_json_lines: bool) -> None:
    """Show what happened to one object, field by field, newest first."""
    entries = list(find(limit, model=model, object=object_id))
    if not entries:
        raise click.ClickException(f"The trail has nothing about {model} {object_id}.")
    for entry in entries:
        click.echo(as_json_line(entry) if as_json_lines else as_text(entry))


@cli.command("prune")
@click.option("--days", type=click.IntRange(0, 36_500), help="Keep so many days; AUDIT_RETENTION_DAYS if not given.")
@click.option("--yes", is_flag=True, help="Do not ask, even if every entry would go.")
def prune_command(days: int | None, yes: bool) -> None:
    """Delete old entries; there is no way back."""
    if days is None and not (days := current_app.config.get("AUDIT_RETENTION_DAYS")):
        raise click.UsageError("AUDIT_RETENTION_DAYS is 0, which keeps all: name a number of --days.")
    with plain_errors():
        moment, is_all = queries.days_ago(days)
        if is_all and not yes:
            click.confirm(f"Every entry is older than {days} days. Is the clock right? Delete them all", abort=True)
        count = sum(queries.prune(moment))
    click.echo(f"Deleted {count} entries.")


def find(limit: int, **terms: str | None) -> Iterable[AuditEntry]:
    with plain_errors():
        return queries.page(Filters.parse(terms), size=limit).entries


def as_json_line(entry: AuditEntry) -> str:
    return inert_json(json.dumps(as_json(entry), ensure_ascii=False))
