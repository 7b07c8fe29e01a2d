"""The site's address and the visitor's, from the server and from the headers of the proxies that are believed."""

import logging
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, abort, current_app, request
from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# A prefix is made of segments of a path. A browser takes two slashes at its beginning for another site's address.
PREFIX = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)*")
REFUSED = "app.refused_prefix"
PROBES = ("/healthz", "/readyz")

NO_TRUSTED_HOSTS = (
    "TRUSTED_HOSTS is empty, so this site answers under any name that a visitor sends: set it to the names of the site,"
    " separated by commas."
)

logger = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Believe PROXY_HOPS proxies about the visitor's address and scheme, and about what PROXY_HEADERS names."""
    inner = app.wsgi_app

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        check_environ(environ)
        if environ.get("PATH_INFO") in PROBES and (hosts := app.config["TRUSTED_HOSTS"]):
            # A load balancer names the machine's address as the host, and gets no page with links.
            environ["HTTP_HOST"] = hosts[0].removeprefix(".")
        return inner(environ, start_response)

    hops = app.config["PROXY_HOPS"]
    believed: dict[str, Any] = dict.fromkeys((f"x_{name}" for name in app.config["PROXY_HEADERS"]), hops)
    app.wsgi_app = ProxyFix(wsgi_app, x_for=hops, x_proto=hops, **believed)  # type: ignore[method-assign]  # Flask's documented way
    app.extensions["hosts_unseen"] = True
    app.before_request(refuse_bad_prefix)
    app.before_request(warn_of_any_host)


def check_environ(environ: "WSGIEnvironment") -> None:
    """Replace a scheme other than http and https by http, and mark a prefix that is no path as refused."""
    scheme = environ["wsgi.url_scheme"].lower()
    environ["wsgi.url_scheme"] = scheme if scheme in ("http", "https") else "http"
    prefix = environ.get("SCRIPT_NAME", "").rstrip("/")
    if not PREFIX.fullmatch(prefix):
        environ[REFUSED], prefix = prefix, ""
    environ["SCRIPT_NAME"] = prefix


def refuse_bad_prefix() -> None:
    if REFUSED in request.environ:
        abort(400, "This site's prefix (X-Forwarded-Prefix, or SCRIPT_NAME) is not a path such as /shop.")


def warn_of_any_host() -> None:
    """Warn at a server's first request that TRUSTED_HOSTS is empty; commands and tests do not need it."""
    first = current_app.extensions.pop("hosts_unseen", False)
    if first and not (current_app.config["TRUSTED_HOSTS"] or current_app.debug or current_app.testing):
        logger.warning(NO_TRUSTED_HOSTS)
