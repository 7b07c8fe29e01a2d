"""The trail also records models with unusual tables, keys and columns."""

import enum
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Computed,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    MetaData,
    String,
    Table,
    TypeDecorator,
    delete,
    event,
    select,
    update,
)
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    deferred,
    load_only,
    mapped_column,
    relationship,
)

from app.audit.entries import differences
from app.audit.models import AuditEntry
from app.audit.values import to_json

from .test_audit import engine, trail

__all__ = ["engine"]  # a fixture


class Base(DeclarativeBase):
    metadata = MetaData()


class Animal(Base):
    __tablename__ = "animals"
    __audit__ = True
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012  # SQLAlchemy's own

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(10))


class Dog(Animal):
    __tablename__ = "dogs"
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(ForeignKey("animals.id"), primary_key=True)
    breed: Mapped[str] = mapped_column(String(10))


class Cat(Animal):
    __audit__ = False
    __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012


class Ghost(Base):
    __tablename__ = "ghosts"
    __audit__ = True
    __audit_excluded__ = ("id", "name")

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(10))


ticket_seats = Table(
    "ticket_seats",
    Base.metadata,
    Column("ticket", ForeignKey("tickets.code"), primary_key=True),
    Column("hall", String(10), primary_key=True),
    Column("number", primary_key=True),
    ForeignKeyConstraint(["hall", "number"], ["seats.hall", "seats.number"]),
)


class Folded(TypeDecorator[str]):
    """Text whose upper and lower case are equal."""

    impl = String(10)
    cache_ok = True

    def compare_values(self, x: Any, y: Any) -> bool:
        return str(x).lower() == str(y).lower()


class Size(enum.IntEnum):
    SMALL = 1


class Room(Base):
    __tablename__ = "rooms"
    __audit__ = True

    size: Mapped[Size] = mapped_column(primary_key=True)
    colour: Mapped[str] = mapped_column(Folded)
    doors: Mapped[int] = mapped_column(default=1)


class Seat(Base):
    __tablename__ = "seats"
    __audit__ = True

    hall: Mapped[str] = mapped_column(String(10), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int] = mapped_column(default=0)
    remark: Mapped[str | None] = mapped_column(String(10))


class Ticket(Base):
    __tablename__ = "tickets"
    __audit__ = True
    __audit_masked__ = ("guarded",)
    __audit_excluded__ = ("unseen",)

    code: Mapped[str] = mapped_column(String(300), primary_key=True)
    seats: Mapped[list[Seat]] = relationship(secondary=ticket_seats)
    guarded: Mapped[list[Seat]] = relationship(secondary=ticket_seats, overlaps="seats")
    unseen: Mapped[list[Seat]] = relationship(secondary=ticket_seats, overlaps="seats,guarded")
    shown: Mapped[list[Seat]] = relationship(secondary=ticket_seats, viewonly=True)


class Account(Base):
    """A model whose row is filled in part by the database and by SQLAlchemy."""

    __tablename__ = "accounts"
    __audit__ = True

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    balance: Mapped[int]
    twice: Mapped[int] = mapped_column(Computed("balance * 2", persisted=True))
    story: Mapped[str] = deferred(mapped_column(String(50), default=""))
    notes: Mapped[dict[str, Any] | None] = mapped_column(MutableDict.as_mutable(JSON(none_as_null=True)))
    plans: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    friend_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    friend: Mapped["Account | None"] = relationship(remote_side=[id], post_update=True)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


Account.half = column_property(Account.balance / 2)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def updates(session: Session) -> list[dict[str, Any]]:
    return trail(session, "update")


