"""The shop's pages, some of which really fail."""

import json
import logging
import urllib.request
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.accounts import sessions
from app.accounts.models import User
from app.accounts.users import find_user
from app.database import db
from flask import Blueprint, request
from flask_login import current_user

bp = Blueprint("shop", __name__, url_prefix="/shop")
orders = logging.getLogger("shop.orders")
payments = logging.getLogger("shop.payments")
pages = logging.getLogger("shop.pages")
mail = logging.getLogger("shop.mail")
api = logging.getLogger("shop.api")


class BankUnreachable(Exception):
    """The bank did not answer."""


class OutOfStock(Exception):
    """No copy of the article is left."""


@dataclass
class Product:
    name: str
    price: Decimal


PRODUCTS = {
    "ESP-1": Product("Espresso", Decimal("2.40")),
    "FW-3": Product("Flat white", Decimal("3.90")),
    "CB-7": Product("Cold brew", Decimal("4.20")),
}
SOLD_OUT = "TEA-9"


@dataclass
class Bank:
    """A bank that at the moment ``answers``, is ``silent``, or sends a ``page`` instead of an answer."""

    mood: str = "answers"

    def answer(self) -> str:
        if self.mood == "silent":
            raise BankUnreachable("https://api.sparkbank.example/v2/charges")
        return "<html>" if self.mood == "page" else '{"ok": true}'


bank = Bank()


@bp.get("/products/<sku>")
def product(sku: str) -> str:
    found: Any = PRODUCTS.get(sku)
    return f"{found.name}: {found.price} EUR"


@bp.get("/search")
def search() -> dict[str, object]:
    q, ms = request.args["q"], request.args.get("ms", 40, type=int)
    if ms > 500:
        pages.warning(f"Search for {q!r} took {ms} ms")
    words = [word for word in q.split() if word.isalnum()]
    return {"words": words, "weight": 1 / len(words)}


@bp.post("/orders")
def order() -> str:
    number, sku, cups = (request.form[name] for name in ("number", "sku", "cups"))
    orders.info("Order %s: %s × %s", number, cups, sku)
    if sku == SOLD_OUT:
        raise OutOfStock(f"{cups} × {sku} ordered, 0 left")
    total = PRODUCTS[sku].price * int(cups)
    charge(number, total)
    mail.info("Receipt for order %s sent to %s", number, current_user.email)
    if request.form.get("mailbox") == "full":
        mail.warning("Receipt for order %s came back: mailbox full", number)
    return "Thank you"


def charge(number: str, total: Decimal) -> None:
    if seconds := request.form.get("seconds"):
        payments.warning(f"The bank took {seconds} s for order {number}")
    answer = json.loads(bank.answer())
    payments.info("Charged %.2f EUR for order %s", total, number, extra={"answer": answer})


@bp.get("/checkout")
def checkout() -> str:
    basket: Any = None if "broken" in request.args else "ESP-1,FW-3"
    try:
        return f"{len(basket.split(','))} drinks"
    except AttributeError:
        orders.exception(f"Basket of {current_user.username} is unreadable")
        return "Your basket is empty"


@bp.post("/coupon")
def coupon() -> str:
    return f"{redeem(request.form.get('code'))} off"


def redeem(code: Any) -> Decimal:
    name, percent = code.split("-")
    pages.debug("Coupon %s", name)
    return Decimal(percent) / 100


@bp.get("/rates")
def rates() -> str:
    return refresh_rates(int(request.args["port"]))


def refresh_rates(port: int) -> str:
    """Return the rates; at port 1 of this machine nothing listens, so the call fails there."""
    if port != 1:
        return "1 EUR = 1.08 USD"
    with urllib.request.urlopen("http://127.0.0.1:1/rates", timeout=5) as answer:
        return str(answer.read())


@bp.get("/api/stock")
def stock() -> tuple[str, int]:
    api.warning("Refused API call without token from %s", request.user_agent)
    return "A token is needed", 401


@bp.post("/enter")
def enter() -> str:
    customer: Any = find_user(request.form["name"])
    sessions.begin(customer)
    return f"Hello, {customer.username}"


@bp.post("/customers/<int:number>")
def change_customer(number: int) -> str:
    customer = db.session.get_one(User, number)
    customer.email = request.form["email"]
    db.session.commit()
    return "Saved"
