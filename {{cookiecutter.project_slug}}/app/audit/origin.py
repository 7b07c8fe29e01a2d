"""Who is changing something, and through what."""

from typing import Any

import click
from flask import current_app, g, has_request_context, request

SYSTEM, CLI = "system", "cli:"
#: In characters, as the column is.
IP_LIMIT = 64


def origin() -> dict[str, Any]:
    """Return the columns of an entry that tell its cause.

    Outside of a request the command stands in the place of the request's id, and ``system`` where there is none.
    """
    if has_request_context():
        user_id, _is_admin = current_app.extensions["audit"].actor()
        ip = request.remote_addr and request.remote_addr[:IP_LIMIT]
        return {"request_id": g.get("request_id"), "user_id": user_id, "ip": ip}
    command = click.get_current_context(silent=True)
    # The program's own name is left out: `flask user create` becomes "cli:user create".
    cause = CLI + command.command_path.partition(" ")[2] if command else SYSTEM
    return {"request_id": cause, "user_id": None, "ip": None}
