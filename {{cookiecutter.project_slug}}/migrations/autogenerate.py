"""Makes `flask db migrate` write revisions that run up and down on SQLite, PostgreSQL and MariaDB alike.

Where that is impossible, the command ends and says what to write in the model.
"""

import enum
from collections.abc import Callable, Iterator
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

import sqlalchemy as sa
from alembic.operations import ops
from alembic.util import CommandError
from sqlalchemy.dialects import mysql, postgresql

from app.database import LongText, exact_text

RenderItem = Callable[[str, Any, Any], str | Literal[False]]


def render_item(given: RenderItem | None) -> RenderItem:
    """Return the function that writes the project's own column types, with their imports, into revisions.

    :param given: a function that is asked first; it returns False for what it does not know
    """

    def render(kind: str, item: Any, autogenerate: Any) -> str | Literal[False]:
        if given and (written := given(kind, item, autogenerate)) is not False:
            return written
        module, name = type(item).__module__, type(item).__name__
        if kind != "type":
            return False
        if isinstance(item, sa.Enum) and not item.native_enum and not item.create_constraint:
            return f"sa.String(length={item.length})"  # the database knows nothing else about the type
        if isinstance(item, sa.DateTime) and type(item) is not sa.DateTime:
            # The type was read from a database, for a table that is dropped; other databases do not know its name.
            autogenerate.imports.add("from app.database import UTCDateTime")
            return "UTCDateTime()"
        if module.startswith("sqlalchemy."):
            return False
        autogenerate.imports.add(f"from {module} import {name}")
        return repr(item)

    return render


def mend(script: ops.MigrationScript, say: Callable[[str], object]) -> None:
    """Change the operations of a new revision that one of the databases would refuse.

    :param say: a function that prints a sentence about what the revision cannot do by itself
    :raises CommandError: if the revision cannot work on every database
    """
    for operations in (*script.upgrade_ops_list, *script.downgrade_ops_list):
        leave_out_indexes_of_dropped_tables(operations)
        order_dropped_tables(operations)
    for operations in script.upgrade_ops_list:
        for column, place in new_columns(operations):
            if isinstance(column.type, sa.Enum) and column.type.native_enum:
                raise CommandError(
                    f"{place} is a native enum, which PostgreSQL keeps as a type of its own that a revision does not"
                    " make and drop. Declare it with Mapped[…] alone, or with Enum(…, native_enum=False)."
                )
        for added, place in added_columns(operations):
            fill_existing_rows(added, place)
        for operation in flat(operations):
            if isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable is False:
                place = f"{operation.table_name}.{operation.column_name}"
                say(f"{place} may not be NULL any more: the revision fails if rows have NULL there. Fill them in it.")
    for operations in script.downgrade_ops_list:
        take_types_of_every_database(operations)
        for added, place in added_columns(operations):
            added.column.nullable = True
            say(f"The downgrade brings {place} back without values, so it allows NULL there.")


def flat(operations: ops.OpContainer) -> Iterator[ops.MigrateOperation]:
    for operation in operations.ops:
        if isinstance(operation, ops.OpContainer):
            yield from flat(operation)
        else:
            yield operation


def new_columns(operations: ops.OpContainer) -> Iterator[tuple[Any, str]]:
    """Yield every column that gets a new type, in new tables and in existing ones, and its name."""
    for operation in flat(operations):
        if isinstance(operation, ops.CreateTableOp):
            for column in operation.columns:
                if isinstance(column, sa.Column):
                    yield column, f"{operation.table_name}.{column.name}"
        elif isinstance(operation, ops.AddColumnOp):
            yield operation.column, f"{operation.table_name}.{operation.column.name}"
        elif isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
            column = sa.Column(operation.column_name, operation.modify_type)
            yield column, f"{operation.table_name}.{operation.column_name}"


def order_dropped_tables(operations: ops.OpContainer) -> None:
    """Drop tables before those that their foreign keys name, and make them again after those; alembic does not order
    them.

    Tables that refer to each other stay as they are.
    """
    for kind, is_dropped in ((ops.DropTableOp, True), (ops.CreateTableOp, False)):
        tables = {each.table_name: each for each in operations.ops if isinstance(each, kind) and each.schema is None}
        sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(tables, ()))
        for name, operation in tables.items():
            for named in tables_named_by(operation.reverse() if is_dropped else operation) & tables.keys() - {name}:
                sorter.add(*((named, name) if is_dropped else (name, named)))
        try:
            ordered = iter([tables[name] for name in sorter.static_order()])
        except CycleError:
            continue
        operations.ops = [next(ordered) if each in tables.values() else each for each in operations.ops]


