"""Updates and deletes of many rows in one ORM statement, which no mapper event sees."""

from typing import Any

from sqlalchemy import ColumnElement, Result, true
from sqlalchemy.orm import Mapper, ORMExecuteState

from .entries import DELETE, UPDATE, Identity, differences, entry, write
from .marks import is_audited
from .reading import by_identity, named, query, read


def on_execute(execution: ORMExecuteState) -> Result[Any] | None:
    """Run such a statement between two looks at its rows, and write an entry for each that changed."""
    mapper = execution.bind_mapper
    if not (execution.is_update or execution.is_delete) or mapper is None or not is_audited(mapper):
        return None
    before = lock(execution, mapper)
    result = execution.invoke_statement()
    connection = execution.session.connection({"mapper": mapper})
    if execution.is_delete:
        entries = [entry(DELETE, mapper, each, differences(mapper, old, {})) for each, old in before.items()]
    else:
        after = read(connection, mapper, before)
        changed = {each: differences(mapper, before[each], new) for each, new in after.items()}
        entries = [entry(UPDATE, mapper, each, changes) for each, changes in changed.items() if changes]
    write(connection, entries)
    return result


def lock(execution: ORMExecuteState, mapper: Mapper[Any]) -> dict[Identity, dict[str, Any]]:
    """The rows that the statement will change, kept from changing until it has."""
    statement: Any = execution.statement
    # Chosen as SQLAlchemy itself does when it synchronises a session: by the same options and condition.
    rows = query(mapper).options(*statement._with_options).with_for_update()
    found: dict[Identity, dict[str, Any]] = {}
    for where in conditions(execution, mapper):
        given = None if execution.is_executemany else execution.parameters
        found |= by_identity(mapper, execution.session.execute(rows.where(where), given))
    return found


def conditions(execution: ORMExecuteState, mapper: Mapper[Any]) -> list[ColumnElement[bool]]:
    statement: Any = execution.statement
    if execution.is_executemany:  # by primary key, one dictionary an object
        keys = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
        objects: Any = execution.parameters
        return list(named(mapper, [tuple(each[key] for key in keys) for each in objects]))
    return [true() if statement.whereclause is None else statement.whereclause]
