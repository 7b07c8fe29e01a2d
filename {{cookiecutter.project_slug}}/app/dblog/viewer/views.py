"""The list of rows and the log's status, their JSON twins and the export."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flask import Response, current_app, redirect, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from ...components import minute
from ...database import utcnow
from ...listing import Page, parse_id, parse_time
from ...terminal import how_many
from ..journal.append import FILES_SEEN_AT_ONCE
from ..journal.waiting import waiting_records
from ..models import LogProblem
from . import export, muted, problems, queries, search_box
from .addresses import CURSORS, FILTERS, is_default_since, log_link, query_args
from .blueprint import as_response, bp, tabs_report
from .charts import paths
from .counts import CAP, Overview, overview
from .filters import ALL, LEVELS, SHOW, Filters
from .format import as_json, first_line, level_name, level_tone
from .queries import ALL_COLUMNS, LIST_COLUMNS, Entry, page, reading
from .status import report

#: The levels that the page offers; the address takes others, too.
CHOICES = {name: LEVELS[name] for name in ("WARNING", "ERROR", "CRITICAL")}
#: So many loggers are chips, those with the most rows; a list has the others.
LOGGER_CHIPS = 3
#: The labels of the time buttons, and the ages they ask for.
AGES = {"1 h": "1h", "24 h": "24h", "7 d": "7d", "30 d": "30d", "All": ALL}


class Link(NamedTuple):
    """A link, how many rows it leads to (None if that is not known), and whether the page shows these rows already."""

    label: str
    address: str
    rows: int | None
    is_current: bool


@bp.get("/logs")
def index() -> ResponseReturnValue:
    terms = query_args()
    if "find" in request.args:
        return redirect(search_box.form_address(terms))
    filters = Filters.parse(terms)
    with reading() as log:
        rows = _rows(log, filters, terms)
        summary = overview(log, filters)
        known = problems.of_rows(log, rows.entries)
        problem = None if filters.problem is None else problems.find_problem(log, filters.problem)
        newest = queries.newest_id(log)
        muted_problems = muted.count_problems(log) if filters.hides_muted and summary is None else 0
        titled = search_box.problems_titled(log, filters.q) if filters.q else []
        report_of_tabs = tabs_report(log)
    return render_template(
        "dblog/index.html",
        page=rows,
        report=report_of_tabs,
        terms=terms,
        filters=filters,
        hidden_terms={name: terms[name] for name in FILTERS if name in terms and name not in ("q", "logger")},
        summary=summary,
        levels=_level_chips(terms, filters, summary),
        loggers=_logger_chips(terms, summary),
        other_loggers=summary.loggers[LOGGER_CHIPS:] if summary else (),
        muted=_muted_chip(terms, summary, muted_problems),
        legend=_legend(terms, summary) if summary else [],
        ages=_ages(terms, filters),
        bars=_bar_links(terms, summary) if summary else [],
        paths=[(level_tone(level), path) for level, path in paths(summary.bars)] if summary else [],
        cap=CAP,
        titled=titled,
        as_text=search_box.as_text(terms),
        account=search_box.account(filters.q),
        known=known,
        # Of one request, one problem or one moment every row is meant.
        folds=not (filters.request or filters.problem is not None or "around" in terms),
        active_filters=_active_filters(terms, problem),
        empty=not newest,
        news=_new_rows_url(terms, newest),
    )


@bp.get("/logs.json")
def index_json() -> ResponseReturnValue:
    terms = query_args()
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
    terms = query_args()
    with reading() as log:
        return {"rows": queries.count_newer(log, Filters.parse(terms), parse_id("after", terms.get("after", "")))}


@bp.get("/logs.<any(csv, jsonl):form>")
def export_rows(form: str) -> ResponseReturnValue:
    entries = export.entries(Filters.parse(query_args()))
    # The first row is read now: if the database is away, the answer is the page that says so, not half a file.
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


def _rows(log: Session, filters: Filters, terms: dict[str, str], columns: Sequence[Any] = LIST_COLUMNS) -> Page:
    if "around" in terms:
        return queries.around(log, filters, parse_id("around", terms["around"]), columns=columns)
    return page(log, filters, columns=columns, before=terms.get("before"), after=terms.get("after"))


def with_problem(entry: Entry, known: Mapping[str, problems.Known]) -> dict[str, Any]:
    """Return the row's columns and the number of its problem, None if that is gone."""
    problem = known.get(entry.fingerprint)
    return as_json(entry) | {"problem": problem and problem.id}


