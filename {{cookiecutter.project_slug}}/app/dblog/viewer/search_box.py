"""The form above the list of rows leads to an address that names its filters, so that the address is worth keeping."""

from collections.abc import Mapping
from datetime import timezone

from flask import abort, current_app, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from ...database import utcnow
from ..models import LogEntry, LogProblem, LogRelease
from .addresses import FILTERS, log_link
from .queries import reading
from .search import ROW, Known, combine, in_utc, recognise, zone_of

MAX_TITLES = 3
_SHORTEST_RELEASE = 7


def form_address(terms: Mapping[str, str]) -> str:
    """Return the address of what the form asks for; a row that does not exist is answered with 404.

    :param terms: ``find`` is what was typed, ``text`` the text for which the page is searched already, ``zone`` how
        many minutes the reader's clock is ahead of UTC, ``from`` and ``to`` the picked times; the rest are filters
    """
    zone = zone_of(terms.get("zone", ""))
    picked = _picked(terms, zone)
    dropped = ("q", "since", "until") if picked else ("q",)
    before = {name: terms[name] for name in FILTERS if name in terms and name not in dropped} | picked
    typed = terms.get("find", "")
    if typed == terms.get("text"):
        return log_link(before, q=typed or None)
    with reading() as log:
        found = recognise(typed, _known(log), utcnow(), zone)
        if row := found.get(ROW):
            return url_for("dblog.detail", entry_id=_existing(log, row))
    # The page needs ``typed`` to offer a search for the text: nothing else there tells that it was taken for a time.
    understood = {"typed": typed} if "until" in found else {}
    return log_link(combine(found, before), **understood)


def as_text(terms: Mapping[str, str]) -> str | None:
    """Return what was typed if it was taken for a filter: the page offers to search for it as text instead."""
    taken = [terms[name] for name in ("request", "user", "logger", "release", "ip", "path") if name in terms]
    return terms.get("typed") or (taken[0] if len(taken) == 1 and "q" not in terms else None)


def problems_titled(log: Session, text: str) -> list[tuple[int, str, int]]:
    """Return number, title and count of the problems with this text in the title, the last seen first."""
    query = select(LogProblem.id, LogProblem.title, LogProblem.count)
    query = query.where(LogProblem.title.icontains(text, autoescape=True)).order_by(LogProblem.last_seen.desc())
    return [(number, title, count) for number, title, count in log.execute(query.limit(MAX_TITLES))]


def _picked(terms: Mapping[str, str], zone: timezone) -> dict[str, str]:
    fields = {"from": "since", "to": "until"}
    return {name: in_utc(terms[field], zone) for field, name in fields.items() if field in terms}


def _existing(log: Session, number: str) -> int:
    entry_id = log.scalar(select(LogEntry.id).where(LogEntry.id == int(number)))
    if entry_id is None:
        days = current_app.config["LOG_RETENTION_DAYS"]
        gone = f", or not any more: rows go after {days} days." if days else "."
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
