"""People get HTML, programs get JSON."""

from flask import Blueprint, current_app, request
from flask.blueprints import BlueprintSetupState

_PREFIXES = "json_prefixes"


def answer_in_json(blueprint: Blueprint) -> None:
    """Mark a blueprint as one for programs: below its ``url_prefix`` errors are JSON, whatever the client accepts.

    This also holds for an address there that does not exist, and for a page that needs a login, which is a 401.
    """

    @blueprint.record
    def note_prefix(state: BlueprintSetupState) -> None:
        state.app.extensions.setdefault(_PREFIXES, set()).add(state.url_prefix or "")


def wants_json() -> bool:
    """Return True if the path ends in .json or .jsonl or is for programs, or if Accept prefers JSON to HTML."""
    accept, path = request.accept_mimetypes, request.path
    prefixes = current_app.extensions.get(_PREFIXES, ())
    return (
        path.endswith((".json", ".jsonl"))
        or any(f"{path}/".startswith(f"{prefix}/") for prefix in prefixes)
        or accept["application/json"] > accept["text/html"]
    )
