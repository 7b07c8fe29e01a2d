"""The request that this thread serves, even before Flask's context has begun and after it has ended.

Middleware runs before Flask's context; the parts of a streamed response and its close callbacks run after it. The WSGI
environ is there all the time, so log and trail look there for the request's id.
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING

from flask import has_request_context, request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: The environ's keys for the request's id, and for who was acting when Flask's context ended (:data:`app.actor.Actor`).
REQUEST_ID, ACTOR = "app.request_id", "app.actor"

#: In a worker's job, this and the job's name stand in the place of the request's id.
JOB = "job:"

#: The environ of the request that is served, or a job's substitute for it. :mod:`app.dblog.capture.uncaught` sets it.
served: "ContextVar[WSGIEnvironment | None]" = ContextVar("served", default=None)


def current_environ() -> "WSGIEnvironment | None":
    """Return the environ of the current request, None outside of requests and jobs."""
    return request.environ if has_request_context() else served.get()
