"""What people decide about problems: each decision is stored with who made it and when, so that it can be undone."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from flask import current_app
from sqlalchemy import Connection, Engine, func, insert, or_, select, update
from sqlalchemy.orm import Session

from ...database import utcnow
from ...listing import BadFilter, is_storable
from ...terminal import how_many
from ..errors import retry_while_busy
from ..models import MUTED, OPEN, RESOLVED, LogDecision, LogProblem, LogRelease

T = TypeVar("T")

RESOLVED_IN_NEXT = "next"
NOTED, UNDONE = "noted", "undone"
#: How long a decision waits for its turn to write.
DECIDE_SECONDS = 10.0
NOTE_LIMIT = 2_000
HISTORY_LINES = 50

_problem, _decision = (LogProblem.metadata.tables[model.__tablename__] for model in (LogProblem, LogDecision))
#: The columns that a decision changes.
_STATE = ("status", "came_back_at", "decided_at", "resolved_at", "in_next_deploy", "muted_until", "muted_until_count")
_UNTIL = re.compile(r"(\d{1,4})([hd])|\+(\d{1,9})", re.ASCII)
_UNITS = {"h": "hour", "d": "day"}


@dataclass(frozen=True)
class Who:
    """Who decides: a user of the site by number, or the account that runs a command."""

    user_id: int | None = None
    account: str | None = None


@dataclass(frozen=True)
class Change:
    """A change to problems: its action and details as the history shows them, and the new values of columns.

    ``more_rows`` is the number of further rows after which a mute ends.
    """

    action: str
    detail: str | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    more_rows: int | None = None


def parse_change(status: str, until: str = "") -> Change:
    """Return the change that a form or a command asks for; raises :class:`BadFilter`.

    :param status: ``resolved``, ``next`` (resolved in the next deploy), ``muted`` or ``open``
    :param until: when a mute ends: after hours or days (``24h``, ``7d``) or after more rows (``+100``); empty: never
    """
    now = utcnow()
    if status == OPEN:
        return Change("reopened", columns={"status": OPEN})
    if status in (RESOLVED, RESOLVED_IN_NEXT):
        later = status == RESOLVED_IN_NEXT
        columns = {"status": RESOLVED, "resolved_at": now, "in_next_deploy": later}
        return Change(RESOLVED, "in the next deploy" if later else None, columns)
    if status != MUTED:
        choices = ", ".join((RESOLVED, RESOLVED_IN_NEXT, MUTED))
        raise BadFilter(f"status: one of {choices} or {OPEN}; not “{status[:50]}”.")
    if not until:
        return Change(MUTED, columns={"status": MUTED})
    parts = _UNTIL.fullmatch(until)
    if parts is None:
        raise BadFilter(f"until: hours or days such as 24h or 7d, or rows such as +100; not “{until[:50]}”.")
    if rows := parts[3]:
        return Change(MUTED, f"until {how_many(int(rows), 'more row')}", {"status": MUTED}, int(rows))
    count, unit = int(parts[1]), _UNITS[parts[2]]
    detail = f"for {how_many(count, unit)}"
    return Change(MUTED, detail, {"status": MUTED, "muted_until": now + timedelta(**{f"{unit}s": count})})


def parse_note(text: str) -> Change:
    """Return a note as a change that leaves the problem's state as it is; raises :class:`BadFilter`."""
    # A browser sends two characters for each end of a line, but counts one towards the form's limit.
    text = text.replace("\r\n", "\n").strip()
    if not 0 < len(text) <= NOTE_LIMIT:
        raise BadFilter(f"note: 1 to {NOTE_LIMIT:,} characters; not {len(text):,}.")
    if not is_storable(text):
        raise BadFilter("note: contains characters that are no text.")
    return Change(NOTED, text)


def decide(problem_ids: Sequence[int], change: Change, who: Who) -> list[int]:
    """Apply the change to the problems that exist; return the numbers of the decisions, one for each problem.

    Raises :class:`BadFilter`, and :class:`app.dblog.errors.Unreadable`.
    """

    def decided(connection: Connection) -> list[int]:
        if change.columns.get("in_next_deploy") and not connection.scalar(select(func.count(LogRelease.release))):
            raise BadFilter("No deploy is known: set RELEASE, or deploy a git checkout, and restart.")
        return [
            _decide(connection, problem, change, who) for problem in _locked(connection, _problem.c.id, problem_ids)
        ]

    return _transact(decided)


