"""Run a month of the shop: python -m small_shop.month OFFSET PASSWORD, in the folder of a project that has its tables.

60 customers send about 3,000 requests in the 29 days up to now, in the order of time, through the project's own
capture, journal, writer and trail. The application's clock and the times of the log records are the month's.

OFFSET is the number of hours by which the shop's time is ahead of UTC, PASSWORD that of the admins, ada and grace.
"""

import logging
import random
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import partial
from itertools import count
from typing import Any
from unittest.mock import patch

from app import create_app, dblog
from app.accounts.models import User
from app.accounts.users import create_user
from app.database import db
from app.dblog.models import LogProblem
from app.dblog.viewer.decisions import Who, decide, parse_change, parse_note
from flask import Flask
from flask.testing import FlaskClient
from flask_login import FlaskLoginClient
from sqlalchemy import select

from . import views

DAYS = 29
RELEASES = {29: "4d1e09b", 12: "b70c5f2", 1: "9f2c1ab"}  # the keys are the days since the deploy
DEPLOYED = "17:02:10"
REQUEST = "7d1f3c0a9b2e4f58a1c6d0e7b3f29a41"
KNOWN = (
    *("ada", "grace", "linus", "guido", "barbara", "edsger", "donald", "margaret"),
    *("dennis", "ken", "bjarne", "radia", "tim", "alan", "katherine", "brian"),
    *("frances", "niklaus", "adele", "john", "hedy", "leslie", "anita", "vint"),
)
NAMES = [*KNOWN, *(f"customer{number}" for number in range(1, 61 - len(KNOWN)))]
CUSTOMERS = NAMES[2:]
BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36",
)
BOT = "python-requests/2.31"

Event = tuple[datetime, Callable[[], None]]


class Clock(datetime):
    """The application gets this class in place of ``datetime``: it returns the time in the month."""

    moment: datetime

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # it returns no subclass
        return cls.moment.astimezone(tz)


