"""Rows of a list as the template prints them: this module makes every cell, for fifty rows at once.

If the template called a macro for each cell, Jinja would take twice as long as the database's search.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from flask import url_for
from markupsafe import Markup

from ...components import clock, day, hour_minute
from ...terminal import inert
from .blueprint import bp
from .format import first_line, level_name, level_tone, repeats_request
from .people import names_of
from .problems import Known
from .queries import Entry

#: A row is followed by so many of the same problem, or more: they are folded.
FOLDED_FROM = 3

_PLACE = re.compile(r"(?:^|· |[/\\])([^/\\·]+:\d+)(?: ·|$)")
_NO_LINK: tuple[str | None, str | None] = (None, None)


class Like(NamedTuple):
    """The rows of the same problem that follow a row and are folded into a line below it.

    :ivar until: when the last of them was
    :ivar whose: how many users or addresses the rows have together, if it is more than one: "4 addresses"
    :ivar rows: of each the address, the time, the user or address where these differ, class, text and request
    """

    until: Markup
    whose: str | None
    rows: list[tuple[Any, ...]]


@bp.app_template_global("log_rows")
def table_rows(
    entries: Sequence[Entry], known: Mapping[str, Known], names: Mapping[int, str] | None = None, fold: bool = False
) -> list[tuple[Any, ...]]:
    """Return what the template prints of each row, in the order in which its loop names it.

    A row is a tuple because dictionaries are slower: Jinja looks for an attribute of the name first. ``day`` is set in
    the first row of each day (UTC).

    :param known: the rows' problems by fingerprint, see :func:`app.dblog.viewer.problems.of_rows`
    :param names: the users' names by number; None asks the application for them
    :param fold: whether rows of one problem in a row become one, see :class:`Like`
    """
    base = url_for("dblog.index")
    names = names_of(entries) if names is None else names
    levels = {level: (level_tone(level), level_name(level)) for level in {row.level for row in entries}}
    rows, date = [], None
    for run in _runs(entries) if fold else ([entry] for entry in entries):
        entry = run[0]
        new_day, date = entry.created_at.date() != date, entry.created_at.date()
        problem = known.get(entry.fingerprint)
        user, like_it = _NO_LINK, _NO_LINK
        if (number := entry.user_id) is not None:
            user = (f"{base}?user={number}", inert(names.get(number, number)))
        if problem and problem.records > 1:
            like_it = (f"{base}/problems/{problem.id}", f"{problem.records:,}")
        head = (day(entry.created_at) if new_day else None, entry.id, f"{base}/{entry.id}", clock(entry.created_at))
        place = inert(place_of(entry, problem))
        like = _fold(run, base, names) if len(run) > 1 else None
        rows.append((*head, *levels[entry.level], *_what(entry), place, *user, *like_it, like))
    return rows


def _runs(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Yield the rows in runs: those of one problem, level and day (UTC) that follow each other, if they are many."""
    # Most rows have another problem than the row above: only of long runs the rest is asked.
    for _, group in groupby(entries, attrgetter("fingerprint")):
        alike = [*group]
        if len(alike) <= FOLDED_FROM:
            yield from ([entry] for entry in alike)
            continue
        for _, part in groupby(alike, lambda row: (row.level, row.created_at.date())):
            run = [*part]
            yield from [run] if len(run) > FOLDED_FROM else ([entry] for entry in run)


def _fold(run: Sequence[Entry], base: str, names: Mapping[int, str]) -> Like:
    users, ips = ({getattr(row, column) for row in run} - {None} for column in ("user_id", "ip"))
    whose = f"{len(users)} users" if len(users) > 1 else f"{len(ips)} addresses" if len(ips) > 1 else None
    rows = []
    for entry in run[1:]:
        who = names.get(entry.user_id, entry.user_id) if len(users) > 1 else entry.ip if whose else None
        whose_row = None if who is None else inert(who)
        rows.append((f"{base}/{entry.id}", clock(entry.created_at), whose_row, *_what(entry)))
    return Like(hour_minute(run[-1].created_at), whose, rows)


def _what(entry: Entry) -> tuple[str | None, str, str | None]:
    """Return the exception's class, what is said, and the request."""
    return (
        inert(entry.exception.rpartition(".")[2]) if entry.exception else None,
        inert(first_line(said_by(entry))) or "(empty)",
        inert(f"{entry.method} {entry.path}") if entry.method else None,
    )


def said_by(entry: Entry) -> str:
    """Return the message, or the exception's text if the message only repeats the request, as Flask's does."""
    text: str = entry.exception_text if entry.exception_text and repeats_request(entry) else entry.message
    return text


def place_of(entry: Entry, problem: Known | None) -> str:
    """Return file and line for a row with an exception, the logger for any other row."""
    place = _PLACE.search(problem.place) if entry.exception and problem else None
    return place[1] if place else entry.logger
