"""HTML for people, JSON for programs."""

from flask import request


def wants_json() -> bool:
    """True if the path ends in .json or .jsonl, or the Accept header prefers JSON to HTML."""
    accept = request.accept_mimetypes
    return request.path.endswith((".json", ".jsonl")) or accept["application/json"] > accept["text/html"]
