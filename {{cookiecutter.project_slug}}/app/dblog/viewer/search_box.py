"""The form above the lists leads to an address that names its filters, so that the address is worth keeping."""

import re
from collections.abc import Mapping
from datetime import timezone

from flask import abort, current_app, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from ...database import utcnow
from ...terminal import how_many
from ..models import LogEntry, LogProblem, LogRelease
from .addresses import FILTERS, PROBLEM_TERMS, log_link, problems_link
from .blueprint import bp
from .problem_list import MANY_SEEN_ONCE, NOT_SEEN_ONCE, SEEN_ONCE
from .queries import reading
from .search import ROW, Known, combine, in_utc, recognise, zone_of

MAX_TITLES = 3
_SHORTEST_RELEASE = 7
_NUMBER = re.compile(r"[0-9]{1,18}")


def form_address(terms: Mapping[str, str]) -> str:
    """Return the address of what the form above the rows asks for; a row that does not exist is answered with 404.

    :param terms: ``find`` is what was typed, ``text`` the text for which the page is searched already, ``zone`` how
        many minutes the reader's clock is ahead of UTC, ``from`` and ``to`` the picked times; the rest are filters
    """
    zone = zone_of(terms.get("zone", ""))
    picked = _picked(terms, zone)
    dropped = ("q", "since", "until") if picked else ("q",)
    before = {name: terms[name] for name in FILTERS if name in terms and name not in dropped} | picked
    typed, found = _read_box(terms)
    return _rows_address(typed, found, before)


def problems_address(terms: Mapping[str, str]) -> str:
    """Return the address of what the form above the problems asks for.

    Only a text is searched among the problems. Anything else that is recognised leads to the list of its rows.

    :param terms: see :func:`form_address`; ``status``, ``sort`` and ``level`` are those of the list of problems
    """
    typed, found = _read_box(terms)
    if found.keys() <= {"q", "level"}:
        before = {name: terms[name] for name in PROBLEM_TERMS if name in terms and name != "q"}
        return problems_link(before, **found)
    return _rows_address(typed, found, {})


def _read_box(terms: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the text in the box, and the filters that the text stands for."""
    typed = terms.get("find", "").strip()
    if typed == terms.get("text"):
        return typed, {"q": typed} if typed else {}
    with reading() as log:
        return typed, recognise(typed, _known(log), utcnow(), zone_of(terms.get("zone", "")))


def _rows_address(typed: str, found: Mapping[str, str], before: Mapping[str, str]) -> str:
    if row := found.get(ROW):
        return url_for("dblog.detail", entry_id=_existing(row))
    # The page needs ``typed`` to offer a search for the text: nothing else there tells that it was taken for a time.
    understood = {"typed": typed} if "until" in found else {}
    return log_link(combine(found, before), **understood)


def as_text(terms: Mapping[str, str]) -> str | None:
    """Return what was typed if it was taken for a filter: the page offers to search for it as text instead."""
    taken = [terms[name] for name in ("request", "user", "logger", "release", "ip", "path") if name in terms]
    return terms.get("typed") or (taken[0] if len(taken) == 1 and "q" not in terms else None)


@bp.app_template_global("log_account")
def account(text: str | None) -> tuple[int, str] | None:
    """Return number and name of the account whose number the text is, None if it is not an account's number."""
    if not text or not _NUMBER.fullmatch(text):
        return None
    name = current_app.extensions["dblog"].names.of({number := int(text)}).get(number)
    return None if name is None else (number, name)


def problems_titled(log: Session, text: str) -> list[tuple[int, str, int]]:
    """Return number, title and count of the problems with this text in the title, the last seen first.

    Problems that were seen once are left out where they are too many, as in the list of open ones.
    """
    query = select(LogProblem.id, LogProblem.title, LogProblem.count)
    if log.scalar(select(LogProblem.id).where(SEEN_ONCE).limit(1).offset(MANY_SEEN_ONCE)):
        query = query.where(NOT_SEEN_ONCE)
    query = query.where(LogProblem.title.icontains(text, autoescape=True)).order_by(LogProblem.last_seen.desc())
    return [(number, title, count) for number, title, count in log.execute(query.limit(MAX_TITLES))]


def _picked(terms: Mapping[str, str], zone: timezone) -> dict[str, str]:
    fields = {"from": "since", "to": "until"}
    return {name: in_utc(terms[field], zone) for field, name in fields.items() if field in terms}


def _existing(number: str) -> int:
    with reading() as log:
        entry_id = log.scalar(select(LogEntry.id).where(LogEntry.id == int(number)))
    if entry_id is None:
        days = current_app.config["LOG_RETENTION_DAYS"]
        gone = f", or not any more: rows go after {how_many(days, 'day')}." if days else "."
        abort(404, f"There is no row #{number}{gone}")
    return entry_id


def _known(log: Session) -> Known:
    def release(text: str) -> str | None:
        named = LogRelease.release == text
        if len(text) >= _SHORTEST_RELEASE:
            named |= LogRelease.release.startswith(text, autoescape=True)
        return log.scalar(select(LogRelease.release).where(named).order_by(LogRelease.first_seen.desc()).limit(1))

    def is_there(column: str, text: str) -> bool:
        return log.scalar(select(LogEntry.id).where(getattr(LogEntry, column) == text).limit(1)) is not None

    return Known(
        request=lambda text: is_there("request_id", text),
        logger=lambda text: is_there("logger", text),
        release=release,
        user=current_app.extensions["dblog"].names.find,
    )
