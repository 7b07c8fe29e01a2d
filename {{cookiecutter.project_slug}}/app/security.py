"""Headers that every response gets, and how much of a body a view takes."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, request
from flask.json.provider import DefaultJSONProvider

View = TypeVar("View", bound=Callable[..., Any])

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",  # the style sheet's icons are data: URLs
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # what frame-ancestors says, for older browsers and for scanners
}
LIMIT = "body_limit"


def init_app(app: Flask) -> None:
    # A token lasts as long as its session: who writes for hours can still save.
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    # Flask-Login's own cookie is as good as the session's.
    app.config.setdefault("REMEMBER_COOKIE_SECURE", app.config["SESSION_COOKIE_SECURE"])
    app.config.setdefault("REMEMBER_COOKIE_SAMESITE", app.config["SESSION_COOKIE_SAMESITE"])
    app.json = JSONProvider(app)
    app.before_request(refuse_bad_referrer)
    app.before_request(apply_body_limit)
    app.after_request(add_headers)


class JSONProvider(DefaultJSONProvider):
    def loads(self, s: str | bytes, **options: Any) -> Any:
        """Return what the JSON says; raises ValueError, which is answered with 400, if it is none."""
        try:
            return super().loads(s, **options)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def refuse_bad_referrer() -> None:
    """The check of the CSRF token compares the referrer's host over https, and would fail at what is no address."""
    try:
        _ = urlsplit(request.referrer or "").port
    except ValueError:
        abort(400, "The Referer header is no address.")


def body_limit(size: int) -> Callable[[View], View]:
    """Let a view take bodies of up to this many bytes, instead of MAX_CONTENT_LENGTH.

    A view cannot raise the limit itself: the check of its CSRF token has read the form by then.
    """

    def mark(view: View) -> View:
        setattr(view, LIMIT, size)
        return view

    return mark


def apply_body_limit() -> None:
    """Set the limit of the view that is about to run; this comes before the check of the CSRF token."""
    view = current_app.view_functions.get(request.endpoint or "")
    request.max_content_length = getattr(view, LIMIT, None)


def add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    seconds = current_app.config["HSTS_SECONDS"]
    if seconds and request.is_secure and not current_app.debug:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={seconds}")
    return response
