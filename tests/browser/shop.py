"""A day of a shop: copied into a project and run there, this file fills the project's log.

Its functions really fail; their records are then repeated over the last day. A deploy of RELEASE follows.
"""

import logging
import os
import random
from collections.abc import Callable
from datetime import timedelta
from itertools import count

from app import create_app, dblog
from app.database import db, utcnow
from app.dblog.models import LogEntry, LogProblem
from app.dblog.store.upsert import insert_and_count
from app.dblog.viewer.decisions import Who, decide, parse_change
from flask import Flask
from sqlalchemy import select

STOCK = {"espresso": 12, "flat white": 3, "cold brew": 0}
orders = logging.getLogger("shop.orders")
payments = logging.getLogger("shop.payments")
mail = logging.getLogger("shop.mail")
guestbook = logging.getLogger("shop.guestbook")


class OutOfStock(Exception):
    """No copy of the article is left."""


class PaymentRefused(Exception):
    """The bank refused the payment."""


def take(drink: str, cups: int) -> None:
    left = STOCK[drink]
    if cups > left:
        raise OutOfStock(f"{cups} × {drink} ordered, {left} left")
    STOCK[drink] = left - cups


def charge(order: int, amount: float) -> None:
    try:
        raise ConnectionResetError("the bank closed the connection")
    except ConnectionResetError as error:
        raise PaymentRefused(f"order {order}: {amount:.2f} EUR were not charged") from error


def serve_customers() -> None:
    guestbook.warning("<script>alert('guest')</script> {{ 7 * 7 }} \x1b[31mred\x1b[0m abc\u202egnp.exe")
    guestbook.warning("A guest wrote a lot: %s", "la " * 4_000)
    for order, drink in enumerate(("cold brew", "espresso", "mocha"), 4711):
        try:
            take(drink, 2)
            orders.info("Order %s: 2 × %s", order, drink, extra={"order": {"id": order, "table": 7}})
        except OutOfStock:
            orders.exception("Order %s cannot be served", order, extra={"order": {"id": order, "drink": drink}})
        except KeyError:
            orders.exception("Order %s is for something that is not on the menu", order)
    try:
        charge(4712, 7.4)
    except PaymentRefused:
        payments.exception("Payment of order %s failed", 4712, extra={"attempt": 3, "bank": "Sparkasse"})
    payments.warning("The bank answers slowly: %.1f s", 4.2)
    orders.warning("Only %s × flat white left", STOCK["flat white"])
    mail.info("Receipt for order %s sent", 4711)
    mail.error("Receipt for order %s not sent: mailbox full", 4712)
    payments.critical("No payment has gone through for %s minutes", 15)


def serve_customers_after_the_deploy() -> None:
    """Let one new problem occur, and one that was resolved."""
    orders.error("Order %s came without a table", 4714)
    mail.error("Receipt for order %s not sent: mailbox full", 4714)


#: Each logger's records are repeated so many times over the day.
OFTEN = {"shop.orders": 25, "shop.payments": 9, "shop.mail": 40, "shop.guestbook": 1}


def repeat() -> None:
    """Store the same records at other times of the day, more of them towards noon."""
    random.seed(4)
    numbers = count(1)
    with db.engines["log"].begin() as connection:
        problems = {each.fingerprint: each for each in connection.execute(select(LogProblem.__table__))}
        copies = []
        for entry in connection.execute(select(LogEntry.__table__)).mappings().all():
            times = OFTEN.get(entry["logger"], 0) * (3 if entry["level"] < 30 else 1)
            for _ in range(times):
                hours = min(abs(random.gauss(9, 7)), 22.0) if random.random() < 0.97 else random.random() / 3
                moment = utcnow() - timedelta(hours=hours)
                hour = moment.replace(minute=0, second=0, microsecond=0)
                number = next(numbers)
                event = {"event_id": f"copy-{number}", "request_id": f"order-{4713 + number // 3}"}
                time = {"created_at": moment, "hour": hour}
                problem = problems[entry["fingerprint"]]
                copies.append({**entry, **event, **time, "title": problem.title, "place": problem.place})
        copies.sort(key=lambda copy: copy["created_at"])
        insert_and_count(connection, copies, replay=False)


def decide_about_problems() -> None:
    """Mute one problem and resolve one; resolve and reopen another, so that it has a history."""
    numbers = {each.title: each.id for each in db.session.scalars(select(LogProblem))}
    of_titles = (("Only", "muted"), ("PaymentRefused", "resolved", "open"), ("mailbox full", "resolved"))
    for title, *decisions in of_titles:
        number = next(number for name, number in numbers.items() if title in name)
        for decision in decisions:
            decide([number], parse_change(decision), Who())


def during(release: str, request_id: str, happen: Callable[[], None]) -> Flask:
    """Make the application of the release, let this happen in a request, and return the application."""
    levels = {"LOG_DB_LEVEL": "INFO", "LOG_LEVEL": "CRITICAL"}
    app = create_app({**levels, "RELEASE": release, "TRUSTED_HOSTS": ["localhost"]})
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
    headers = {"X-Request-ID": request_id, "User-Agent": firefox}
    with app.test_request_context("/orders?from=app", method="POST", headers=headers):
        app.preprocess_request()
        happen()
    with app.app_context():
        dblog.flush(10)
    return app


if __name__ == "__main__":
    logging.getLogger("shop").setLevel(logging.INFO)
    with during("b70c5f2", "order-4711-of-table-7", serve_customers).app_context():
        repeat()
        decide_about_problems()
    during(os.environ["RELEASE"], "order-4714", serve_customers_after_the_deploy)
