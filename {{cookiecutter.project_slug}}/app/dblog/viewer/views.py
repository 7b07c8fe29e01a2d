"""The log's pages and their JSON twins; the table of their addresses is at the end."""

from typing import Any

from flask import Response, abort, current_app, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from ...database import utcnow
from ...listing import Cursor, parse_id
from ..journal.read import waiting_records
from ..models import LogGroup
from . import export, problems
from .blueprint import as_response
from .blueprint import bp as bp
from .charts import stacks
from .counts import CAP, overview
from .filters import ALL, LEVELS, Filters
from .format import as_json, as_text, first_line, frame_runs, level_name
from .problem_views import change_group, show_group, show_groups
from .queries import (
    ALL_COLUMNS,
    Entry,
    Page,
    around,
    count_newer,
    count_request,
    find,
    is_empty,
    neighbours,
    page,
    reading,
)
from .status import report

DEFAULT_SINCE = "24h"
CURSORS = ("before", "after", "around")
# What names few rows of any age: no day's limit for those.
UNDATED_FILTERS = ("until", "request", "group", "around")
FILTERS = ("level", "logger", "since", "until", "q", "request", "user", "group")


def index() -> ResponseReturnValue:
    terms = _query_args()
    filters = Filters.parse(terms)
    with reading() as log:
        rows = _rows(log, filters, terms)
        summary = overview(log, filters)
        sizes = problems.sizes(log, (entry.fingerprint for entry in rows.entries))
        group = problems.find_group(log, filters.group) if filters.group else None
        empty = not rows.entries and is_empty(log)
    return render_template(
        "dblog/index.html",
        page=rows,
        terms=terms,
        levels=LEVELS,
        lowest=filters.level,
        summary=summary,
        stacks=stacks(summary.bars) if summary else None,
        cap=CAP,
        sizes=sizes,
        chips=_active_filters(terms, group),
        empty=empty,
        news=_new_rows_url(terms, rows),
    )


def index_json() -> ResponseReturnValue:
    terms = _query_args()
    filters = Filters.parse(terms)
    with reading() as log:
        rows = _rows(log, filters, terms, ALL_COLUMNS)
    return as_response(
        {
            "entries": [as_json(entry) for entry in rows.entries],
            "newer": log_link(terms, "dblog.index_json", after=rows.newer) if rows.newer else None,
            "older": log_link(terms, "dblog.index_json", before=rows.older) if rows.older else None,
            "searched_to": rows.searched_to,
        }
    )


def news_json() -> ResponseReturnValue:
    """How many rows came since the page was made, for log.js; counts no further than a hundred."""
    terms = _query_args()
    with reading() as log:
        return {"rows": count_newer(log, Filters.parse(terms), terms.get("after", ""))}


def export_rows(form: str) -> ResponseReturnValue:
    entries = export.entries(Filters.parse(_query_args()))
    # The first page now, so that a database that is away still answers with a page of its own.
    lines = export.lines(export.begun(entries), form)
    response = Response(stream_with_context(lines), mimetype=export.FORMATS[form])
    response.headers["Content-Disposition"] = f'attachment; filename="log-{utcnow():%Y%m%d-%H%M%S}.{form}"'
    return response


def detail(entry_id: int) -> ResponseReturnValue:
    with reading() as log:
        entry = _found(log, entry_id)
        older, newer = neighbours(log, entry)
        group = problems.find_group(log, entry.fingerprint)
        of_request = count_request(log, entry.request_id) if entry.request_id else 0
    return render_template(
        "dblog/detail.html",
        entry=entry,
        older=older,
        newer=newer,
        group=group,
        of_request=of_request,
        errors=frame_runs(entry),
        as_text=as_text(entry, local=False),
        root=current_app.extensions["dblog"].root,
    )


def detail_json(entry_id: int) -> ResponseReturnValue:
    with reading() as log:
        return as_response(as_json(_found(log, entry_id)))


def status_page() -> ResponseReturnValue:
    journal = current_app.extensions["dblog"].journal
    waiting = len(journal.memory) + waiting_records(journal.folder)
    return render_template(
        "dblog/status.html", report=report(journal, current_app.config["LOG_MAX_ROWS"]), waiting=waiting
    )


@bp.app_template_global()
def log_link(terms: dict[str, str], endpoint: str = "dblog.index", /, **changes: str | None) -> str:
    """The list with the same filters but for ``changes``; None takes a filter away."""
    kept: dict[str, Any] = {name: term for name, term in terms.items() if name in FILTERS}
    if "around" in terms:
        kept.setdefault("since", ALL)
    kept = {name: term for name, term in (kept | changes).items() if term is not None}
    if _is_default_since(kept):
        del kept["since"]
    return url_for(endpoint, **kept)


def _query_args() -> dict[str, str]:
    terms = {name: term for name, term in request.args.items() if term}
    usual = {"since": DEFAULT_SINCE} | terms
    return usual if _is_default_since(usual) else terms


def _is_default_since(terms: dict[str, str]) -> bool:
    """Whether this is how far back a page goes that says nothing of it."""
    return terms.get("since") == DEFAULT_SINCE and not any(name in terms for name in UNDATED_FILTERS)


def _rows(log: Session, filters: Filters, terms: dict[str, str], columns: Any = None) -> Page:
    shown = {"columns": columns} if columns else {}
    if "around" in terms:
        return around(log, filters, parse_id("around", terms["around"]), **shown)
    return page(log, filters, before=terms.get("before"), after=terms.get("after"), **shown)


def _found(log: Session, entry_id: int) -> Entry:
    entry = find(log, entry_id)
    return entry if entry is not None else abort(404)


def _new_rows_url(terms: dict[str, str], rows: Page) -> str | None:
    """Where to ask for what is newer than this page; None if it does not end with the newest rows."""
    if "until" in terms or any(name in terms for name in CURSORS):
        return None
    newest = rows.entries[0] if rows.entries else None
    cursor = Cursor(newest.created_at, newest.id) if newest else Cursor(utcnow(), 0)
    return log_link(terms, "dblog.news_json", after=str(cursor))


def _active_filters(terms: dict[str, str], group: LogGroup | None) -> list[tuple[str, str, str]]:
    """Name, value and the link without it, for each filter but the usual time."""
    chips = []
    for name in FILTERS:
        if (term := terms.get(name)) and not (name == "since" and _is_default_since(terms)):
            chips.append((name, _filter_label(name, term, group), log_link(terms, **{name: None})))
    return chips


def _filter_label(name: str, term: str, group: LogGroup | None) -> str:
    if name == "level":
        return f"{level_name(Filters.parse({name: term}).level or 0)} and above"
    if name == "group" and group:
        return first_line(group.title)
    return term


for rule, view in (
    ("/logs", index),
    ("/logs.json", index_json),
    ("/logs/news.json", news_json),
    ("/logs.<any(csv, jsonl):form>", export_rows),
    ("/logs/<int:entry_id>", detail),
    ("/logs/<int:entry_id>.json", detail_json),
    ("/logs/status", status_page),
    ("/logs/groups", show_groups),
    ("/logs/groups/<fingerprint>", show_group),
):
    bp.add_url_rule(rule, view_func=view)
bp.add_url_rule("/logs/groups/<fingerprint>", view_func=change_group, methods=["POST"])
