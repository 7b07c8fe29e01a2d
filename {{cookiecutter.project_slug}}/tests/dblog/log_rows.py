"""Functions that store rows as the writer stores them, so that problems and counts are right."""

from datetime import timedelta
from itertools import count
from typing import Any

from flask import Flask
from sqlalchemy import select

from app.database import db, utcnow
from app.dblog.models import LogEntry, LogProblem
from app.dblog.store.upsert import insert_and_count

_numbers = count(1)


def row(
    message: str = "the coffee is cold", *, age: timedelta = timedelta(minutes=1), **columns: Any
) -> dict[str, Any]:
    names = [column.name for column in LogEntry.__table__.c if column.name != "id"]
    number = next(_numbers)
    values: dict[str, Any] = dict.fromkeys(names) | {
        "event_id": f"test-{number}",
        "created_at": utcnow() - age,
        "level": 40,
        "logger": "shop",
        "message": message,
        "fingerprint": "1-shop",
        "title": message,
        "place": "pour · app/pot.py:12",
    }
    values |= columns
    return values | {"hour": values["created_at"].replace(minute=0, second=0, microsecond=0)}


def put(app: Flask, *rows: dict[str, Any]) -> list[int]:
    """Store rows; return their ids in the order given."""
    with app.app_context(), db.engines["log"].begin() as connection:
        insert_and_count(connection, rows, replay=False)
        names = [each["event_id"] for each in rows]
        stored = connection.execute(select(LogEntry.event_id, LogEntry.id).where(LogEntry.event_id.in_(names)))
        ids = {each.event_id: each.id for each in stored}
    return [ids[each["event_id"]] for each in rows]


def problem_id(app: Flask, fingerprint: str = "1-shop") -> int:
    """Return the number of a problem."""
    with app.app_context(), db.engines["log"].connect() as connection:
        return connection.scalars(select(LogProblem.id).where(LogProblem.fingerprint == fingerprint)).one()


ERROR: dict[str, Any] = {
    "exception": "shop.OutOfCoffee",
    "trace": "Traceback (most recent call last):\n  …\nshop.OutOfCoffee: none left\n",
    "frames": [
        {
            "class": "shop.OutOfCoffee",
            "text": "none left",
            "frames": [
                {"file": "/usr/lib/python3/site-packages/flask/app.py", "line": 9, "function": "run", "project": False},
                {
                    "file": "/srv/shop/app/pot.py",
                    "line": 12,
                    "function": "pour",
                    "project": True,
                    "first": 11,
                    "source": ["def pour():", "    raise OutOfCoffee", ""],
                },
            ],
        }
    ],
    "request_id": "r-1",
    "method": "POST",
    "path": "/pour",
    "endpoint": "shop.pour",
    "ip": "192.0.2.7",
    "user_id": 7,
    "is_admin": False,
    "host": "web-1",
    "pid": 4711,
    "thread": "MainThread",
    "source": "app.pot:12 pour",
    "extra": {"pot": 3, "note": "second floor"},
}