class Month:
    """The shop's calendar, and the application that runs in it; each deploy makes a new one."""

    def __init__(self, offset: int, password: str) -> None:
        self.zone = timezone(timedelta(hours=offset))
        self.now = datetime.now(UTC)
        self.password = password
        self.numbers = count(1)
        self.clients: dict[str, FlaskClient] = {}
        self.app: Flask

    def live(self) -> None:
        make_record = logging.getLogRecordFactory()

        def record_of_the_month(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make_record(*args, **kwargs)
            record.created = Clock.moment.timestamp()
            Clock.moment += timedelta(milliseconds=random.randint(2, 30))
            return record

        logging.setLogRecordFactory(record_of_the_month)
        for moment, happen in sorted(self.events(), key=lambda event: event[0]):
            if moment < self.now:
                Clock.moment = moment
                happen()
        dblog.flush(10)

    def at(self, days_ago: int, time: str) -> datetime:
        """Return a moment of the shop's own time."""
        day = (self.now.astimezone(self.zone) - timedelta(days=days_ago)).date()
        return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=self.zone)

    def some(self, times: int, first: int = DAYS - 1, last: int = 0) -> Iterator[datetime]:
        """Return moments between two days, each so many days ago; most of them are around noon."""
        for _ in range(times):
            minutes = min(max(random.gauss(12.5, 4), 0), 23.9) * 60
            yield self.at(random.randint(last, first), "00:00") + timedelta(minutes=minutes)

    def since_deploy(self, times: int) -> Iterator[datetime]:
        deployed = self.at(1, DEPLOYED)
        for _ in range(times):
            yield deployed + (self.now - deployed) * random.uniform(0.02, 0.98)

    def events(self) -> Iterator[Event]:
        for days, release in RELEASES.items():
            yield self.at(days, DEPLOYED if days < DAYS else "00:10"), partial(self.deploy, release)
        yield self.at(DAYS, "00:20"), self.open_accounts
        yield from self.customers_come()
        yield from self.things_go_wrong()
        yield from self.people_decide()

    def customers_come(self) -> Iterator[Event]:
        for moment in self.some(650):
            yield moment, self.order(random.choice(CUSTOMERS))
        for moment in self.some(330):
            yield moment, self.get(f"/shop/products/{random.choice([*views.PRODUCTS])}", random.choice(CUSTOMERS))
        for moment in self.some(150):
            yield moment, self.get("/shop/search?q=coffee", random.choice([*CUSTOMERS, None]))
        for moment in self.some(30):
            yield moment, self.get("/shop/rates?port=443", random.choice(CUSTOMERS))
        for moment in self.some(120):
            yield moment, self.post("/shop/enter", None, name=random.choice(CUSTOMERS))
        for moment in self.since_deploy(20):
            yield moment, self.post("/shop/coupon", random.choice(CUSTOMERS), code="SPRING-25")
        for index, moment in enumerate(self.some(25, last=1), 5):
            email = f"{NAMES[index]}@{random.choice(('mail', 'post', 'web'))}.example"
            yield moment, self.post(f"/shop/customers/{index + 1}", NAMES[index], email=email)

    def things_go_wrong(self) -> Iterator[Event]:
        for index, moment in enumerate(self.some(230, last=1)):
            slow = {"seconds": f"{random.uniform(5, 9):.1f}"} if index % 8 == 0 else {}
            yield moment, self.order(CUSTOMERS[index % 51], bank="silent", **slow)
        for moment in self.some(1_200):
            ip = f"203.0.113.{random.randint(7, 10)}"
            yield moment, self.get("/shop/api/stock", None, **{"User-Agent": BOT, "X-Forwarded-For": ip})
        for moment in self.some(120):
            q = random.choice(("slow coffee", "decaf beans", "oat milk", "gift card"))
            yield moment, self.get(f"/shop/search?q={q}&ms={random.randint(501, 4_000)}", random.choice(CUSTOMERS))
        for moment in self.some(83):
            yield moment, self.get("/shop/search?q=%3F", random.choice(CUSTOMERS[:30]))
        for moment in self.some(72):
            yield moment, self.get("/shop/products/none", None)
        for moment in self.some(14, first=25, last=9):
            yield moment, self.order(random.choice(CUSTOMERS), sku=views.SOLD_OUT)
        for moment in self.some(11, last=3):
            yield moment, self.order(random.choice(CUSTOMERS), mailbox="full")
        for moment in self.some(8, last=4):
            yield moment, self.order(random.choice(CUSTOMERS), bank="page")
        # The problem occurs before the fix, while the fix waits for the deploy, and after the deploy.
        for moment in (*self.some(27, last=2), self.at(1, "15:40:09"), *self.since_deploy(5)):
            yield moment, self.get("/shop/rates?port=1", "barbara")
        for index, moment in enumerate(self.since_deploy(34)):
            yield moment, self.post("/shop/coupon", CUSTOMERS[index % 27], code="SPRING25")
        for index, moment in enumerate(self.since_deploy(11)):
            yield moment, self.post("/shop/coupon", CUSTOMERS[index % 9])
        for index, moment in enumerate(self.since_deploy(17)):
            yield moment, self.get("/shop/checkout?broken=1", CUSTOMERS[index % 12])
        yield self.at(0, "14:05:12.003"), self.order("guido", bank="page")
        of_yesterday = {"X-Request-ID": REQUEST}
        yield self.at(1, "11:20:31.118"), self.order("linus", of_yesterday, bank="silent", seconds="9.7")

    def people_decide(self) -> Iterator[Event]:
        yield self.at(8, "10:15:00"), self.decide("OutOfStock", "resolved")
        yield self.at(6, "09:30:00"), self.decide("Receipt for order %s came back: mailbox full", "muted")
        yield self.at(1, "09:12:00"), self.note("BankUnreachable", "Called the bank: they change their line on Monday.")
        yield self.at(1, "15:05:00"), self.decide("URLError", "next")
        email = "linus@workshop.example"
        yield self.at(3, "16:41:00"), self.post(f"/shop/customers/{self.number('linus')}", "grace", email=email)

    def number(self, name: str) -> int:
        """Return the account's number; the accounts are made in the order of their names."""
        return NAMES.index(name) + 1

    def deploy(self, release: str) -> None:
        databases = {"DATABASE_URL": "sqlite:///app.db", "LOG_DATABASE_URL": "sqlite:///log.db"}
        levels = {"LOG_DB_LEVEL": "INFO", "LOG_LEVEL": "CRITICAL"}
        tests = {"TESTING": True, "WTF_CSRF_ENABLED": False, "PROPAGATE_EXCEPTIONS": False, "PROXY_HOPS": 1}
        self.app = create_app({**databases, **levels, **tests, "RELEASE": release})
        self.app.register_blueprint(views.bp)
        self.app.test_client_class = FlaskLoginClient
        self.clients.clear()

    def open_accounts(self) -> None:
        with self.app.app_context():
            for name in NAMES:
                create_user(name, self.password, f"{name}@mail.example", is_admin=name in ("ada", "grace"))

    def client(self, name: str | None) -> FlaskClient:
        if name is None:
            return self.app.test_client()
        if name not in self.clients:
            with self.app.app_context():
                self.clients[name] = self.app.test_client(user=db.session.get_one(User, self.number(name)))
        return self.clients[name]

    def get(self, path: str, name: str | None, **headers: str) -> Callable[[], None]:
        return partial(self.send, path, name, headers)

    def post(self, path: str, who: str | None, **form: str) -> Callable[[], None]:
        return partial(self.send, path, who, {}, form=form)

    def order(
        self,
        name: str,
        headers: dict[str, str] | None = None,
        *,
        sku: str | None = None,
        bank: str = "answers",
        **form: str,
    ) -> Callable[[], None]:
        chosen = sku or random.choice([*views.PRODUCTS])

        def happen() -> None:
            views.bank.mood = bank
            whole = {"number": str(next(self.numbers)), "sku": chosen, "cups": str(random.randint(1, 4)), **form}
            self.send("/shop/orders", name, headers or {}, form=whole)

        return happen

    def send(self, path: str, name: str | None, headers: dict[str, str], form: dict[str, str] | None = None) -> None:
        index = NAMES.index(name) if name else 0
        facts = {"User-Agent": BROWSERS[index % 3], "X-Forwarded-For": f"198.51.100.{index + 1}"}
        method = "GET" if form is None else "POST"
        self.client(name).open(path, method=method, data=form, headers=facts | headers)

    def decide(self, title: str, status: str) -> Callable[[], None]:
        return lambda: self._apply(title, lambda: parse_change(status))

    def note(self, title: str, text: str) -> Callable[[], None]:
        return lambda: self._apply(title, lambda: parse_note(text))

    def _apply(self, title: str, change: Callable[[], Any]) -> None:
        """Let grace decide about the problem whose title contains the text, once its rows are stored."""
        dblog.flush(10)
        with self.app.app_context():
            found = db.session.scalars(select(LogProblem.id).where(LogProblem.title.contains(title))).one()
            decide([found], change(), Who(self.number("grace")))


if __name__ == "__main__":
    random.seed(7)
    logging.getLogger("shop").setLevel(logging.INFO)
    with patch("app.database.datetime", Clock):
        Month(int(sys.argv[1]), sys.argv[2]).live()
