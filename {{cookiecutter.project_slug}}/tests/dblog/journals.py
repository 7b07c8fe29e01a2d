"""Functions that make lines for journals, read what became of them, and let a process die."""

import json
import secrets
import time
from pathlib import Path

from sqlalchemy import Engine, func, select

from app.dblog.journal.append import Journal
from app.dblog.journal.dead import DeadJournals
from app.dblog.journal.read import Reader
from app.dblog.models import LogEntry, LogHour, LogProblem, LogProblemHour
from app.dblog.store.writer import Writer

MB = 1024 * 1024
START = int(time.time())


def line(number: int, **fields: object) -> bytes:
    event = {"v": 1, "time": START + number / 1000, "level": 40, "logger": "test", "message": f"number {number}"}
    return json.dumps(event | fields).encode() + b"\n"


def write(writer: Writer, numbers: range, **fields: object) -> None:
    for number in numbers:
        writer.journal.append(line(number, **fields))


def crash(writer: Writer) -> None:
    """End like a killed process: the files stay as they are, and the lock is released."""
    writer.journal.after_fork(secrets.token_hex(8))


def adopt(folder: Path) -> Reader | None:
    return DeadJournals(Journal(folder, MB, fsync=False)).adopt_next()


def messages(log: Engine) -> list[str]:
    with log.connect() as connection:
        return list(connection.scalars(select(LogEntry.message).order_by(LogEntry.id)))


def numbers(log: Engine) -> list[int]:
    found = messages(log)
    return sorted(int(message.removeprefix("number ")) for message in found if message.startswith("number "))


def counts(log: Engine) -> list[int | None]:
    """Return the number of rows, and the number that each of the tables of counts has for them."""
    with log.connect() as connection:
        rows = connection.scalar(select(func.count()).select_from(LogEntry))
        sums = [connection.scalar(select(func.sum(table.count))) for table in (LogProblem, LogHour, LogProblemHour)]
    return [rows, *(None if each is None else int(each) for each in sums)]


def ship(writer: Writer) -> None:
    writer.close(20)


def ship_all(writer: Writer) -> None:
    """Adopt and ship the journals that are there."""
    assert writer.flush(30)
    writer.close(20)
