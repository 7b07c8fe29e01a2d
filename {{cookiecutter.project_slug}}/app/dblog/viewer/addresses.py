"""The addresses of the lists of rows and of problems: the filters in them, and what they leave out as the default."""

from collections.abc import Mapping
from typing import Any

from flask import request, url_for

from ..models import OPEN
from .blueprint import bp
from .filters import ALL, SHOW
from .problem_list import SEEN

DEFAULT_SINCE = "24h"
CURSORS = ("before", "after", "around")
# With one of these filters the list is not limited to the last 24 hours.
UNDATED_FILTERS = ("until", "request", "user", "problem", "release", "ip", "around")
FILTERS = ("level", "logger", "since", "until", "q", "request", "user", "problem", "release", "ip", "path", "muted")
PROBLEM_TERMS = ("status", "sort", "level", "q")
USUAL = {"status": OPEN, "sort": SEEN, "level": "WARNING"}


def query_args() -> dict[str, str]:
    """Return the parameters of the address, with ``since`` added if the list defaults to the last 24 hours."""
    terms = {name: term for name, term in request.args.items() if term}
    usual = {"since": DEFAULT_SINCE} | terms
    return usual if is_default_since(usual) else terms


def is_default_since(terms: Mapping[str, str]) -> bool:
    """Return whether ``since`` is the default of such a list, so that its address can leave it out."""
    return terms.get("since") == DEFAULT_SINCE and not any(name in terms for name in UNDATED_FILTERS)


@bp.app_template_global()
def log_link(terms: Mapping[str, str], endpoint: str = "dblog.index", /, **changes: str | None) -> str:
    """Return the address of the list with these filters and the ``changes``; None takes a filter away."""
    kept: dict[str, Any] = {name: term for name, term in terms.items() if name in FILTERS}
    if "around" in terms:
        kept = {"since": ALL, "muted": SHOW} | kept
    kept = {name: term for name, term in (kept | changes).items() if term is not None}
    if is_default_since(kept):
        del kept["since"]
    return url_for(endpoint, **kept)


@bp.app_template_global("log_problems_link")
def problems_link(terms: Mapping[str, str], endpoint: str = "dblog.show_problems", /, **changes: Any) -> str:
    """Return the address of the list of problems with these terms and the ``changes``; default values are left out."""
    kept = {**terms, **changes}
    return url_for(endpoint, **{name: term for name, term in kept.items() if term and USUAL.get(name) != term})
