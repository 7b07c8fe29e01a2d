"""Rows of a list as the template prints them: everything is made here, for fifty rows at once.

A macro a cell takes Jinja twice the time of the database's search.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import url_for

from ...components import clock, day
from ...terminal import inert
from .blueprint import bp
from .format import first_line, level_name, level_tone
from .people import names_of
from .problems import Known
from .queries import Entry

_PLACE = re.compile(r"(?:^|· |[/\\])([^/\\·]+:\d+)(?: ·|$)")


@bp.app_template_global("log_rows")
def table_rows(
    entries: Sequence[Entry], known: Mapping[str, Known], names: Mapping[int, str] | None = None
) -> list[dict[str, Any]]:
    """Return the cells of each row, and ``day`` where another day begins (UTC).

    :param known: the rows' problems by fingerprint, see :func:`app.dblog.viewer.problems.of_rows`
    :param names: of the users, by number; None: they are asked for
    """
    base = url_for("dblog.index")
    names = names_of(entries) if names is None else names
    levels = {level: (level_tone(level), level_name(level)) for level in {row.level for row in entries}}
    rows, date = [], None
    for entry in entries:
        new_day, date = entry.created_at.date() != date, entry.created_at.date()
        tone, level = levels[entry.level]
        problem = known.get(entry.fingerprint)
        rows.append(
            {
                "day": day(entry.created_at) if new_day else None,
                "id": entry.id,
                "href": f"{base}/{entry.id}",
                "time": clock(entry.created_at),
                "tone": tone,
                "level": level,
                "exception": inert(entry.exception.rpartition(".")[2]) if entry.exception else None,
                "text": inert(first_line(entry.message)) or "(empty)",
                "asked": inert(f"{entry.method} {entry.path}") if entry.method else None,
                "where": inert(place_of(entry, problem)),
                "by_user": f"{base}?user={entry.user_id}",
                "who": inert(names.get(entry.user_id, entry.user_id)) if entry.user_id is not None else None,
                "problem": f"{base}/problems/{problem.id}" if problem and problem.records > 1 else None,
                "like_it": f"{problem.records:,}" if problem else None,
            }
        )
    return rows


def place_of(entry: Entry, problem: Known | None) -> str:
    """Return file and line of an exception, the logger of another row."""
    place = _PLACE.search(problem.place) if entry.exception and problem else None
    return place[1] if place else entry.logger