def test_a_model_of_two_tables_has_one_trail(session: Session) -> None:
    session.add(Dog(name="Rex", breed="pug"))
    session.commit()
    dog = session.scalars(select(Animal)).one()
    dog.name = "Max"
    session.commit()
    session.execute(update(Dog).values(breed="collie"))
    session.delete(dog)
    session.commit()
    entries = list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    assert {(entry.model, entry.object_id) for entry in entries} == {("Animal", "1")}
    assert [entry.changes for entry in entries] == [
        {"id": [None, 1], "kind": [None, "dog"], "name": [None, "Rex"], "breed": [None, "pug"]},
        {"name": ["Rex", "Max"]},
        {"breed": ["pug", "collie"]},
        {"id": [1, None], "kind": ["dog", None], "name": ["Max", None], "breed": ["collie", None]},
    ]


def test_a_model_that_turns_off_what_it_inherits(session: Session) -> None:
    session.add(Cat(name="Tom"))
    session.flush()
    session.execute(update(Cat).values(name="Kit"))
    assert trail(session) == []


def test_that_an_object_came_and_went_is_recorded_even_if_nothing_of_it_is(session: Session) -> None:
    ghost = Ghost()
    session.add(ghost)
    session.commit()
    ghost.name = "Banquo"
    session.commit()
    session.delete(ghost)
    session.commit()
    entries = list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    assert [(entry.action, entry.changes) for entry in entries] == [("insert", {}), ("delete", {})]


def test_keys_of_several_columns(session: Session) -> None:
    session.add_all(Seat(hall=hall, number=number) for hall in ("red", "blue") for number in (1, 2))
    session.commit()
    session.execute(update(Seat).where(Seat.hall == "red", Seat.number == 1).values(price=3))
    session.execute(update(Seat), [{"hall": "blue", "number": 2, "price": 4}])
    session.execute(delete(Seat).where(Seat.hall == "red", Seat.number == 2))
    session.commit()
    entries = session.scalars(select(AuditEntry).where(AuditEntry.action != "insert").order_by(AuditEntry.id))
    assert [(entry.object_id, entry.changes.get("price")) for entry in entries] == [
        ("red,1", [0, 3]),
        ("blue,2", [0, 4]),
        ("red,2", [0, None]),
    ]


def test_what_is_in_memory_is_not_asked_for(session: Session, engine: Engine) -> None:
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement.split()[0])

    statements: list[str] = []
    seat = Seat(hall="red", number=1)
    session.add(seat)
    event.listen(engine, "before_cursor_execute", note)
    session.flush()
    session.refresh(seat)
    seat.price = 2
    session.flush()
    session.delete(seat)
    session.flush()
    event.remove(engine, "before_cursor_execute", note)
    assert [each for each in statements if each != "BEGIN"] == [
        *["INSERT", "INSERT"],
        *["SELECT", "UPDATE", "INSERT"],
        *["DELETE", "INSERT"],
    ]


def test_many_to_many_with_keys_of_several_columns(session: Session) -> None:
    seats = [Seat(hall="red", number=number) for number in (1, 2)]
    ticket = Ticket(code="a", seats=seats)
    session.add(ticket)
    session.commit()
    ticket.seats.remove(seats[0])
    session.commit()
    assert updates(session) == [{"seats": [[["red", 1]], []]}]


def test_relationships_are_masked_excluded_and_only_shown_too(session: Session) -> None:
    seats = [Seat(hall="red", number=number) for number in (1, 2, 3)]
    session.add(Ticket(code="a", guarded=seats[:1], unseen=seats[1:2], shown=seats[2:]))
    session.commit()
    [inserted] = [changes for changes in trail(session) if "code" in changes]
    assert inserted == {"code": [None, "a"], "guarded": ["[masked]", "[masked]"]}


def test_a_key_that_is_longer_than_its_column_in_the_trail(session: Session) -> None:
    session.add(Ticket(code="x" * 300))
    session.commit()
    assert session.scalars(select(AuditEntry.object_id)).one() == "x" * 255


def test_a_primary_key_that_changes(session: Session) -> None:
    account = Account(balance=1)
    session.add(account)
    session.commit()
    account.id = 7
    account.balance = 2
    session.commit()
    entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "update")).one()
    assert entry.object_id == "1"
    assert entry.changes == {"id": [1, 7], "version": [1, 2], "balance": [1, 2], "twice": [2, 4]}


