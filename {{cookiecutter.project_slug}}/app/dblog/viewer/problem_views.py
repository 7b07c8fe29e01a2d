"""The list of problems as a page and as JSON."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from ...listing import Page
from ..grouping import is_exception
from ..models import MAX_USERS, MUTED, OPEN, RESOLVED, LogProblem
from . import problem_list, queries, search_box
from .addresses import PROBLEM_TERMS, problems_link
from .blueprint import as_response, bp, tabs_report
from .charts import bars, marks
from .decision_views import read_done
from .filters import LEVELS
from .format import first_line
from .problem_list import DAY, SEEN, Wanted
from .problems import as_json
from .queries import reading

MOST_USERS = "users"
CHIPS = {
    OPEN: "Open",
    problem_list.NEW: "New since the deploy",
    problem_list.CAME_BACK: "Came back",
    problem_list.CAME_BACK_SINCE: "Came back since the deploy",
    problem_list.QUIET: "Quiet since the deploy",
    problem_list.ONCE: "Seen once",
    MOST_USERS: "Most users",
    RESOLVED: "Resolved",
    MUTED: "Muted",
    problem_list.ALL: "All",
}
#: Chips that are shown only on their own view, to which a line of another view leads.
PASSING = (problem_list.CAME_BACK_SINCE, problem_list.QUIET, problem_list.ONCE)
#: How long to mute, as :func:`app.dblog.viewer.decisions.parse_change` takes it.
MUTES = {
    "": "for good",
    **{"1h": "for 1 hour", "24h": "for 24 hours", "7d": "for 7 days", "30d": "for 30 days"},
    **{"+10": "until 10 more rows", "+100": "until 100 more rows", "+1000": "until 1,000 more rows"},
}
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@bp.get("/logs/problems")
def show_problems() -> ResponseReturnValue:
    if "find" in request.args:
        return redirect(search_box.problems_address(request.args))
    terms = _terms()
    wanted = Wanted.parse(terms)
    with reading() as log:
        deploys = problem_list.recent_deploys(log)
        deployed = deploys[0].first_seen if deploys else None
        counts = problem_list.tally(log, wanted, deployed)
        left_out = problem_list.left_out(counts[problem_list.ONCE]) if wanted.status == OPEN else 0
        page = _page(log, wanted, deployed, left_out)
        days = problem_list.count_by_day(log, page.entries)
        done = read_done(log)
        report = tabs_report(log)
        # Problems with a decision may outlive all rows.
        empty = not page.entries and not any(counts.values()) and not queries.newest_id(log)
    start = problem_list.chart_start()
    return render_template(
        "dblog/problems.html",
        terms=terms,
        hidden_terms={name: term for name, term in terms.items() if name != "q"},
        wanted=wanted,
        page=page,
        report=report,
        levels=LEVELS,
        chips=_chips(terms, wanted, counts, is_deployed=bool(deploys)),
        counts=counts,
        left_out=left_out,
        days=days,
        bars={number: bars(counts) for number, counts in days.items()},
        marks=marks((deploy.first_seen - start) / DAY for deploy in deploys),
        deploy=deploys[0] if deploys else None,
        deployed=deployed,
        is_new=problem_list.is_new,
        shown_status=problem_list.shown_status,
        max_users=MAX_USERS,
        mutes=MUTES,
        done=done,
        empty=empty,
    )


@bp.get("/logs/problems.json")
def problems_json() -> ResponseReturnValue:
    terms = _terms()
    wanted = Wanted.parse(terms)
    with reading() as log:
        deploys = problem_list.recent_deploys(log)
        left_out = problem_list.count_left_out(log, wanted)
        page = _page(log, wanted, deploys[0].first_seen if deploys else None, left_out)
    here = "dblog.problems_json"
    return as_response(
        {
            "problems": [as_json(problem) for problem in page.entries],
            "newer": problems_link(terms, here, after=page.newer) if page.newer else None,
            "older": problems_link(terms, here, before=page.older) if page.older else None,
            "left_out": left_out,
            "seen_once": problems_link(terms, here, status=problem_list.ONCE) if left_out else None,
        }
    )


@bp.app_template_filter("log_title")
def split_title(problem: LogProblem) -> tuple[str, str]:
    """Return the first line of the title in two parts: the exception's class with its colon, and what it said.

    The class is without its module, which the problem's page names. If there is no exception, the first part is the
    whole line.
    """
    title = first_line(problem.title) or "(empty)"
    name, colon, said = title.partition(":")
    return (f"{name.rpartition('.')[2]}:", said) if colon and is_exception(problem.fingerprint) else (title, "")


@bp.app_template_filter("log_release")
def short_release(release: str) -> str:
    """Return a commit as people name it, by its first seven digits; any other name as it is."""
    return release[:7] if _COMMIT.fullmatch(release) else release


def _chips(
    terms: Mapping[str, str], wanted: Wanted, counts: Mapping[str, int], *, is_deployed: bool
) -> Iterator[tuple[str, str, int | None, bool]]:
    """Yield each view's label, address and number of problems, and whether it is the one that is shown."""
    here = MOST_USERS if wanted.status == OPEN and wanted.sort == MOST_USERS else wanted.status
    for view, label in CHIPS.items():
        if view != here and (view in PASSING or (view == problem_list.NEW and not is_deployed)):
            continue
        place = {"status": OPEN, "sort": MOST_USERS} if view == MOST_USERS else {"status": view, "sort": SEEN}
        yield label, problems_link(terms, **place), counts.get(view), view == here


def _terms() -> dict[str, str]:
    return {name: term for name in PROBLEM_TERMS if (term := request.args.get(name, "").strip())}


def _page(log: Session, wanted: Wanted, deployed: datetime | None, left_out: int) -> Page:
    before, after = (request.args.get(name) for name in ("before", "after"))
    return problem_list.list_problems(log, wanted, deployed, before=before, after=after, with_once=not left_out)
