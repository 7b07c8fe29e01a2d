"""The request that this thread serves, also where Flask's context has not begun yet or has ended already.

Middleware runs before Flask's context; the parts of a streamed response and its close callbacks run after it. The WSGI
environ is there all the time, so what has to name the request looks there.
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING

from flask import has_request_context, request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: Where the environ has the request's id, and who was acting when Flask's context ended, see :data:`app.actor.Actor`.
REQUEST_ID, ACTOR = "app.request_id", "app.actor"

#: In a job of a worker this and the job's name are in the place of the request's id.
JOB = "job:"

#: The environ of the request that is served, or what stands for it in a job. :mod:`app.dblog.capture.uncaught` sets it.
served: "ContextVar[WSGIEnvironment | None]" = ContextVar("served", default=None)


def current_environ() -> "WSGIEnvironment | None":
    """Return the environ of the current request, None outside of requests and jobs."""
    return request.environ if has_request_context() else served.get()
