# ruff: noqa: UP031, UP032, RUF100 (these calls are written as people write them)
"""Logging calls of a shop, written as people write them. Each stands for one problem, whatever its values are."""

import json
import logging
import random
import string
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

logger = logging.getLogger("shop")
MISSING = "No page at {} for {}"
WORDS = ["green tea", "coffee", "Earl Grey 250g", "sugar", "milk (oat)", "honey: dark", "", "café au lait", "tea", "x"]
#: This is structlog's logger, once it is set up.
events: Any = None


class Values(NamedTuple):
    """The values that differ from record to record."""

    name: str
    user: str
    number: int
    share: float
    key: str
    address: str
    path: str
    error: Exception


def draw(chance: random.Random, in_words: bool = True) -> Values:
    """Return random values; names are either words or have digits in them."""
    number = chance.choice((0, 1, 2, 17, 404, chance.randrange(10**6)))
    user = "".join(chance.choices(string.ascii_lowercase, k=chance.randrange(3, 9)))
    key, error = str(UUID(int=chance.getrandbits(128))), chance.choice((KeyError, ValueError, OSError))
    address = f"10.{chance.randrange(256)}.{chance.randrange(256)}.7"
    path = f"/srv/{user}/{number}.txt"
    name = chance.choice(WORDS)
    if not in_words:
        name, user = f"item-{number}", f"{user}{number}"
    return Values(name, user, number, chance.random(), key, address, path, error(f"{user} {number}"))


def of_a_variable(v: Values) -> None:
    text = f"Could not weigh {v.name}: the scales said {v.number}"
    logger.error(text)


def of_a_longer_variable(v: Values) -> None:
    message = "Basket of " + v.user
    message += f" holds {v.number} times {v.name}"
    message += ", which is too much"
    logger.warning(message)


def of_a_format_in_a_variable(v: Values) -> None:
    text = "Label {} is printed on {}"
    logger.error(text.format(v.name, v.address))


def of_many_lines(v: Values) -> None:
    logger.error(
        f"The parcel {v.key} for {v.user} "
        "was returned by the carrier, "
        f"who has tried {v.number} times"
    )  # fmt: skip


def of_many_lines_of_format(v: Values) -> None:
    logger.error(
        "The invoice of {user} over {number} "
        "could not be sent to {address}"
        .format(
            user=v.user,
            number=v.number,
            address=v.address,
        )
    )  # fmt: skip


def of_a_condition(v: Values) -> None:
    text = f"Refund of {v.number} for {v.user} was refused"
    if v.number % 2:
        text = f"Refund of {v.number} for {v.user} was refused"
    logger.error(text)


def report(message: str) -> None:
    logger.error(f"[stock] {message}")


def report_for_caller(message: str) -> None:
    logger.error(message, stacklevel=2)


def of_json(v: Values) -> None:
    logger.error(json.dumps({"event": "coupon_refused", "user": v.user, "coupon": v.key}))


def fails(v: Values) -> None:
    raise RuntimeError(f"no connection for {v.user}")


def of_an_exception(v: Values) -> None:
    try:
        fails(v)
    except RuntimeError as error:
        logger.exception(f"Payment of {v.number} failed: {error}")


def of_another_exception(v: Values) -> None:
    try:
        int(f"{v.user}!")
    except ValueError:
        logger.error(f"Could not read the amount of {v.user}", exc_info=True)


def of_a_librarys_exception(v: Values) -> None:
    logger.error(f"Newsletter to {v.user} was not sent", exc_info=LookupError(v.number))


def of_another_of_a_library(v: Values) -> None:
    logger.error("Import of %s was not begun", v.name, exc_info=LookupError(v.number))


def of_an_error(v: Values) -> None:
    logger.error(f"Could not open the till: {v.error}")


def of_a_class(v: Values) -> None:
    logger.error("Mail server said " + repr(v.error) + ", trying later")


def of_its_own_key(v: Values) -> None:
    logger.error(f"{v.name} {v.number}", extra={"problem": "stock-low"})


