"""The commands that README names take the schema changes of developers up and down, on every database."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import create_engine, inspect

from migrations.autogenerate import flat, order_dropped_tables

from ..conftest import Command

SHOP = """
import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Model


class Status(enum.Enum):
    NEW = 1
    PAID = 2


class Owner(Model):
    __tablename__ = "owners"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    town: Mapped[str | None] = mapped_column(String(20), index=True)


class Pet(Model):
    __tablename__ = "pets"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("owners.id", ondelete="CASCADE"))
"""

ALL_TYPES = """
    born: Mapped[datetime]
    status: Mapped[Status]
    size: Mapped[Literal["S", "XL"]]
    price: Mapped[Decimal]
    facts: Mapped[dict[str, Any]]
    names: Mapped[list[Any]]
    more: Mapped[dict[str, Any]] = mapped_column(JSON)
    story: Mapped[str]
    weight: Mapped[float]
    code: Mapped[UUID]
    age: Mapped[timedelta]
    day: Mapped[date]
    hour: Mapped[time]
    picture: Mapped[bytes]
    tame: Mapped[bool]
"""

ROWS = """
from sqlalchemy import inspect
from app import create_app
from app.database import db
from app.shop import *
with create_app().app_context():
"""


@pytest.fixture
def shop(copied: Path, command: Command) -> Path:
    """Return the module of the models, in a copy of the project with a migrated database."""
    with (copied / "app/accounts/models.py").open("a") as file:
        file.write("\nimport app.shop\n")
    models = copied / "app/shop.py"
    models.write_text(SHOP)
    assert command("flask", "db", "upgrade").returncode == 0
    return models


@pytest.fixture
def migrate(flask_db: Callable[..., str], command: Command) -> Callable[..., str]:
    """Return a function that writes a revision, lints it, and runs it up, down and up again."""

    def run(message: str, change: Callable[[str], str] = str) -> str:
        said = flask_db("migrate", "-m", message)
        [revision] = (command.folder / "migrations/versions").glob(f"*_{message.replace(' ', '_')}.py")
        revision.write_text(change(revision.read_text()))
        linted = command("ruff", "check", "--no-cache", "migrations")
        assert linted.returncode == 0, linted.stdout
        assert command("ruff", "format", "--no-cache", "--check", "migrations").returncode == 0
        for step in ("upgrade", "downgrade", "upgrade"):
            flask_db(step)
        flask_db("check")
        return said

    return run


def add_rows(command: Command, code: str) -> str:
    result = command("-c", ROWS + code)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def elsewhere(command: Command, tmp_path: Path) -> Callable[[], None]:
    """Return a function that runs all revisions up, the last one down and up again, and all of them down, on SQLite."""

    def run() -> None:
        urls = {name: f"sqlite:///{tmp_path}/{name}" for name in ("DATABASE_URL", "LOG_DATABASE_URL")}
        for step in (["upgrade"], ["downgrade"], ["upgrade"], ["downgrade", "base"]):
            result = command("flask", "db", *step, **urls)
            assert result.returncode == 0, result.stderr

    return run


def replace(models: Path, old: str, new: str) -> None:
    code = models.read_text()
    assert code.count(old) == 1
    models.write_text(code.replace(old, new))


def test_a_new_model_of_every_type(shop: Path, migrate: Callable[..., str], command: Command) -> None:
    shop.write_text(SHOP + ALL_TYPES)
    migrate("pets")
    added = add_rows(
        command,
        """
    row = dict(
        born=datetime.fromisoformat("2024-02-29T12:00:00.123456+02:00"), status=Status.PAID, size="XL",
        price=Decimal("12345678901.2345"), facts={"b": 1, "a": [None]}, names=["x"], more={}, story="s",
        weight=0.1234567890123, code=UUID(int=7), age=timedelta(hours=3), day=date(2024, 2, 29), hour=time(12),
        picture=bytes([0, 255]), tame=True)
    db.session.add(Owner(id=1, name="Ada"))
    db.session.flush()
    db.session.add(Pet(id=1, owner_id=1, **row))
    db.session.commit()
    pet = db.session.get(Pet, 1)
    print([name for name in row if getattr(pet, name) != row[name]], pet.born.tzinfo)
""",
    )
    assert added == "[] UTC\n"


def test_what_was_dropped_comes_back_on_another_database(
    shop: Path,
    migrate: Callable[..., str],
    elsewhere: Callable[[], None],
    command: Command,
    database_urls: dict[str, str],
) -> None:
    """The revision was written on a database whose types have names of their own, such as MariaDB's LONGTEXT."""
    if database_urls["DATABASE_URL"].startswith("sqlite"):
        pytest.skip("SQLite's types have the names that every database knows")
    exact = "    exact: Mapped[str] = mapped_column(exact_text(40))\n"
    shop.write_text(SHOP.replace("import Model", "import Model, exact_text") + ALL_TYPES + exact)
    migrate("pets")
    shop.write_text("")
    migrate("nothing left")
    elsewhere()
    [written] = (command.folder / "migrations/versions").glob("*_nothing_left.py")
    back = written.read_text().partition("def downgrade()")[2]
    assert "postgresql." not in back
    # A type of MariaDB is only ever the variant of a general type.
    assert back.count("mysql.") == back.count("with_variant(mysql.")


