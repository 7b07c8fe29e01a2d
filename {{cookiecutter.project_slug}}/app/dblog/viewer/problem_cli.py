"""``flask log problems``: the problems on a terminal, and decisions about them from there."""

import getpass
from collections.abc import Sequence

import click
from flask.cli import AppGroup, with_appcontext

from ...components import distance
from ...terminal import Cell, Column, how_many, inert, json_option, limit_option, plain_errors, print_table
from ..capture.sanitize import clean_text
from ..errors import Unreadable
from ..models import MUTED, OPEN, RESOLVED, LogProblem
from . import problems
from .decisions import RESOLVED_IN_NEXT, Change, Who, decide, parse_change
from .format import first_line, json_line, level_cell
from .problem_list import ALL, NEW, ONCE, Wanted, count_left_out, list_problems, recent_deploys, shown_status
from .queries import reading

COLUMNS = (
    Column("ID", is_number=True),
    Column("ROWS", is_number=True),
    Column("LAST SEEN"),
    Column("LEVEL"),
    Column("STATUS"),
    Column("TITLE", may_be_cut=True),
)
_DONE = {"resolved": "Resolved", "muted": "Muted", "reopened": "Reopened"}


@click.group("problems", cls=AppGroup, invoke_without_command=True)
@click.option("--status", type=click.Choice([OPEN, ONCE, RESOLVED, MUTED, ALL]), default=OPEN, show_default=True)
@click.option("--level", default="WARNING", show_default=True, help="This level and above: INFO, ERROR, …")
@click.option("--new", "only_new", is_flag=True, help="Only open ones that were first seen since the newest deploy.")
@limit_option
@json_option
@click.pass_context
@with_appcontext
@plain_errors(Unreadable)
def problems_group(
    context: click.Context, status: str, level: str, only_new: bool, limit: int, as_json_lines: bool
) -> None:
    """Show the problems, the last seen first, or decide about some of them by number."""
    if context.invoked_subcommand:
        return
    wanted = Wanted.parse({"status": NEW if only_new else status, "level": level})
    with reading() as log:
        deploys = recent_deploys(log)
        if only_new and not deploys:
            raise click.ClickException("No deploy is known: set RELEASE, or deploy a git checkout, and restart.")
        left_out = count_left_out(log, wanted)
        deployed = deploys[0].first_seen if deploys else None
        found = list_problems(log, wanted, deployed, size=limit, with_once=not left_out).entries
    if as_json_lines:
        for problem in found:
            click.echo(json_line(problems.as_json(problem)))
    else:
        print_table(COLUMNS, map(_cells, found), empty="No problem matches.")
    if left_out:
        hint = f"The list leaves out {how_many(left_out, 'problem')} seen once, which --status {ONCE} shows."
        click.echo(hint, err=True)


def _cells(problem: LogProblem) -> list[Cell]:
    last_seen, title = distance(problem.last_seen), first_line(problem.title)
    return [problem.id, problem.count, last_seen, level_cell(problem.level), shown_status(problem), title]


numbers_argument = click.argument(
    "problem_ids", metavar="ID...", type=click.IntRange(1, 2**63 - 1), nargs=-1, required=True
)


@problems_group.command("resolve")
@numbers_argument
@click.option("--next-deploy", is_flag=True, help="Only a record of a release that is still to come opens it again.")
def resolve_command(problem_ids: tuple[int, ...], next_deploy: bool) -> None:
    """Resolve problems; a record that comes later opens its problem again."""
    _decide(problem_ids, RESOLVED_IN_NEXT if next_deploy else RESOLVED)


@problems_group.command("mute")
@numbers_argument
@click.option("--until", default="", help="Hours or days (24h, 7d), or how many more rows (+100); else for good.")
def mute_command(problem_ids: tuple[int, ...], until: str) -> None:
    """Mute problems: the list leaves them out, whatever comes."""
    _decide(problem_ids, MUTED, until)


@problems_group.command("reopen")
@numbers_argument
def reopen_command(problem_ids: tuple[int, ...]) -> None:
    """Open problems that are resolved or muted."""
    _decide(problem_ids, OPEN)


@plain_errors(Unreadable)
def _decide(problem_ids: Sequence[int], status: str, until: str = "") -> None:
    """Decide about the problems of these numbers, and print what was done; if one does not exist, change none."""
    change = parse_change(status, until)
    found = []
    with reading() as log:
        for number in dict.fromkeys(problem_ids):
            problem = problems.find_problem(log, number)
            if problem is None:
                raise click.ClickException(f"There is no problem {number}, or not any more.")
            found.append(problem)
    decide([problem.id for problem in found], change, Who(account=_account()))
    for problem in found:
        click.echo(inert(f"{_done(change)}: {problem.id}  {first_line(problem.title)}"))


def _done(change: Change) -> str:
    return f"{_DONE[change.action]} {change.detail or ''}".strip()


def _account() -> str:
    """Return the name of the operating system's account, which the history shows."""
    try:
        # The name may come from an environment variable, which may contain anything.
        return clean_text(getpass.getuser(), 200)
    except (OSError, KeyError, ImportError):
        return "somebody without an account name"