@pytest.fixture
def account(session: Session) -> Account:
    account = Account(balance=1, story="long", notes={"a": 1}, plans=["b"])
    session.add(account)
    session.commit()
    return account


def test_what_the_database_computes(session: Session, account: Account) -> None:
    [inserted] = trail(session)
    assert inserted == {
        "id": [None, 1],
        "version": [None, 1],
        "balance": [None, 1],
        "twice": [None, 2],
        "story": [None, "long"],
        "notes": [None, {"a": 1}],
        "plans": [None, ["b"]],
    }
    session.refresh(account)
    account.balance = 5
    session.commit()
    assert updates(session) == [{"version": [1, 2], "balance": [1, 5], "twice": [2, 10]}]


def test_of_an_object_that_is_loaded_in_part(session: Session, account: Account) -> None:
    session.expunge_all()
    partly = session.scalars(select(Account).options(load_only(Account.balance))).one()
    partly.balance = 5
    session.commit()
    assert updates(session) == [{"version": [1, 2], "balance": [1, 5], "twice": [2, 10]}]


def test_a_reference_that_is_written_after_the_row(session: Session, account: Account) -> None:
    first, second = Account(balance=2), Account(balance=3)
    account.friend = first
    session.add(second)
    session.commit()
    account.friend = second
    session.commit()
    assert [changes["friend_id"] for changes in updates(session)] == [[None, first.id], [first.id, second.id]]


def test_json_that_tells_of_its_changes(session: Session, account: Account) -> None:
    assert account.notes is not None
    account.notes["a"] = 2
    session.commit()
    assert updates(session)[0]["notes"] == [{"a": 1}, {"a": 2}]


def test_json_that_was_changed_unnoticed_before_the_object_goes(session: Session, account: Account) -> None:
    assert account.story, "all of it is in memory"
    assert account.plans is not None
    account.plans.append("never written")
    session.delete(account)
    session.commit()
    assert trail(session, "delete")[0]["plans"] == [["b"], None]


def test_what_listeners_of_the_application_change(session: Session, account: Account) -> None:
    def sign(_mapper: object, _connection: object, account: Account) -> None:
        account.story = "signed"

    event.listen(Account, "before_update", sign)
    account.balance = 2
    session.commit()
    event.remove(Account, "before_update", sign)
    assert updates(session)[0]["story"] == ["long", "signed"]


def test_a_value_is_compared_as_its_type_says_and_a_key_as_readable_as_values(session: Session) -> None:
    room = Room(size=Size.SMALL, colour="red")
    session.add(room)
    session.commit()
    session.refresh(room)
    room.colour, room.doors = "RED", 2
    session.commit()
    assert updates(session) == [{"doors": [1, 2]}]
    assert set(session.scalars(select(AuditEntry.object_id))) == {"SMALL"}


def test_what_is_not_equal_to_itself_has_not_changed() -> None:
    same = {"doors": float("nan")}
    assert differences(Room.__mapper__, same, same) == {}


@pytest.mark.parametrize(
    ("value", "readable"),
    [
        (True, True),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (Size.SMALL, "SMALL"),
        (date(2026, 1, 31), "2026-01-31"),
        (time(12, 30), "12:30:00"),
        (datetime(2026, 1, 31, 12, 30), "2026-01-31T12:30:00"),  # noqa: DTZ001  # a column without a time zone
        (bytearray(b"\x01"), "01"),
        (memoryview(b"\x02"), "02"),
        ({Size.SMALL: b"\x03", 2: None}, {"SMALL": "03", "2": None}),
        ((UUID(int=0), [date(2026, 1, 31)]), ["00000000-0000-0000-0000-000000000000", ["2026-01-31"]]),
        ({Size.SMALL}, ["SMALL"]),
        (frozenset([1]), [1]),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_plain_values(value: Any, readable: Any) -> None:
    assert to_json(value) == readable
    assert type(to_json(value)) is type(readable)
