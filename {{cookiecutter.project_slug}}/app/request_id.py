"""Every request has an id, which is on its response, its log rows and its console lines."""

import re
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response, current_app, request

from .serving import REQUEST_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HEADER = "X-Request-ID"
# A colon and "system" are not accepted: outside of requests they name a job, a command or a script in place of an id.
ACCEPTED = re.compile(r"(?!system$)[A-Za-z0-9._+/=@-]{1,128}", re.IGNORECASE)


def init_app(app: Flask) -> None:
    inner = app.wsgi_app

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        set_request_id(app, environ)
        return inner(environ, start_response)

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]  # Flask's documented way
    app.after_request(add_header)


def set_request_id(app: Flask, environ: "WSGIEnvironment") -> None:
    """Take the id that a proxy sent, so that proxy and application use the same one; otherwise make one.

    Without PROXY_HOPS the header comes from the visitor and is ignored.
    """
    sent = environ.get("HTTP_X_REQUEST_ID", "") if app.config.get("PROXY_HOPS") else ""
    environ[REQUEST_ID] = sent if ACCEPTED.fullmatch(sent) else uuid.uuid4().hex


def add_header(response: Response) -> Response:
    if REQUEST_ID not in request.environ:
        set_request_id(current_app, request.environ)  # no server made this request context
    response.headers[HEADER] = request.environ[REQUEST_ID]
    return response
