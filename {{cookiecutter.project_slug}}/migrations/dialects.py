"""Changes what alembic does on each database: it takes the class whose `__dialect__` names the database."""

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.ddl.impl import DefaultImpl
from alembic.ddl.mysql import MariaDBImpl, MySQLImpl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.ddl.sqlite import SQLiteImpl

#: alembic allows 32, which are too few for a number and a sentence.
REVISION_ID_CHARACTERS = 128

if TYPE_CHECKING:
    Impl = DefaultImpl
else:
    Impl = object


class LongRevisionIds(Impl):
    def version_table_impl(self, **options: Any) -> sa.Table:
        table = super().version_table_impl(**options)
        table.c.version_num.type = sa.String(REVISION_ID_CHARACTERS)
        return table


class PostgreSQL(LongRevisionIds, PostgresqlImpl):
    __dialect__ = "postgresql"


class SQLite(LongRevisionIds, SQLiteImpl):
    __dialect__ = "sqlite"

    def create_table(self, table: sa.Table, **options: Any) -> None:
        """Let the copy that replaces an altered table keep AUTOINCREMENT, and the highest id that was ever used."""
        name = table.name.removeprefix("_alembic_tmp_")
        connection = self.connection
        if name == table.name or connection is None:
            super().create_table(table, **options)
            return
        made = connection.scalar(sa.text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": name})
        numbers = "AUTOINCREMENT" in str(made).upper()
        if numbers:
            table.dialect_options["sqlite"]["autoincrement"] = True
        super().create_table(table, **options)
        if numbers:
            copy = "INSERT INTO sqlite_sequence SELECT :table, seq FROM sqlite_sequence WHERE name = :name"
            connection.execute(sa.text(copy), {"table": table.name, "name": name})


class KeepsIndexes(LongRevisionIds):
    """Drops a foreign key before the index that it uses, and makes it again afterwards.

    MariaDB and MySQL refuse to drop an index that a foreign key uses. When the foreign key is made again without an
    index, they add one by themselves.
    """

    def drop_index(self, index: sa.Index, **options: Any) -> None:
        users = self.users_of(index.table, index.name)
        for user in users:
            self._exec(sa.schema.DropConstraint(user))
        super().drop_index(index, **options)
        for user in users:
            self._exec(sa.schema.AddConstraint(user))

    def drop_constraint(self, const: sa.Constraint, **options: Any) -> None:
        users = self.users_of(const.table, const.name) if isinstance(const, sa.UniqueConstraint) else []
        for user in users:
            self._exec(sa.schema.DropConstraint(user))
        super().drop_constraint(const, **options)
        for user in users:
            self._exec(sa.schema.AddConstraint(user))

    def users_of(self, table: sa.Table | None, name: Any) -> list[sa.ForeignKeyConstraint]:
        """Return the table's foreign keys that use the index of that name: it begins with their columns."""
        if self.connection is None or table is None:  # with --sql there is no database to ask
            return []
        found = sa.Table(table.name, sa.MetaData(), schema=table.schema, autoload_with=self.connection)
        columns = [column.name for index in found.indexes if index.name == name for column in index.columns]
        return [key for key in found.foreign_key_constraints if columns[: len(key.column_keys)] == key.column_keys]


class MySQL(KeepsIndexes, MySQLImpl):
    __dialect__ = "mysql"


class MariaDB(KeepsIndexes, MariaDBImpl):
    __dialect__ = "mariadb"