CALLS: list[Callable[[Values], None]] = [
    *(of_a_variable, of_a_longer_variable, of_a_format_in_a_variable, of_many_lines, of_many_lines_of_format),
    *(of_a_condition, of_json, of_an_exception, of_another_exception, of_a_librarys_exception),
    *(of_another_of_a_library, of_an_error, of_a_class, of_its_own_key),
    # f-strings
    lambda v: logger.error(f"Search for {v.name} took {v.number} ms"),
    lambda v: logger.error(f"User {v.user} logged in from {v.address}"),
    lambda v: logger.error(f"User {v.user} logged out"),
    lambda v: logger.error(f"{v.user} has no right to see {v.path}"),
    lambda v: logger.error(f"{v.name} is sold out"),
    lambda v: logger.error(f"File {v.path!r} is missing"),
    lambda v: logger.error(f"Disk is {v.share:.0%} full"),
    lambda v: logger.error(f"Discount {v.share:.2f} for {v.name} is over"),
    lambda v: logger.error(f"Session {v.key} of {v.user} has ended"),
    lambda v: logger.error(f"Retry {v.number} of 3 for {v.name}"),
    lambda v: logger.error(f"Connection to {v.address}:5432 was lost"),
    lambda v: logger.error(f"Card of {v.user} was declined: {v.name}"),
    lambda v: logger.error(f"Order {v.number} ({v.name}) was cancelled by {v.user}"),
    lambda v: logger.error(f"HTTP {v.number} of the carrier"),
    lambda v: logger.error(f"{v.number} parcels are late"),
    lambda v: logger.error(f"{v.number} mails were not sent"),
    lambda v: logger.error(f"Weight {v.number}kg of {v.name!r} is too much"),
    lambda v: logger.error(f"Got {'no' if v.number < 2 else v.number} answers from {v.address}"),
    # format
    lambda v: logger.error("Stock of {} is {}".format(v.name, v.number)),
    lambda v: logger.error("Price of {0} changed from {1} to {1}".format(v.name, v.number)),
    lambda v: logger.error("Voucher {key} of {user} is used".format(key=v.key, user=v.user)),
    lambda v: logger.error("Rate is {:.3f} for {!r}".format(v.share, v.name)),
    lambda v: logger.error("{} was banned".format(v.user)),
    lambda v: logger.error(MISSING.format(v.path, v.user)),
    # +
    lambda v: logger.error("Cannot print " + v.name),
    lambda v: logger.error("Cannot ship " + v.name + " to " + v.address),
    lambda v: logger.error("Tax of " + str(v.number) + " for " + v.user + " is wrong"),
    lambda v: logger.error(v.user + " asked for a refund"),
    # % applied early
    lambda v: logger.error("Bought %s for %d" % (v.name, v.number)),
    lambda v: logger.error("Sold %s at %.1f%%" % (v.name, v.share)),
    lambda v: logger.error("Mail to %s@example.org bounced" % v.user),
    lambda v: logger.error("Gift card %(key)s of %(user)s is empty" % {"key": v.key, "user": v.user}),
    lambda v: logger.error("Cache of %r is cold" % v.name),
    # arguments
    lambda v: logger.error("Import of %s failed after %d lines", v.name, v.number),
    lambda v: logger.error("Export to %s failed", v.path),
    lambda v: logger.error("Backup %s took %.2f hours", v.key, v.share),
    lambda v: logger.error("Login of %(user)s failed", {"user": v.user}),
    lambda v: logger.error("%s", f"Printer {v.number} has no paper"),
    lambda v: logger.error("%s", "Scanner {} is off".format(v.address)),
    # constant
    lambda v: logger.error("The catalogue is being built"),
    lambda v: logger.error("Step 3 of 4 failed"),
    lambda v: logger.error("Step 4 of 4 failed"),
    # helpers of the shop
    lambda v: report(f"the level of the tank is down to {v.number} litres"),
    lambda v: report(f"no more deliveries from {v.address} are expected"),
    lambda v: report_for_caller(f"Shelf {v.number} is empty, said {v.user}"),
    lambda v: report_for_caller("Shelf of {} is too full".format(v.name)),
    lambda v: logger.log(logging.ERROR, f"Alarm {v.number} was raised by {v.user}"),
    # structlog
    lambda v: events.error("basket_emptied", user=v.user, items=v.number),
    lambda v: events.error("basket_filled", user=v.user, name=v.name),
    lambda v: events.error(f"checkout of {v.user} failed", step=v.number),
    lambda v: events.warning("price %s of %s is odd", v.number, v.name),
]
