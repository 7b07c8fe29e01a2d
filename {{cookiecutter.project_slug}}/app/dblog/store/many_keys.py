"""A statement gets many keys as one value where the database can take them so: a list of them takes longer to write."""

from typing import Any

from sqlalchemy import ColumnElement, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute

from ...database import JSONText


def among(dialect: str, column: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Return the condition that a column is one of the ``keys`` with which the statement is executed."""
    if dialect == "postgresql":
        return column == any_(bindparam("keys", type_=ARRAY(column.type)))
    if dialect == "sqlite":
        keys = func.json_each(bindparam("keys", type_=JSONText)).table_valued("value")
        return column.in_(select(keys.c.value))
    return column.in_(bindparam("keys", expanding=True))
