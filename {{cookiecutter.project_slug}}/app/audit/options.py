"""What a model says about its own trail, in plain class attributes, so that it need not import this folder.

``__audit__ = True`` turns the trail on. ``__audit_masked__`` names fields whose values the trail must not store,
besides those whose names say that they are secrets (:mod:`app.redaction`). ``__audit_excluded__`` names fields whose
changes are not recorded.
"""

import functools
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.orm import Mapper

from ..redaction import is_secret, secret_names

_SECRET = secret_names()


@dataclass(frozen=True)
class Options:
    """What the trail records of a model."""

    name: str
    #: The fields that make the primary key.
    key: list[str]
    columns: dict[str, Column[Any]]
    #: The many-to-many relationships. Any other relationship's foreign key is a column of one of the two models.
    links: list[str]
    masked: set[str]


def is_audited(mapper: Mapper[Any]) -> bool:
    return bool(getattr(mapper.class_, "__audit__", False))


@functools.cache
def options(mapper: Mapper[Any]) -> Options:
    """Return a model's options.

    Raises ValueError if they name a field that does not exist, or if the model is on another database than the trail.
    """
    model = mapper.class_
    if any(isinstance(table, Table) and table.metadata.info.get("bind_key") for table in mapper.tables):
        raise ValueError(f"{model.__name__} is on another database: its trail would not roll back with it.")
    masked, excluded = set(getattr(model, "__audit_masked__", ())), set(getattr(model, "__audit_excluded__", ()))
    columns = {each.key: each.columns[0] for each in mapper.column_attrs if isinstance(each.columns[0], Column)}
    links = [each.key for each in mapper.relationships if each.secondary is not None and not each.viewonly]
    if unknown := (masked | excluded).difference(columns, links):
        raise ValueError(f"{model.__name__} has no {', '.join(sorted(unknown))} to keep out of its trail.")
    return Options(
        name=mapper.base_mapper.class_.__name__,  # models of one inheritance tree share their keys
        key=[mapper.get_property_by_column(column).key for column in mapper.primary_key],
        columns={field: column for field, column in columns.items() if field not in excluded},
        links=[field for field in links if field not in excluded],
        masked=masked | {field for field in columns if is_secret(field, _SECRET)},
    )
