"""Browsers keep style sheets and scripts for a year: an address has a hash of the content, as in ``log.css?v=3f09c1``.

A changed file has another address, so the next page loads it.
"""

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.security import safe_join

YEAR = 365 * 24 * 3600


def init_blueprint(bp: Blueprint) -> None:
    """Let browsers keep the blueprint's files."""
    bp.url_defaults(add_version)
    bp.after_request(keep_in_caches)


def init_app(app: Flask) -> None:
    """Let browsers keep the files of the application's own static folder."""
    app.url_defaults(add_version)
    app.after_request(keep_in_caches)


def add_version(endpoint: str, values: dict[str, Any]) -> None:
    """Put the version of a static file into its address."""
    if "v" not in values and (found := _version(endpoint, values)):
        values["v"] = found


def keep_in_caches(response: Response) -> Response:
    """Let browsers keep the file for a year if its address names its version, under which the content never changes.

    During a deploy a page of the new release may ask a process of the old one for a file: that answer is not kept.
    """
    given = request.args.get("v")
    if given and response.status_code in (200, 304) and given == _version(request.endpoint, request.view_args):
        response.cache_control.no_cache = None
        response.cache_control.max_age = YEAR
        response.cache_control.immutable = True
    return response


def _version(endpoint: str | None, values: Mapping[str, Any] | None) -> str | None:
    """Return a hash of the content of the file at this address, None if it is not the address of a file."""
    blueprint, _, name = (endpoint or "").rpartition(".")
    if name != "static":
        return None
    owner = current_app.blueprints.get(blueprint, current_app)
    path = safe_join(owner.static_folder or "", (values or {}).get("filename") or "")
    try:
        status = os.stat(path or "")
        return _hash(path or "", status.st_mtime_ns, status.st_size)
    except OSError:
        return None


@lru_cache(maxsize=1_000)
def _hash(path: str, _modified: int, _size: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
