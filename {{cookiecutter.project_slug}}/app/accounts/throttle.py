"""A visitor who guesses passwords is refused after a few failures; other visitors are not.

A failure counts against the visitor's address together with the account, and against the address alone.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from flask import Response, current_app, request
from flask.typing import ResponseReturnValue
from flask_limiter import RequestLimit
from werkzeug.exceptions import TooManyRequests

from app.extensions import limiter

from .access import current_user
from .models import User, normal_name
from .users import MAX_NAME

FAILURES_OF_ACCOUNT = "10 per 3 minutes"
FAILURES_OF_ADDRESS = "30 per 3 minutes"
REFUSAL = "Too many failures. Try again in a few minutes."

View = Callable[[], ResponseReturnValue]

logger = logging.getLogger(__name__)

# Guesses that count together take the same lock. Strangers may share a lock, too, which costs them a moment.
_locks = [threading.Lock() for _ in range(64)]


def limit_failures(view: View) -> View:
    """Decorate a view that checks a password by :func:`guess`: a visitor who failed too often does not reach it."""
    for limit, key, is_exempt in (
        (FAILURES_OF_ACCOUNT, address_and_account, None),
        (FAILURES_OF_ADDRESS, address, all_visitors_look_alike),
    ):
        # A shared limit counts once for all the views that it decorates.
        view = limiter.shared_limit(
            limit,
            scope="passwords",
            key_func=key,
            methods=["POST"],
            exempt_when=is_exempt,
            # guess() counts, before the answer is sent; Flask-Limiter must not count the request again.
            deduct_when=lambda _response: False,
            error_message=REFUSAL,
            on_breach=refuse,
        )(view)
    return view


def guess(check: Callable[[], User | None]) -> User | None:
    """Return what ``check`` returns: a user, or None for a wrong password, which is counted and logged.

    A failure is stored in the log, never in the application's data. Guesses that count together are checked one after
    the other: otherwise many could begin at once, before the first has failed. Raises TooManyRequests.
    """
    counted_by = address_and_account() if all_visitors_look_alike() else address()
    limits = limiter.current_limits  # none if the throttle is turned off
    with _locks[hash(counted_by) % len(_locks)] if limits else nullcontext():
        for limit in limits:
            if not limiter.limiter.test(limit.limit, *limit.request_args):
                raise TooManyRequests(REFUSAL, response=refuse(limit))
        user = check()
        if user is None:
            logger.warning("A login failed: %s from %s", account(), request.remote_addr)
            for limit in limits:
                limiter.limiter.hit(limit.limit, *limit.request_args)
        return user


def refuse(limit: RequestLimit) -> Response:
    logger.warning("A login was refused: %s from %s failed too often", account(), request.remote_addr)
    seconds = max(1, limit.reset_at - int(time.time()))
    return Response(status=429, headers={"Retry-After": str(seconds)})


def account() -> str:
    if current_user.is_authenticated:
        return current_user.username
    sent = (request.get_json(silent=True) if request.is_json else None) or request.form
    name = sent.get("username") if isinstance(sent, Mapping) else None
    return normal_name(name[:MAX_NAME]) if isinstance(name, str) else ""


def visitor() -> IPv4Address | IPv6Address | None:
    """Return the visitor's address, None if the server listens on a Unix socket or the proxy sends no address."""
    try:
        found = ip_address(request.remote_addr or "")
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def address() -> str:
    """Return the address by which failures are counted; for IPv6 the network, since one visitor has all of it."""
    found = visitor()
    return str(ip_network((found, 64), strict=False) if isinstance(found, IPv6Address) else found)


def address_and_account() -> str:
    # The hash keeps names out of a store that several processes share.
    return f"{address()} {hashlib.sha256(account().encode()).hexdigest()}"


def all_visitors_look_alike() -> bool:
    """Return whether the address is missing or may be a proxy's: one visitor's guesses would lock out all others."""
    found = visitor()
    return found is None or (found.is_loopback and not current_app.config["PROXY_HOPS"])
