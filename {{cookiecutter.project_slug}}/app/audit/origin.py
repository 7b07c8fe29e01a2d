"""Who makes a change, and in which request, job or command."""

from typing import Any

import click
from flask import current_app, has_request_context

from ..serving import ACTOR, REQUEST_ID, current_environ

SYSTEM, CLI = "system", "cli:"
#: The length of the column, in characters.
IP_LIMIT = 64


def origin() -> dict[str, Any]:
    """Return the columns of an entry that tell its cause.

    Outside of a request, the job or the command takes the place of the request's id; ``system`` if there is neither.
    """
    environ = current_environ()
    if environ is not None:
        actor = current_app.extensions["audit"].actor() if has_request_context() else environ.get(ACTOR)
        ip = environ.get("REMOTE_ADDR")
        return {"request_id": environ.get(REQUEST_ID), "user_id": actor and actor[0], "ip": ip and ip[:IP_LIMIT]}
    command = click.get_current_context(silent=True)
    # The program's own name is left out: `flask user create` becomes "cli:user create".
    cause = CLI + command.command_path.partition(" ")[2] if command else SYSTEM
    return {"request_id": cause, "user_id": None, "ip": None}
