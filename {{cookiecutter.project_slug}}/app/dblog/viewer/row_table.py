"""Rows of a list as the template prints them: this module makes every cell, for fifty rows at once.

If the template called a macro for each cell, Jinja would take twice as long as the database's search.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import url_for

from ...components import clock, day
from ...terminal import inert
from .blueprint import bp
from .format import first_line, level_name, level_tone, repeats_request
from .people import names_of
from .problems import Known
from .queries import Entry

_PLACE = re.compile(r"(?:^|· |[/\\])([^/\\·]+:\d+)(?: ·|$)")
_NO_LINK: tuple[str | None, str | None] = (None, None)


@bp.app_template_global("log_rows")
def table_rows(
    entries: Sequence[Entry], known: Mapping[str, Known], names: Mapping[int, str] | None = None
) -> list[tuple[Any, ...]]:
    """Return what the template prints of each row, in the order in which its loop names it.

    A row is a tuple because dictionaries are slower: Jinja looks for an attribute of the name first. ``day`` is set in
    the first row of each day (UTC).

    :param known: the rows' problems by fingerprint, see :func:`app.dblog.viewer.problems.of_rows`
    :param names: the users' names by number; None asks the application for them
    """
    base = url_for("dblog.index")
    names = names_of(entries) if names is None else names
    levels = {level: (level_tone(level), level_name(level)) for level in {row.level for row in entries}}
    rows, date = [], None
    for entry in entries:
        new_day, date = entry.created_at.date() != date, entry.created_at.date()
        problem = known.get(entry.fingerprint)
        what = (
            inert(entry.exception.rpartition(".")[2]) if entry.exception else None,
            inert(first_line(said_by(entry))) or "(empty)",
            inert(f"{entry.method} {entry.path}") if entry.method else None,
        )
        user, like_it = _NO_LINK, _NO_LINK
        if (number := entry.user_id) is not None:
            user = (f"{base}?user={number}", inert(names.get(number, number)))
        if problem and problem.records > 1:
            like_it = (f"{base}/problems/{problem.id}", f"{problem.records:,}")
        head = (day(entry.created_at) if new_day else None, entry.id, f"{base}/{entry.id}", clock(entry.created_at))
        rows.append((*head, *levels[entry.level], *what, inert(place_of(entry, problem)), *user, *like_it))
    return rows


def said_by(entry: Entry) -> str:
    """Return the message, or the exception's text if the message only repeats the request, as Flask's does."""
    text: str = entry.exception_text if entry.exception_text and repeats_request(entry) else entry.message
    return text


def place_of(entry: Entry, problem: Known | None) -> str:
    """Return file and line for a row with an exception, the logger for any other row."""
    place = _PLACE.search(problem.place) if entry.exception and problem else None
    return place[1] if place else entry.logger
