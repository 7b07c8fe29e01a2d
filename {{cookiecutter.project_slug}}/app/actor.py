"""Who is acting, and who may look: the two questions that the log and the trail ask the application."""

from collections.abc import Callable

from flask import Response, abort, request
from flask.typing import ResponseReturnValue

#: Returns the acting user's id and whether that user is an admin; (None, None) for nobody. It is called in the
#: middle of log calls and flushes, so it must answer from memory and never ask a database.
Actor = Callable[[], tuple[int | None, bool | None]]

#: Returns None to let the visitor in, or the response to send instead; it may also abort.
Guard = Callable[[], ResponseReturnValue | None]


def nobody() -> tuple[None, None]:
    """The actor of an application that does not say who is acting."""
    return None, None


def keep_out_of_caches(response: Response) -> Response:
    """What a guard protects may stay in no cache; style sheets and scripts may."""
    if not (request.endpoint or "").endswith(".static"):
        response.headers["Cache-Control"] = "no-store"
    return response


def forbid() -> ResponseReturnValue | None:
    """The guard of an application that does not say who may look: it lets nobody in."""
    abort(403)