def test_a_table_goes_before_those_that_it_names() -> None:
    metadata = sa.MetaData()
    owners = sa.Table("owners", metadata, sa.Column("id", sa.Integer, primary_key=True))
    pets = sa.Table("pets", metadata, sa.Column("owner_id", sa.ForeignKey("owners.id")))
    down = ops.UpgradeOps([ops.DropTableOp.from_table(owners), ops.DropTableOp.from_table(pets)])
    up = ops.DowngradeOps([ops.CreateTableOp.from_table(pets), ops.CreateTableOp.from_table(owners)])
    order_dropped_tables(down)
    order_dropped_tables(up)
    assert [getattr(each, "table_name", "") for each in flat(down)] == ["pets", "owners"]
    assert [getattr(each, "table_name", "") for each in flat(up)] == ["owners", "pets"]


def test_changes_below_rows(
    shop: Path, migrate: Callable[..., str], command: Command, database_urls: dict[str, str]
) -> None:
    migrate("pets")
    add_rows(
        command,
        """
    for name in ("Ada", "Bob"):
        db.session.add(Owner(name=name, town="York"))
        db.session.flush()
    db.session.add(Pet(owner_id=1))
    db.session.delete(db.session.get(Owner, 2))
    db.session.commit()
""",
    )
    # The existing rows get values for an enum and for columns that may not be NULL.
    new = [
        "status: Mapped[Status] = mapped_column(default=Status.NEW)",
        "tame: Mapped[bool] = mapped_column(default=True)",
        "legs: Mapped[int] = mapped_column(default=4)",
        'call: Mapped[str] = mapped_column(server_default="here")',
    ]
    replace(shop, "    owner_id", "".join(f"    {line}\n" for line in new) + "    owner_id")
    migrate("not null")
    # The foreign key uses this index once it is there.
    replace(shop, 'ondelete="CASCADE")', 'ondelete="CASCADE"), index=True')
    migrate("index")
    # A column is renamed; only a person can tell that it is the same column.
    replace(shop, "    town:", "    city:")
    migrate("city", rename)
    shown = add_rows(
        command,
        """
    pet, owner = db.session.get(Pet, 1), db.session.get(Owner, 1)
    print(pet.owner_id, pet.status, pet.tame, pet.legs, pet.call, owner.city)
    db.session.add(Owner(name="Cid"))
    db.session.commit()
    print(max(db.session.scalars(db.select(Owner.id))) > 2)
""",
    )
    assert shown == "1 Status.NEW True 4 here York\nTrue\n", "the tables were made anew, and remember the ids"
    # The test drops a parent's column, then a child's with its foreign key and index, then both tables.
    replace(shop, "    city: Mapped[str | None] = mapped_column(String(20), index=True)\n", "")
    migrate("no city")
    assert "1 Status.NEW" in add_rows(
        command, "    print(db.session.get(Pet, 1).owner_id, db.session.get(Pet, 1).status)"
    )
    replace(
        shop, '    owner_id: Mapped[int] = mapped_column(ForeignKey("owners.id", ondelete="CASCADE"), index=True)\n', ""
    )
    said = migrate("no owner")
    assert "pets.owner_id back without values" in said
    shop.write_text("")
    migrate("nothing left")
    [written] = (command.folder / "migrations/versions").glob("*_nothing_left.py")
    assert "drop_index" not in written.read_text()
    engine = create_engine(database_urls["DATABASE_URL"])
    assert not {"owners", "pets"} & set(inspect(engine).get_table_names())
    engine.dispose()


def rename(revision: str) -> str:
    """Write the revision that README shows in place of the one with a new column and a dropped one."""
    # A body that was written on MariaDB imports MariaDB's types.
    code = revision.partition("def upgrade()")[0].replace("from sqlalchemy.dialects import mysql\n", "")
    for name, old, new in (("upgrade", "town", "city"), ("downgrade", "city", "town")):
        code += f"""def {name}() -> None:
    op.drop_index("ix_owners_{old}", "owners")
    with op.batch_alter_table("owners") as batch_op:
        batch_op.alter_column("{old}", new_column_name="{new}", existing_type=sa.String(20))
    op.create_index("ix_owners_{new}", "owners", ["{new}"])


"""
    return code.rstrip() + "\n"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("legs: Mapped[int]", "pets.legs may not be NULL"),
        ("born: Mapped[datetime] = mapped_column(default=lambda: None)", "pets.born may not be NULL"),
        ("status: Mapped[Status | None] = mapped_column(Enum(Status))", "pets.status is a native enum"),
    ],
)
def test_what_no_revision_can_do_is_said_at_once(
    shop: Path, migrate: Callable[..., str], flask_db: Callable[..., str], line: str, sentence: str
) -> None:
    replace(shop, "import JSON,", "import JSON, Enum,")
    migrate("pets")
    before = sorted(shop.parent.parent.glob("migrations/versions/*.py"))
    replace(shop, "    owner_id", f"    {line}\n    owner_id")
    assert sentence in flask_db("migrate", "-m", "more", fails=True)
    assert sorted(shop.parent.parent.glob("migrations/versions/*.py")) == before


def test_a_column_that_may_not_be_null_any_more(shop: Path, flask_db: Callable[..., str], command: Command) -> None:
    flask_db("migrate", "-m", "pets")
    flask_db("upgrade")
    replace(shop, "town: Mapped[str | None]", "town: Mapped[str]")
    assert "owners.town may not be NULL any more" in flask_db("migrate", "-m", "town")


def test_a_session_in_a_revision(shop: Path, flask_db: Callable[..., str], command: Command) -> None:
    flask_db("revision", "-m", "data", "--rev-id", "1000")
    revision = command.folder / "migrations/versions/1000_data.py"
    lines = "from sqlalchemy.orm import Session\n    with Session(op.get_bind()) as session:\n"
    lines += "        session.execute(sa.text('UPDATE users SET email = NULL'))"
    revision.write_text(revision.read_text().replace("pass", lines, 1))
    flask_db("upgrade")
