"""What goes wrong in a command, in one sentence."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from .delivery import reason
from .filters import BadFilter
from .queries import Unreadable

P = ParamSpec("P")
T = TypeVar("T")


def plain_errors(command: Callable[P, T]) -> Callable[P, T]:
    """What goes wrong is one sentence on stderr."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except BadFilter as mistake:
            raise click.UsageError(str(mistake)) from None
        except Unreadable as error:
            raise click.ClickException(unreadable(error)) from None

    return run


def unreadable(error: Unreadable) -> str:
    if error.tables_missing:
        return "The log's tables are missing: run `flask db upgrade`."
    return f"The log's database cannot be read: {reason(error.cause)}"
