"""The headers of every response, and the limits of a request's body and of its form's fields."""

from collections.abc import Callable
from io import BytesIO
from typing import IO, Any, TypeVar, cast
from urllib.parse import urlsplit

import flask
from flask import Flask, Response, abort, current_app, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.utils import cached_property
from werkzeug.wsgi import LimitedStream

from app.terminal import how_many

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
    "X-Frame-Options": "DENY",  # says the same as frame-ancestors, to older browsers and to scanners
}
LIMIT = "body_limit"


def init_app(app: Flask) -> None:
    # A token lasts as long as its session: people who write for hours can still save.
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    # Flask-Login's "remember me" cookie logs in as well as the session's does, so it is protected in the same way.
    app.config.setdefault("REMEMBER_COOKIE_SECURE", app.config["SESSION_COOKIE_SECURE"])
    app.config.setdefault("REMEMBER_COOKIE_SAMESITE", app.config["SESSION_COOKIE_SAMESITE"])
    app.json = JSONProvider(app)
    app.request_class = Request
    app.before_request(refuse_bad_referrer)
    app.before_request(apply_body_limit)
    app.after_request(add_headers)


class Body(LimitedStream):
    """Refuses a body that is longer than the limit. Werkzeug would cut a body of unknown length without an error."""

    def readall(self) -> bytes:
        body = super().readall()
        if self.is_exhausted:
            self.on_exhausted()
        return body


class FormParser(FormDataParser):
    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> Any:
        """Return a form's fields and files; raises RequestEntityTooLarge if there are more than MAX_FORM_PARTS.

        Werkzeug counts them in multipart forms alone. Raises BadRequest if the form has too many percent signs.
        """
        if mimetype == "application/x-www-form-urlencoded" and (most := self.max_form_parts) is not None:
            body = stream.read()
            if body.count(b"&") >= most:
                raise RequestEntityTooLarge(f"A form may have at most {how_many(most, 'field')}.")
            # Python's parser takes 190 times the memory of a body that is nothing but percent signs.
            if body.count(b"%") * 3 > len(body):
                raise BadRequest("The form is not urlencoded: two digits follow each percent sign.")
            stream = BytesIO(body)
        return super().parse(stream, mimetype, content_length, options)


class Request(flask.Request):
    form_data_parser_class = FormParser

    @cached_property
    def stream(self) -> IO[bytes]:
        stream, most = super().stream, self.max_content_length
        if most is None or "wsgi.input_terminated" not in self.environ:
            return stream
        # The stream may read one byte more than a body may have: that byte shows that the body is too long.
        return cast(IO[bytes], Body(self.environ["wsgi.input"], most + 1, is_max=True))


class JSONProvider(DefaultJSONProvider):
    def loads(self, s: str | bytes, **options: Any) -> Any:
        """Return the JSON's data; raises ValueError, which is answered with 400, if the text is not JSON."""
        try:
            return super().loads(s, **options)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def refuse_bad_referrer() -> None:
    """Answer 400 to a referrer that is no address: the check of the CSRF token reads its host, and would raise."""
    try:
        _ = urlsplit(request.referrer or "").port
    except ValueError:
        abort(400, "The Referer header is no address.")


def body_limit(size: int) -> Callable[[View], View]:
    """Decorate a view that takes bodies of up to this many bytes, instead of MAX_CONTENT_LENGTH.

    A view cannot raise the limit itself: the check of the CSRF token has read the form before the view runs.
    """

    def mark(view: View) -> View:
        setattr(view, LIMIT, size)
        return view

    return mark


def apply_body_limit() -> None:
    """Set the body limit of the view that is about to run; this runs before the check of the CSRF token."""
    view = current_app.view_functions.get(request.endpoint or "")
    request.max_content_length = getattr(view, LIMIT, None)


def add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    seconds = current_app.config["HSTS_SECONDS"]
    if seconds and request.is_secure and not current_app.debug:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={seconds}")
    return response
