"""A new project's first account can be made in the browser, by the developer at the machine."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import current_app, request

FORWARDING = {"Forwarded", "Via", "X-Real-Ip", "X-Client-Ip"}


def may_create_first_admin() -> bool:
    """In debug, from this machine, under a name of this machine, with no proxy in between.

    A forwarding header means a proxy, and behind one every visitor seems to come from this machine.
    """
    return (
        current_app.debug
        and not any(name in FORWARDING or name.startswith("X-Forwarded-") for name, _ in request.headers)
        and is_loopback(request.remote_addr)
        and is_loopback(urlsplit(f"//{request.host}").hostname)
    )


def is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
