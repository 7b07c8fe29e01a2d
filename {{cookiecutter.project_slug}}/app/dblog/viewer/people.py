"""What the users on a page are called."""

from collections.abc import Iterable, Mapping
from typing import Any

from flask import current_app


def names_of(*groups: Iterable[Any]) -> Mapping[int, str]:
    """Return the names of the users of rows, lines of history and the like, by number: one question for a page."""
    numbers = {each.user_id for group in groups for each in group if each.user_id is not None}
    names: Mapping[int, str] = current_app.extensions["dblog"].names.of(numbers)
    return names
