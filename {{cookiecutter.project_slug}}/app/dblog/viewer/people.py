"""The names of the users on a page."""

from collections.abc import Iterable, Mapping
from typing import Any

from flask import current_app


def names_of(*groups: Iterable[Any]) -> Mapping[int, str]:
    """Return by number the names of the users in rows and lines of history: one question answers for a whole page."""
    numbers = {each.user_id for group in groups for each in group if each.user_id is not None}
    names: Mapping[int, str] = current_app.extensions["dblog"].names.of(numbers)
    return names
