"""This makes a person's records anonymous: what happened stays, whom it happened to does not."""

import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import orjson
from sqlalchemy import ColumnElement, Engine, String, Table, delete, literal, or_, select, type_coerce, update

from ...actor import FORGOTTEN, CannotForget, any_of, may_name
from ...database import JSONText, LongText
from ...private_files import NO_LINKS
from ...terminal import how_many
from ..errors import Unreadable, retry_while_busy
from ..journal.files import QUARANTINE
from ..models import LogDecision, LogEntry, LogProblem, LogProblemUser
from .cli import ship_everything
from .writer import Writer

SHIP_SECONDS = 30.0
#: How long a step waits for its turn to write.
WRITE_SECONDS = 60.0
BATCH_ROWS = 200
#: The columns that are cleared in records of the person's own requests, as far as the table has them.
PERSONAL = ("user_id", "is_admin", "ip", "user_agent")
#: Columns that are left alone: no name stands in them, and others find the row by them.
KEYS = {"event_id", "fingerprint", "request_id", "logger", "level", "host", "thread", "status", "method"}
KEYS |= {"action", "before", "release"}
ASIDE = "quarantine.forgetting"


def forget(writer: Writer, user_id: int, names: list[str]) -> str:
    """Take a person out of the log, and out of the records that no database took.

    Records that are waiting are shipped first. Raises :class:`app.actor.CannotForget` if some are left, or if the
    database does not answer.

    :param user_id: the account's number
    :param names: what the person is called in texts; they are replaced as whole words
    """
    # In an address names are written with percent signs.
    names = [spelling for name in names for spelling in dict.fromkeys((name, quote(name), quote_plus(name)))]
    pattern = any_of(names)
    if waiting := ship_everything(writer, SHIP_SECONDS):
        raise CannotForget(f"Nothing was deleted, since the log does not have everything yet. {waiting}")
    tables = LogEntry.metadata.tables
    entries, problems, decisions = (tables[model.__tablename__] for model in (LogEntry, LogProblem, LogDecision))
    try:
        count = _forget_rows(writer.engine, entries, pattern, names, entries.c.user_id == user_id)
        _forget_rows(writer.engine, problems, pattern, names)
        _forget_rows(writer.engine, decisions, pattern, names, decisions.c.user_id == user_id)
        with writer.engine.begin() as connection:
            connection.execute(delete(LogProblemUser).where(LogProblemUser.user_id == user_id))
        _forget_quarantine(writer.journal.folder, pattern, user_id)
    except (Unreadable, OSError) as error:
        raise CannotForget(f"The log keeps what it has of {names[0]}: {error}") from error
    return f"The log has made {how_many(count, 'record')} anonymous."


def _forget_rows(
    engine: Engine, table: Table, pattern: re.Pattern[str], names: Sequence[str], own: ColumnElement[bool] | None = None
) -> int:
    """Replace the names in all texts of a table, and clear the person's own rows; return how many rows changed."""
    texts = {
        each.name: type_coerce(each, LongText)
        for each in table.c
        if isinstance(each.type, String | JSONText) and each.name not in KEYS
    }
    mentioned = [may_name(text, names) for text in texts.values()]
    theirs = or_(*mentioned) if own is None else or_(own, *mentioned)
    cleared = {name: None for name in PERSONAL if name in table.c}
    is_own = (own if own is not None else table.c.id < 0).label("is_own")
    page = select(table.c.id, is_own, *[text.label(name) for name, text in texts.items()]).where(theirs)

    def step(last: int) -> tuple[int, int] | None:
        """Change the next rows after the id ``last``; return their last id and how many changed, None at the end."""
        with engine.begin() as connection:
            rows = connection.execute(page.where(table.c.id > last).order_by(table.c.id).limit(BATCH_ROWS)).all()
            changed = 0
            for row in rows:
                values: dict[str, Any] = dict(cleared) if row.is_own else {}
                for name in texts:
                    old = row._mapping[name] or ""
                    if (new := pattern.sub(FORGOTTEN, old)) != old:
                        values[name] = literal(new, LongText)  # JSON columns are text, too
                if values:
                    changed += 1
                    connection.execute(update(table).where(table.c.id == row.id).values(values))
        return (rows[-1].id, changed) if rows else None

    last = total = 0
    while found := retry_while_busy(partial(step, last), engine, WRITE_SECONDS):
        last, changed = found
        total += changed
    return total


def _forget_quarantine(folder: Path, pattern: re.Pattern[str], user_id: int) -> None:
    """Rewrite the quarantined records. Other processes may add some meanwhile, so the file is moved away first."""
    path, aside = folder / QUARANTINE, folder / ASIDE
    if path.exists() and not aside.exists():
        path.rename(aside)
    if aside.exists():
        with open(aside, "rb", opener=_open_no_link) as file:
            lines = [_anonymous(line, pattern, user_id) for line in file.read().splitlines()]
        with open(path, "ab", buffering=0, opener=_open_no_link) as file:
            file.write(b"".join(line + b"\n" for line in lines))
        aside.unlink()


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | NO_LINKS, 0o600)


def _anonymous(line: bytes, pattern: re.Pattern[str], user_id: int) -> bytes:
    text = pattern.sub(FORGOTTEN, line.decode("utf-8", "replace"))
    try:
        kept = orjson.loads(text)
        record = kept["record"]
    except (ValueError, TypeError, KeyError):
        return text.encode()
    if record.get("user_id") == user_id:
        record |= {name: None for name in PERSONAL if name in record}
        of_request = record.get("request") or {}
        of_request |= {name: None for name in PERSONAL if name in of_request}
    return orjson.dumps(kept)
