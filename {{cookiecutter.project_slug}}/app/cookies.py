"""The session's cookie: its name, and how long it lasts."""

import re
from collections.abc import Mapping
from datetime import timedelta

# These are Flask's settings with other defaults. If each response renewed the cookie, it would outlive its session.
SESSIONS = {"PERMANENT_SESSION_LIFETIME": timedelta(days=14), "SESSION_REFRESH_EACH_REQUEST": False}


def session_cookie_name(slug: str, settings: Mapping[str, object], development: bool) -> str:
    """Return a name that only this site uses. If it begins with ``__Host-``, no other host of the domain can set it.

    Browsers drop a cookie with that beginning unless it is Secure, for all paths, and without a domain.
    """
    slug = re.sub(r"[^\w-]", "", slug, flags=re.ASCII)
    path = settings.get("SESSION_COOKIE_PATH") or settings.get("APPLICATION_ROOT") or "/"
    strict = settings.get("SESSION_COOKIE_SECURE") and path == "/" and not settings.get("SESSION_COOKIE_DOMAIN")
    return f"__Host-{slug}" if strict and not development else f"{slug}_session"
