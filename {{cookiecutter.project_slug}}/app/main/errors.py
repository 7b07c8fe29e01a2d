"""Error pages: people get one template, programs that ask for JSON get JSON."""

import logging
from urllib.parse import urlsplit

from flask import current_app, got_request_exception, jsonify, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import BadHost, BadRequest, HTTPException, SecurityError
from werkzeug.wrappers import Response

from app.engines import UnstorableText
from app.negotiation import wants_json
from app.serving import REQUEST_ID

from .views import bp

logger = logging.getLogger(__name__)

SENTENCES = {
    400: "The request could not be understood.",
    401: "Log in first.",
    403: "You may not see or do this.",
    404: "There is no such page.",
    405: "This page does not take that kind of request.",
    413: "That is larger than this site accepts.",
    429: "Too many requests. Wait a moment and try again.",
    500: "Something went wrong here, and it has been written down. Try again in a moment.",
    503: "The site cannot answer right now. Try again in a moment.",
}


@bp.app_errorhandler(HTTPException)
def error_page(error: HTTPException) -> Response:
    if error.code == 500 and getattr(error, "original_exception", None) is None:
        # To Flask abort(500) is an answer, not an error. The page says that it was written down, so this logs it.
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # a proxy's own method
        got_request_exception.send(app, exception=error)
    if error.code == 403:
        logger.info("Refused: %s %s", request.method, request.path)
    response = error.get_response(request.environ)
    facts = {
        "status": response.status_code,
        "error": error.name,
        "message": message(error),
        "request_id": request.environ.get(REQUEST_ID),
    }
    if wants_json():
        response.data = jsonify(facts).data
        response.content_type = "application/json"
    elif not isinstance(request.routing_exception, SecurityError | BadHost):  # no link can be built for such a host
        # render_template() is not used: its context loads the user, and the database may be what fails.
        response.data = current_app.jinja_env.get_template("error.html").render(facts)
        response.content_type = "text/html; charset=utf-8"
    return response


@bp.app_errorhandler(UnstorableText)
def refuse_text(refusal: UnstorableText) -> Response:
    return error_page(BadRequest(str(refusal)))


def message(error: HTTPException) -> str:
    if isinstance(error, CSRFError):
        return f"{error.description} {what_to_do(error.description or '')}"
    if error.description and error.description != type(error).description:
        return error.description
    return SENTENCES.get(error.code or 500, error.description or error.name)


def what_to_do(refusal: str) -> str:
    """Return what to do if the check of the CSRF token refuses a form: most often a setting is missing."""
    without_cookie = refusal == "The CSRF session token is missing."
    if without_cookie and current_app.config["SESSION_COOKIE_SECURE"] and not request.is_secure:
        return (
            "Browsers send this site's cookies over https alone, and this request came over http. Use https (behind a"
            " proxy that does, set PROXY_HOPS=1 and let it send X-Forwarded-Proto), or set SESSION_COOKIE_SECURE=0."
        )
    if refusal == "The referrer does not match the host.":
        return (
            f"The browser comes from {urlsplit(request.referrer or '').netloc}, and this site takes itself for"
            f" {request.host}. If both are this site, let the proxy pass on the whole name with its port, in nginx with"
            " `proxy_set_header Host $http_host`."
        )
    return "Go back, reload the page and send the form again."