def tables_named_by(operation: Any) -> set[str]:
    """Return the tables that the foreign keys of a new table name."""
    keys = [each for each in operation.columns if isinstance(each, sa.ForeignKeyConstraint)]
    return {element.target_fullname.rpartition(".")[0] for key in keys for element in key.elements}


def take_types_of_every_database(operations: ops.OpContainer) -> None:
    """Give the columns that a downgrade brings back types of every database; alembic takes those of the database at
    hand.
    """
    for operation in flat(operations):
        if isinstance(operation, ops.CreateTableOp):
            for column in operation.columns:
                if isinstance(column, sa.Column):
                    column.type = type_of_every_database(column.type)
        elif isinstance(operation, ops.AddColumnOp):
            operation.column.type = type_of_every_database(operation.column.type)
        elif isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
            operation.modify_type = type_of_every_database(operation.modify_type)


def type_of_every_database(column_type: Any) -> Any:
    """Return the general type for a type that only MariaDB or PostgreSQL has, or the type itself if there is none."""
    if isinstance(column_type, postgresql.JSONB | sa.DateTime) or ".dialects." not in type(column_type).__module__:
        return column_type
    if isinstance(column_type, mysql.TINYINT) and column_type.display_width == 1:
        return sa.Boolean()
    if isinstance(column_type, mysql.LONGTEXT):
        return LongText
    if isinstance(column_type, mysql.DOUBLE):
        return sa.Double()
    generic = column_type.as_generic(allow_nulltype=True)
    if isinstance(generic, sa.types.NullType):
        return column_type
    if isinstance(generic, sa.Enum | sa.Text) or not isinstance(generic, sa.String):
        return generic
    if generic.length is None:
        return sa.Text()
    # Other databases do not know MariaDB's collations. One that ends in _bin stands for the project's own exact text.
    return exact_text(generic.length) if str(generic.collation).endswith("_bin") else sa.String(generic.length)


def added_columns(operations: ops.OpContainer) -> Iterator[tuple[ops.AddColumnOp, str]]:
    """Yield each operation that adds a column for which existing rows have no value, and the column's name."""
    for operation in flat(operations):
        if isinstance(operation, ops.AddColumnOp):
            column = operation.column
            if not column.nullable and column.server_default is None and column.computed is None:
                yield operation, f"{operation.table_name}.{column.name}"


def fill_existing_rows(operation: ops.AddColumnOp, place: str) -> None:
    """Give existing rows the model's own default.

    :raises CommandError: if the model has no default, or one that a database cannot evaluate
    """
    column = operation.column
    value: Any = column.default.arg if isinstance(column.default, sa.ColumnDefault) else None
    if isinstance(value, bool):
        value = sa.text("true" if value else "false")
    elif isinstance(value, enum.Enum):
        value = value.name
    elif isinstance(value, int | float | Decimal):
        value = str(value)
    elif not isinstance(value, str):  # no default, or a function, a Sequence, SQL
        raise CommandError(
            f"{place} may not be NULL, and rows that are there have no value for it. Give its mapped_column a"
            " server_default, or a default that is a constant; or allow NULL, fill the rows, and forbid it later."
        )
    # The operation refers to the model's own column, which must not be changed.
    operation.column = sa.Column(column.name, column.type, nullable=False, server_default=value, comment=column.comment)


def leave_out_indexes_of_dropped_tables(operations: ops.OpContainer) -> None:
    """Do not drop the indexes of dropped tables: they go with the table, and MariaDB refuses if a foreign key needs
    one.
    """
    dropped = {(each.schema, each.table_name) for each in operations.ops if isinstance(each, ops.DropTableOp)}

    def goes_anyway(operation: ops.MigrateOperation) -> bool:
        return isinstance(operation, ops.DropIndexOp) and (operation.schema, operation.table_name) in dropped

    for container in operations.ops:
        if isinstance(container, ops.OpContainer):
            container.ops = [each for each in container.ops if not goes_anyway(each)]
    operations.ops = [
        each
        for each in operations.ops
        if not goes_anyway(each) and not (isinstance(each, ops.OpContainer) and each.is_empty())
    ]
