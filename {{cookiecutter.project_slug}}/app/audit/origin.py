"""Who is changing something, and through what."""

from typing import Any

import click
from flask import current_app, g, has_request_context, request

SYSTEM, CLI = "system", "cli:"
MAX_IP = 64


def origin() -> dict[str, Any]:
    """The columns of an entry that tell its cause; outside of a request a command stands for the request's id."""
    if has_request_context():
        user_id, _is_admin = current_app.extensions["audit"].actor()
        ip = request.remote_addr and request.remote_addr[:MAX_IP]
        return {"request_id": g.get("request_id"), "user_id": user_id, "ip": ip}
    command = click.get_current_context(silent=True)
    # Without the program: "cli:user create" in `flask user create`.
    cause = CLI + command.command_path.partition(" ")[2] if command else SYSTEM
    return {"request_id": cause, "user_id": None, "ip": None}