def undo(decision_ids: Sequence[int], who: Who) -> list[int]:
    """Undo those of the decisions that are the last of their problems; return the numbers of the new history lines.

    Undoing a note deletes its line and writes none, so the number of the note is returned. Raises as :func:`decide`.
    """

    def undone(connection: Connection) -> list[int]:
        asked = select(_decision.c.fingerprint).where(_decision.c.id.in_(decision_ids))
        lines = []
        for problem in _locked(connection, _problem.c.fingerprint, connection.scalars(asked).all()):
            of_problem = select(_decision).where(_decision.c.fingerprint == problem.fingerprint)
            last = connection.execute(of_problem.order_by(_decision.c.id.desc()).limit(1)).one()
            if last.id in decision_ids and last.before is not None:
                lines.append(_restore(connection, last, who))
        return lines

    return _transact(undone)


def of_numbers(log: Session, decision_ids: Sequence[int]) -> list[LogDecision]:
    """Return those of people's decisions and undoings that are still the last lines of their problems."""
    theirs = or_(LogDecision.before.is_not(None), LogDecision.action == UNDONE)
    found = log.scalars(select(LogDecision).where(LogDecision.id.in_(decision_ids), theirs)).all()
    names = {each.fingerprint for each in found}
    last = select(func.max(LogDecision.id)).where(LogDecision.fingerprint.in_(names)).group_by(LogDecision.fingerprint)
    still = set(log.scalars(last))
    return [each for each in found if each.id in still]


def history(log: Session, problem: LogProblem) -> Sequence[LogDecision]:
    """Return the newest lines of the problem's history, newest first."""
    lines = select(LogDecision).where(LogDecision.fingerprint == problem.fingerprint)
    return log.scalars(lines.order_by(LogDecision.id.desc()).limit(HISTORY_LINES)).all()


def line_as_json(line: LogDecision) -> dict[str, Any]:
    """Return a line of history as JSON data, without the earlier state, which only an undo needs."""
    shown = {name: getattr(line, name) for name in ("id", "action", "detail", "user_id", "account")}
    return shown | {"created_at": line.created_at.isoformat()}


def _decide(connection: Connection, problem: Any, change: Change, who: Who) -> int:
    now = utcnow()
    if change.action == NOTED:
        columns: dict[str, object] = {"decided_at": now}
    else:
        columns = {**dict.fromkeys(_STATE), "in_next_deploy": False, "decided_at": now, **change.columns}
    if change.more_rows is not None:
        columns["muted_until_count"] = problem.count + change.more_rows
    connection.execute(update(_problem).where(_problem.c.id == problem.id).values(columns))
    before = {name: getattr(problem, name) for name in _STATE}
    line = {
        "fingerprint": problem.fingerprint,
        "created_at": now,
        "action": change.action,
        "detail": change.detail,
        "user_id": who.user_id,
        "account": who.account,
        "before": {name: each.isoformat() if isinstance(each, datetime) else each for name, each in before.items()},
    }
    return _insert(connection, line)


def _insert(connection: Connection, line: Mapping[str, object]) -> int:
    key = connection.execute(insert(_decision).values(line)).inserted_primary_key
    return int(key[0]) if key else 0


def _restore(connection: Connection, last: Any, who: Who) -> int:
    columns = {
        name: datetime.fromisoformat(each) if isinstance(each, str) and name != "status" else each
        for name, each in last.before.items()
    }
    connection.execute(update(_problem).where(_problem.c.fingerprint == last.fingerprint).values(columns))
    if last.action == NOTED:
        connection.execute(_decision.delete().where(_decision.c.id == last.id))
        return int(last.id)
    line = {"fingerprint": last.fingerprint, "created_at": utcnow(), "action": UNDONE}
    line |= {"user_id": who.user_id, "account": who.account}
    return _insert(connection, line)


def _locked(connection: Connection, column: Any, keys: Sequence[Any]) -> Sequence[Any]:
    """Return the problems, locked in the order in which the writer locks them."""
    chosen = select(_problem).where(column.in_(keys)).order_by(_problem.c.fingerprint)
    return connection.execute(chosen.with_for_update()).all()


def _transact(action: Callable[[Connection], T]) -> T:
    engine: Engine = current_app.extensions["dblog"].writer.engine

    def transaction() -> T:
        with engine.begin() as connection:
            return action(connection)

    return retry_while_busy(transaction, engine, DECIDE_SECONDS)
