"""An id for every request: on its response, its log rows and its console lines."""

import re
import uuid

from flask import Flask, Response, g, request

HEADER = "X-Request-ID"
ACCEPTED = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")


def init_app(app: Flask) -> None:
    app.before_request(set_request_id)
    app.after_request(add_header)


def set_request_id() -> None:
    """Take the id that a proxy or a calling service sent, so that one id spans both; otherwise make one."""
    sent = request.headers.get(HEADER, "")
    g.request_id = sent if ACCEPTED.fullmatch(sent) else uuid.uuid4().hex


def add_header(response: Response) -> Response:
    if "request_id" not in g:
        set_request_id()  # the request failed before it began
    response.headers[HEADER] = g.request_id
    return response
