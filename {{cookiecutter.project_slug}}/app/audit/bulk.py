"""Updates and deletes of many rows in one ORM statement, which no mapper event sees."""

from typing import Any

from sqlalchemy import Result, true
from sqlalchemy.orm import Mapper, ORMExecuteState

from .entries import DELETE, UPDATE, differences, entry, write
from .options import is_audited, options
from .snapshot import Rows, among, by_identity, query, read


def on_execute(execution: ORMExecuteState) -> Result[Any] | None:
    """Read the statement's rows before and after it runs, and write an entry for each row that it changed."""
    mapper = execution.bind_mapper
    if not (execution.is_update or execution.is_delete) or mapper is None or not is_audited(mapper):
        return None
    before = lock(execution, mapper)
    result = execution.invoke_statement()
    connection = execution.session.connection(execution.bind_arguments)
    after: Rows = {identity: {} for identity in before}
    if execution.is_update:
        after = read(connection, mapper, before)
    action = UPDATE if execution.is_update else DELETE
    changes = {identity: differences(mapper, before[identity], new) for identity, new in after.items()}
    write(connection, [entry(action, mapper, identity, each) for identity, each in changes.items()])
    return result


def lock(execution: ORMExecuteState, mapper: Mapper[Any]) -> Rows:
    """Return the rows that the statement is going to change, and lock them until the transaction ends."""
    statement: Any = execution.statement
    parameters: Any = execution.parameters
    # SQLAlchemy finds rows in the same way to synchronise a session: by the statement's own options and condition.
    rows = query(mapper).options(*statement._with_options).with_for_update()
    if execution.is_executemany:  # a list of dictionaries: each names its object by primary key
        conditions = among(mapper, [tuple(each[field] for field in options(mapper).key) for each in parameters])
        found = [execution.session.execute(rows.where(condition)) for condition in conditions]
    else:
        condition = true() if statement.whereclause is None else statement.whereclause
        found = [execution.session.execute(rows.where(condition), parameters)]
    return {identity: row for each in found for identity, row in by_identity(mapper, each).items()}
