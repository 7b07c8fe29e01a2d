"""The list of rows and the log's status, their JSON twins and the export."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, current_app, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from ...database import utcnow
from ...listing import Page, parse_id
from ..journal.append import FILES_SEEN_AT_ONCE
from ..journal.waiting import waiting_records
from ..models import LogProblem
from . import export, muted, problems, queries
from .blueprint import as_response, bp
from .charts import stacks
from .counts import CAP, overview
from .filters import ALL, LEVELS, SHOW, Filters
from .format import as_json, first_line, level_name
from .queries import ALL_COLUMNS, LIST_COLUMNS, Entry, page, reading
from .status import report

DEFAULT_SINCE = "24h"
CURSORS = ("before", "after", "around")
# With one of these filters the list is not limited to the last 24 hours.
UNDATED_FILTERS = ("until", "request", "problem", "around")
FILTERS = ("level", "logger", "since", "until", "q", "request", "user", "problem", "release", "muted")


@bp.get("/logs")
def index() -> ResponseReturnValue:
    terms = _query_args()
    filters = Filters.parse(terms)
    with reading() as log:
        rows = _rows(log, filters, terms)
        summary = overview(log, filters)
        known = problems.of_rows(log, rows.entries)
        problem = None if filters.problem is None else problems.find_problem(log, filters.problem)
        newest = queries.newest_id(log)
        muted_problems = muted.count_problems(log) if filters.hides_muted and summary is None else 0
    return render_template(
        "dblog/index.html",
        page=rows,
        terms=terms,
        levels=LEVELS,
        lowest=filters.level,
        summary=summary,
        stacks=stacks(summary.bars) if summary else None,
        cap=CAP,
        muted_problems=muted_problems,
        known=known,
        active_filters=_active_filters(terms, problem),
        empty=not newest,
        news=_new_rows_url(terms, newest),
    )


@bp.get("/logs.json")
def index_json() -> ResponseReturnValue:
    terms = _query_args()
    filters = Filters.parse(terms)
    with reading() as log:
        rows = _rows(log, filters, terms, ALL_COLUMNS)
        known = problems.of_rows(log, rows.entries)
    return as_response(
        {
            "entries": [with_problem(entry, known) for entry in rows.entries],
            "newer": log_link(terms, "dblog.index_json", after=rows.newer) if rows.newer else None,
            "older": log_link(terms, "dblog.index_json", before=rows.older) if rows.older else None,
            "searched_to": rows.searched_to,
        }
    )


@bp.get("/logs/news.json")
def news_json() -> ResponseReturnValue:
    """Tell log.js how many rows came since the page was made, counting no further than a hundred."""
    terms = _query_args()
    with reading() as log:
        return {"rows": queries.count_newer(log, Filters.parse(terms), parse_id("after", terms.get("after", "")))}


@bp.get("/logs.<any(csv, jsonl):form>")
def export_rows(form: str) -> ResponseReturnValue:
    entries = export.entries(Filters.parse(_query_args()))
    # The first row is read now, so that a database that is away is answered with its page, not with half a file.
    lines = export.lines(export.begun(entries), form)
    response = Response(stream_with_context(lines), mimetype=export.FORMATS[form])
    response.headers["Content-Disposition"] = f'attachment; filename="log-{utcnow():%Y%m%d-%H%M%S}.{form}"'
    return response


@bp.get("/logs/status")
def status_page() -> ResponseReturnValue:
    log = current_app.extensions["dblog"]
    return render_template(
        "dblog/status.html",
        report=report(log, current_app.config["LOG_MAX_ROWS"], FILES_SEEN_AT_ONCE),
        waiting=waiting_records(log.journal, FILES_SEEN_AT_ONCE),
    )


@bp.app_template_global()
def log_link(terms: dict[str, str], endpoint: str = "dblog.index", /, **changes: str | None) -> str:
    """Return the address of the list with the same filters but for ``changes``; None takes a filter away."""
    kept: dict[str, Any] = {name: term for name, term in terms.items() if name in FILTERS}
    if "around" in terms:
        kept = {"since": ALL, "muted": SHOW} | kept
    kept = {name: term for name, term in (kept | changes).items() if term is not None}
    if _is_default_since(kept):
        del kept["since"]
    return url_for(endpoint, **kept)


def _query_args() -> dict[str, str]:
    terms = {name: term for name, term in request.args.items() if term}
    usual = {"since": DEFAULT_SINCE} | terms
    return usual if _is_default_since(usual) else terms


def _is_default_since(terms: dict[str, str]) -> bool:
    """Whether ``since`` is what a page without ``since`` shows, so that addresses can leave it out."""
    return terms.get("since") == DEFAULT_SINCE and not any(name in terms for name in UNDATED_FILTERS)


def _rows(log: Session, filters: Filters, terms: dict[str, str], columns: Sequence[Any] = LIST_COLUMNS) -> Page:
    if "around" in terms:
        return queries.around(log, filters, parse_id("around", terms["around"]), columns=columns)
    return page(log, filters, columns=columns, before=terms.get("before"), after=terms.get("after"))


def with_problem(entry: Entry, known: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Return the row's columns and the number of its problem, None if that is gone."""
    number, _ = known.get(entry.fingerprint, (None, None))
    return as_json(entry) | {"problem": number}


def _new_rows_url(terms: dict[str, str], newest: int) -> str | None:
    """Return where to ask for newer rows; None for a page that does not begin with the newest."""
    if "until" in terms or any(name in terms for name in CURSORS):
        return None
    return log_link(terms, "dblog.news_json", after=str(newest))


def _active_filters(terms: dict[str, str], problem: LogProblem | None) -> list[tuple[str, str, str]]:
    """Return name, value and the link without it for each filter but the default time."""
    chips = []
    for name in FILTERS:
        if (term := terms.get(name)) and not (name == "since" and _is_default_since(terms)):
            label = "message" if name == "q" else name
            chips.append((label, _filter_label(name, term, problem), log_link(terms, **{name: None})))
    return chips


def _filter_label(name: str, term: str, problem: LogProblem | None) -> str:
    if name == "level":
        return f"{level_name(Filters.parse({name: term}).level or 0)} and above"
    if name == "problem" and problem:
        return first_line(problem.title)
    return term