def _new_rows_url(terms: dict[str, str], newest: int) -> str | None:
    """Return where to ask for newer rows; None for a page that does not begin with the newest."""
    if "until" in terms or any(name in terms for name in CURSORS):
        return None
    return log_link(terms, "dblog.news_json", after=str(newest))


def _active_filters(terms: dict[str, str], problem: LogProblem | None) -> list[tuple[str, str, str]]:
    """Return name, value and the link without it for each filter but the default time."""
    chips = []
    for name in FILTERS:
        # Whether muted rows are shown has a chip of its own.
        if (term := terms.get(name)) and name != "muted" and not (name == "since" and is_default_since(terms)):
            label = "message" if name == "q" else name
            chips.append((label, _filter_label(name, term, problem), log_link(terms, **{name: None})))
    return chips


def _filter_label(name: str, term: str, problem: LogProblem | None) -> str:
    if name == "level":
        return f"{level_name(Filters.parse({name: term}).level or 0)} and above"
    if name == "problem" and problem:
        return first_line(problem.title)
    if name == "user":
        names = current_app.extensions["dblog"].names.of({number := Filters.parse({name: term}).user or 0})
        return f"{names[number]} ({number})" if number in names else term
    if name in ("since", "until") and "-" in term:
        return minute(parse_time(name, term))
    return term


def _level_chips(terms: dict[str, str], filters: Filters, summary: Overview | None) -> list[Link]:
    """Return the choices of the lowest level, and how many rows each has where that is known."""
    counted = summary is not None and summary.total is not None
    links = []
    for name, lowest in (("", 0), *CHOICES.items()):
        rows = sum(rows for level, rows in summary.levels.items() if level >= lowest) if summary and counted else None
        links.append(Link(name, log_link(terms, level=name or None), rows, lowest == (filters.level or 0)))
    return links


def _logger_chips(terms: dict[str, str], summary: Overview | None) -> list[Link]:
    """Return the loggers with the most rows; the one that is chosen already leads back to all."""
    chosen = terms.get("logger")
    if not summary or (len(summary.loggers) == 1 and not chosen):
        return []
    links = []
    for logger, rows in summary.loggers[:LOGGER_CHIPS]:
        address = log_link(terms, logger=None if logger == chosen else logger)
        links.append(Link(logger, address, None if summary.total is None else rows, logger == chosen))
    return links


def _muted_chip(terms: dict[str, str], summary: Overview | None, problems: int) -> Link | None:
    """Return the link that shows the rows of muted problems, or hides them again; its label says what is hidden.

    :param problems: how many problems are muted, for a filter by which nothing is counted
    """
    if "muted" in terms:
        return Link("", log_link(terms, muted=None), None, False)
    rows, problems = (summary.hidden, summary.hidden_problems) if summary else (None, problems)
    if not problems:
        return None
    label = "" if rows is None else f"{how_many(rows, 'row')} of "
    label += how_many(problems, "problem")
    return Link(label, log_link(terms, muted=SHOW), rows, True)


def _ages(terms: dict[str, str], filters: Filters) -> list[Link]:
    chosen = None if filters.until else ALL if filters.since is None else terms.get("since")
    return [Link(label, log_link(terms, since=age, until=None), None, age == chosen) for label, age in AGES.items()]


def _legend(terms: dict[str, str], summary: Overview) -> list[tuple[str, Link]]:
    """Return the tone of each level that has rows, and the link to its rows and those above."""
    links = []
    for level, rows in sorted(summary.levels.items(), reverse=True):
        name = level_name(level)
        address = log_link(terms, level=name if name in LEVELS else str(level))
        links.append((level_tone(level), Link(name, address, None if summary.total is None else rows, False)))
    return links


def _bar_links(terms: dict[str, str], summary: Overview) -> list[tuple[str, str]]:
    """Return for each bar of the histogram the address of its rows, and its label: time and numbers of rows."""
    # The routes are asked only once: building the address of each bar takes longer than all the rest.
    base = log_link(terms, since=None, until=None)
    base += "&since=" if "?" in base else "?since="
    links = []
    for bar in summary.bars:
        start, end = (f"{moment:%Y-%m-%dT%H:%MZ}" for moment in (bar.start, bar.end))
        counts = "".join(f", {rows:,} {level_name(level)}" for level, rows in sorted(bar.levels.items(), reverse=True))
        links.append((f"{base}{start}&until={end}", f"{bar.start:%d %b %H:%M} – {bar.end:%H:%M} UTC{counts}"))
    return links
