"""What a model says about its own trail, in plain class attributes, so that it need not import this folder.

``__audit__ = True`` turns the trail on, ``__audit_masked__`` names fields whose values it must not hold, and
``__audit_excluded__`` fields it does not look at.
"""

import functools
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column
from sqlalchemy.orm import Mapper


@dataclass(frozen=True)
class Marks:
    """What to record of a model."""

    name: str
    columns: dict[str, Column[Any]]
    #: Many-to-many relationships; of any other the foreign key is a column of this model or of the other.
    links: tuple[str, ...]
    masked: frozenset[str]
    #: Columns that an UPDATE changes although nobody assigned to them.
    given_on_update: frozenset[str]


def is_audited(mapper: Mapper[Any]) -> bool:
    return bool(getattr(mapper.class_, "__audit__", False))


@functools.cache
def marks(mapper: Mapper[Any]) -> Marks:
    """Read a model's marks. Raises ValueError for a name that is none of its fields."""
    model = mapper.class_
    masked = frozenset(getattr(model, "__audit_masked__", ()))
    excluded = frozenset(getattr(model, "__audit_excluded__", ()))
    columns = {each.key: each.columns[0] for each in mapper.column_attrs if isinstance(each.columns[0], Column)}
    links = [each.key for each in mapper.relationships if each.secondary is not None and not each.viewonly]
    if unknown := (masked | excluded).difference(columns, links):
        raise ValueError(f"{model.__name__} has no {', '.join(sorted(unknown))} to keep out of its trail.")
    columns = {field: column for field, column in columns.items() if field not in excluded}
    return Marks(
        # Models of one inheritance tree share their keys, and so the name.
        name=mapper.base_mapper.class_.__name__,
        columns=columns,
        links=tuple(field for field in links if field not in excluded),
        masked=masked,
        given_on_update=frozenset(
            field
            for field, column in columns.items()
            if column.onupdate is not None
            or column.server_onupdate is not None
            or column.computed is not None
            or column is mapper.version_id_col
        ),
    )
