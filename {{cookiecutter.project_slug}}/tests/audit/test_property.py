"""After random work on random books, the trail alone rebuilds the tables, whatever was rolled back."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, SessionTransaction

from app.audit.models import AuditEntry

from .audit_models import SECRET, Base, Binding, Book, Shelf, Tag, present, rebuilt
from .test_audit import engine

__all__ = ["engine"]  # a fixture

EXAMPLES, STEPS = 40, 30

titles = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
values = st.fixed_dictionaries(
    {},
    optional={
        "title": titles,
        "price": st.none() | st.decimals(-999, 999, places=2),
        "printed": st.none() | st.datetimes(datetime(1970, 1, 2), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # the bounds have none, as hypothesis wants
        "binding": st.none() | st.sampled_from(Binding),
        "cover": st.none() | st.binary(max_size=5),
        "code": st.none() | st.uuids(version=4),
        "facts": st.none() | st.dictionaries(titles, st.integers(-9, 9) | titles | st.none(), max_size=2),
        "secret": st.none() | st.just(SECRET),
        "views": st.integers(0, 9),
    },
)
bulk_values = values.filter(lambda chosen: chosen)
whole = st.integers(0, 99)


class Work(RuleBasedStateMachine):
    """Random work in one session; `whole` numbers choose among the objects that exist."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(self.engine)
        self.savepoints: list[SessionTransaction] = []
        self.objects: list[Any] = []  # keeps expired objects alive, which the session itself would let go of

    def pick(self, model: type[Any], number: int) -> Any:
        """Return an object of the session, which may be expired or not yet flushed."""
        busy = [each for each in self.objects if each in self.session and each not in self.session.deleted]
        found = [each for each in busy if isinstance(each, model)]
        return found[number % len(found)] if found else None

    def put(self, added: Any) -> None:
        self.objects.append(added)
        self.session.add(added)

    @rule(columns=values, shelf=st.booleans())
    def add(self, columns: dict[str, Any], shelf: bool) -> None:
        book = Book(**{"title": ""} | columns)
        if shelf:
            self.put(Shelf(books=[book]))
        self.put(book)

    @rule(number=whole, columns=values)
    def change(self, number: int, columns: dict[str, Any]) -> None:
        if book := self.pick(Book, number):
            for name, value in columns.items():
                setattr(book, name, value)

    @rule(number=whole)
    def add_up(self, number: int) -> None:
        self.session.flush()
        if (book := self.pick(Book, number)) and book.price is not None:
            book.price = Book.price - Decimal("0.25")

    @rule(model=st.sampled_from([Book, Book, Shelf, Tag]), number=whole)
    def remove(self, model: type[Any], number: int) -> None:
        self.session.flush()
        if found := self.pick(model, number):
            self.session.delete(found)
            self.expire()  # otherwise it would stay in loaded collections, and come back from there

    @rule(number=whole, columns=values)
    def replace(self, number: int, columns: dict[str, Any]) -> None:
        self.session.flush()
        if (book := self.pick(Book, number)) and not book.tags:
            again = Book(**{"id": book.id, "title": ""} | columns)
            self.session.delete(book)
            self.put(again)
            self.expire()

    @rule(book=whole, tag=whole, new=st.booleans())
    def tag(self, book: int, tag: int, new: bool) -> None:
        if new:
            self.put(Tag())
        chosen, label = self.pick(Book, book), self.pick(Tag, tag)
        if chosen and label and label not in chosen.tags:
            chosen.tags.append(label)

    @rule(number=whole)
    def untag(self, number: int) -> None:
        if (book := self.pick(Book, number)) and book.tags:
            book.tags.pop(0)

    @rule(number=whole)
    def orphan(self, number: int) -> None:
        self.session.flush()
        if (shelf := self.pick(Shelf, number)) and shelf.books:
            shelf.books.pop()
            self.expire()

    @rule(columns=bulk_values, low=titles, synchronize=st.sampled_from(["auto", "fetch", False]))
    def update_many(self, columns: dict[str, Any], low: str, synchronize: Any) -> None:
        statement = update(Book).where(Book.title >= low).values(**columns)
        self.session.execute(statement, execution_options={"synchronize_session": synchronize})
        self.session.expire_all()

    @rule(columns=bulk_values)
    def update_by_key(self, columns: dict[str, Any]) -> None:
        if found := self.session.scalars(select(Book.id)).all():
            self.session.execute(update(Book), [{"id": number} | columns for number in found])
            self.session.expire_all()

    @rule(low=titles)
    def delete_many(self, low: str) -> None:
        self.session.flush()
        self.session.expire_all()
        # The database evaluates this, because Python sorts texts differently.
        fetch = {"synchronize_session": "fetch"}
        self.session.execute(delete(Book).where(Book.title >= low, ~Book.tags.any()), execution_options=fetch)

    @rule()
    def fail(self) -> None:
        self.session.flush()
        savepoint = self.session.begin_nested()
        self.session.add_all([Book(title="lost"), Book(title=None)])
        with pytest.raises(IntegrityError):
            self.session.flush()
        savepoint.rollback()

    @rule()
    def expire(self) -> None:
        self.session.flush()
        self.session.expire_all()

    @rule()
    def forget(self) -> None:
        self.session.flush()
        self.session.expunge_all()
        self.objects = [each for model in (Shelf, Tag, Book) for each in self.session.scalars(select(model))]

    @rule()
    def set_savepoint(self) -> None:
        self.savepoints.append(self.session.begin_nested())

    @precondition(lambda self: self.savepoints)
    @rule(keep=st.booleans())
    def leave_savepoint(self, keep: bool) -> None:
        savepoint = self.savepoints.pop()
        if keep:
            savepoint.commit()
        else:
            savepoint.rollback()
            self.forget()  # objects that were loaded since then may have no row any more
        self.compare()

    @rule()
    def commit(self) -> None:
        self.session.commit()
        self.savepoints.clear()
        self.compare()

    @rule()
    def roll_back(self) -> None:
        self.session.rollback()
        self.forget()
        self.savepoints.clear()
        self.compare()

    @rule()
    def compare(self) -> None:
        self.session.flush()
        assert rebuilt(self.session) == present(self.session)

    def teardown(self) -> None:
        try:
            self.session.rollback()
            self.compare()
            assert SECRET not in repr(self.session.execute(select(AuditEntry.__table__)).all())
        finally:  # otherwise the next example would fail because of this one
            self.session.close()
            with self.engine.begin() as connection:
                for table in reversed(Base.metadata.sorted_tables):
                    connection.execute(table.delete())
                connection.execute(delete(AuditEntry))


def test_the_trail_rebuilds_the_tables(engine: Engine) -> None:
    Work.engine = engine
    run_state_machine_as_test(
        Work,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
