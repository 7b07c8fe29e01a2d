"""The trail agrees with the data, however a transaction ends."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import (
    Engine,
    Integer,
    MetaData,
    String,
    bindparam,
    create_engine,
    delete,
    event,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, declarative_base, mapped_column, with_loader_criteria

from app import dblog
from app.accounts.models import User
from app.audit.models import AuditEntry
from app.audit.options import options
from app.audit.values import to_json
from app.config import database_url
from app.database import db
from app.dblog.models import LogEntry
from app.sqlite import set_up_sqlite

from ..conftest import csrf_token, login
from .audit_models import SECRET, Base, Binding, Book, Shelf, Tag, present, rebuilt


@pytest.fixture
def engine(scratch: Callable[[], str]) -> Iterator[Engine]:
    engine = create_engine(database_url(scratch()))
    set_up_sqlite(engine)
    AuditEntry.metadata.create_all(engine, tables=[AuditEntry.metadata.tables["audit_entry"]])
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """Return a session of plain SQLAlchemy; at the end compare the trail with the tables."""
    with Session(engine) as session:
        yield session
        assert rebuilt(session) == present(session)


def trail(session: Session, action: str | None = None) -> list[dict[str, Any]]:
    """Return the recorded changes, oldest first."""
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [entry.changes for entry in entries if action in (None, entry.action)]


def saved(session: Session, **columns: Any) -> Book:
    book = Book(title="Flatland", **columns)
    session.add(book)
    session.commit()
    return book


# What an entry says


def test_insert_update_delete(session: Session) -> None:
    book = saved(session)
    book.title = "Sphereland"
    session.commit()
    session.delete(book)
    session.commit()
    entries = list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    assert [(entry.action, entry.model, entry.object_id) for entry in entries] == [
        ("insert", "Book", "1"),
        ("update", "Book", "1"),
        ("delete", "Book", "1"),
    ]
    inserted, updated, deleted = (entry.changes for entry in entries)
    assert inserted["id"] == [None, 1]
    assert inserted["title"] == [None, "Flatland"]
    assert updated == {"title": ["Flatland", "Sphereland"], "touched": [0, 1]}
    assert deleted["title"] == ["Sphereland", None]


def test_without_flask_nobody_did_it(session: Session) -> None:
    saved(session)
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.user_id, entry.ip, entry.request_id) == (None, None, "system")
    assert abs(entry.created_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_values_are_readable(session: Session) -> None:
    moment = datetime(2026, 1, 31, 13, 30, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    saved(
        session,
        price=Decimal("12.50"),
        printed=moment,
        binding=Binding.CLOTH,
        cover=b"\x00\xff",
        code=UUID(int=1),
        facts={"pages": 96, "ä": ["\N{BOOKS}", None]},
    )
    [changes] = trail(session)
    assert {field: new for field, (_old, new) in changes.items()} == {
        "id": 1,
        "title": "Flatland",
        "price": "12.50",
        "printed": "2026-01-31T12:30:00.123456+00:00",
        "binding": "CLOTH",
        "cover": "00ff",
        "code": "00000000-0000-0000-0000-000000000001",
        "facts": {"pages": 96, "ä": ["\N{BOOKS}", None]},
        "language": "en",
        "touched": 0,
    }
    raw = session.execute(text("SELECT changes FROM audit_entry")).scalar_one()
    assert json.loads(raw) == changes
    assert "ä" in raw


def test_a_change_to_the_same_is_none(session: Session) -> None:
    book = saved(session, price=Decimal("1.50"))
    book.price = Decimal("1.5")
    book.title = "Flatland"
    session.commit()
    assert trail(session, "update") == [{"touched": [0, 1]}], "SQLAlchemy could not know, and wrote"
    session.refresh(book)
    book.price = Decimal("1.5")
    book.title = "Sphereland"
    book.title = "Flatland"
    session.commit()
    assert len(trail(session, "update")) == 1


@pytest.mark.parametrize("expired", [None, ["title"]])
def test_the_old_value_of_an_expired_object(session: Session, expired: list[str] | None) -> None:
    book = saved(session)
    session.refresh(book)
    session.expire(book, expired)
    book.title = "Sphereland"
    session.commit()
    assert trail(session, "update")[0]["title"] == ["Flatland", "Sphereland"]


def test_all_of_an_expired_object_that_is_deleted(session: Session) -> None:
    book = saved(session, price=Decimal("2.00"))
    session.expire_all()
    session.delete(book)
    session.commit()
    assert trail(session, "delete")[0]["price"] == ["2.00", None]


def test_a_change_that_was_never_written_before_the_object_goes(session: Session) -> None:
    book = saved(session, price=Decimal("2.00"))
    with session.no_autoflush:
        book.price = Decimal("3.00")  # the commit has expired the book, so SQLAlchemy does not know the old price
        assert book.title, "the rest is loaded"
        session.delete(book)
    session.commit()
    assert trail(session, "delete")[0]["price"] == ["2.00", None]


def test_an_expression_is_recorded_with_its_outcome(session: Session) -> None:
    book = saved(session, price=Decimal("2.00"))
    book.price = Book.price + 1
    session.commit()
    assert trail(session, "update")[0]["price"] == ["2.00", "3.00"]


def test_json_that_was_changed_in_place(session: Session) -> None:
    book = saved(session, facts={"pages": 1})
    assert book.facts is not None
    book.facts["pages"] = 2  # SQLAlchemy does not notice this change, so it does not write it
    session.flush()
    book.facts = {"pages": 3}
    session.commit()
    assert trail(session, "update")[0]["facts"] == [{"pages": 1}, {"pages": 3}]


def test_a_new_object_in_the_place_of_a_deleted_one(session: Session) -> None:
    """SQLAlchemy turns both into one UPDATE, which leaves columns alone that the new object does not set."""
    book = saved(session, price=Decimal("1.00"))
    again = Book(id=book.id, title="Sphereland")
    session.delete(book)
    session.add(again)
    session.commit()
    assert trail(session)[1] == {"title": ["Flatland", "Sphereland"], "touched": [0, 1]}


def test_a_new_object_in_the_place_of_an_orphan(session: Session) -> None:
    shelf = Shelf(books=[Book(title="Flatland")])
    session.add(shelf)
    session.commit()
    shelf.books = [Book(id=shelf.books[0].id, title="Sphereland")]
    session.commit()
    assert trail(session)[1] == {"title": ["Flatland", "Sphereland"], "touched": [0, 1]}


def test_a_session_that_changes_nothing_audited_needs_no_trail(engine: Engine) -> None:
    with Session(binds={Shelf: engine, Book: engine}) as session:
        session.add(Shelf())
        session.flush()
        session.execute(delete(Shelf))
        session.commit()
    with Session(engine) as session:
        assert trail(session) == []


# Relationships


def test_orphans(session: Session) -> None:
    shelf = Shelf(books=[Book(title="a"), Book(title="b")])
    session.add(shelf)
    session.commit()
    shelf.books.pop()
    session.commit()
    assert [changes["title"] for changes in trail(session, "delete")] == [["b", None]]
    session.delete(shelf)
    session.commit()
    assert len(trail(session, "delete")) == 2


def test_moving_between_parents(session: Session) -> None:
    first, second = Shelf(books=[Book(title="a")]), Shelf()
    session.add_all([first, second])
    session.commit()
    second.books.append(first.books[0])
    session.commit()
    assert trail(session, "update")[0]["shelf_id"] == [first.id, second.id]


def test_many_to_many_from_both_sides(session: Session) -> None:
    tags = [Tag(), Tag(), Tag()]
    session.add_all(tags)
    book = saved(session, tags=tags[:2])
    book.tags = tags[1:]
    session.commit()
    tags[0].books.append(book)
    session.commit()
    session.delete(tags[1])
    session.commit()
    first, second, third = 1, 2, 3
    entries = session.scalars(select(AuditEntry).where(AuditEntry.model == "Book").order_by(AuditEntry.id))
    assert [entry.changes["tags"] for entry in entries if "tags" in entry.changes] == [
        [[], [first, second]],
        [[first], [third]],
        [[], [first]],
    ]


def test_a_link_to_an_expired_object_that_is_taken_back(session: Session) -> None:
    session.add(tag := Tag())
    session.commit()
    book = saved(session)
    book.tags.append(tag)
    book.tags.remove(tag)
    session.commit()
    assert trail(session, "update") == []


def test_a_deleted_object_leaves_its_links(session: Session) -> None:
    book = saved(session, tags=[Tag(), Tag()])
    book.tags.pop()
    session.delete(book)
    session.commit()
    assert trail(session, "delete")[0]["tags"] == [[2, 1], []]


# Statements on many rows


@pytest.fixture
def books(session: Session) -> list[Book]:
    books = [Book(title=title, price=Decimal("1.00"), secret=SECRET) for title in "abc"]
    session.add_all(books)
    session.commit()
    return books


def test_bulk_update_has_an_entry_for_each_that_changed(session: Session, books: list[Book]) -> None:
    session.execute(update(Book).where(Book.title < "c").values(price=Book.price * 3, title="b"))
    session.commit()
    assert trail(session, "update") == [
        {"title": ["a", "b"], "price": ["1.00", "3.00"], "touched": [0, 1]},
        {"price": ["1.00", "3.00"], "touched": [0, 1]},
    ]


def test_bulk_delete_has_all_that_was_lost(session: Session, books: list[Book]) -> None:
    session.execute(delete(Book).where(Book.title != "b"))
    session.commit()
    assert [changes["title"] for changes in trail(session, "delete")] == [["a", None], ["c", None]]


@pytest.mark.parametrize("synchronize", ["auto", "fetch", "evaluate", False])
def test_bulk_however_the_session_is_synchronised(session: Session, books: list[Book], synchronize: Any) -> None:
    options = {"synchronize_session": synchronize}
    result: Any = session.execute(update(Book).values(title="z"), execution_options=options)
    assert result.rowcount == 3
    session.commit()
    assert len(trail(session, "update")) == 3


def test_bulk_in_its_other_forms(session: Session, books: list[Book]) -> None:
    session.query(Book).filter_by(title="a").update({"title": "A"})
    session.execute(update(Book).where(Book.title == bindparam("old")).values(price=Decimal("9.00")), {"old": "b"})
    session.execute(update(Book), [{"id": books[1].id, "title": "B"}, {"id": books[2].id, "title": "C"}])
    hidden = with_loader_criteria(Book, Book.title != "C")
    session.execute(delete(Book).options(hidden))
    session.commit()
    assert [changes["title"] for changes in trail(session, "update") if "title" in changes] == [
        ["a", "A"],
        ["b", "B"],
        ["c", "C"],
    ]
    assert [book.title for book in session.scalars(select(Book))] == ["C"]


def test_a_statement_on_a_table_passes_unseen(session: Session, books: list[Book]) -> None:
    session.execute(update(Base.metadata.tables["books"]).values(views=3, touched=0))
    session.commit()
    assert trail(session, "update") == []


def test_a_session_that_has_an_engine_for_each_model(engine: Engine) -> None:
    with Session(binds={Base: engine, AuditEntry: engine}) as session:
        session.add(Book(title="Flatland"))
        session.flush()
        session.execute(update(Book).values(title="Sphereland"))
        session.execute(update(Book), [{"id": 1, "title": "Lineland"}])
        assert [changes["title"] for changes in trail(session)] == [
            [None, "Flatland"],
            ["Flatland", "Sphereland"],
            ["Sphereland", "Lineland"],
        ]


def test_bulk_sees_what_is_not_flushed_yet(session: Session, books: list[Book]) -> None:
    books[0].title = "x"
    session.execute(update(Book).where(Book.title == "x").values(title="y"))
    session.commit()
    assert [changes["title"] for changes in trail(session, "update")] == [["a", "x"], ["x", "y"]]


def test_bulk_of_more_rows_than_one_statement_can_name(session: Session, engine: Engine) -> None:
    def count(_connection: object, _cursor: object, statement: str, values: Any, *_rest: object) -> None:
        if statement.startswith("SELECT"):
            named.append(len(values))

    named: list[int] = []
    session.add_all(Book(title=str(number)) for number in range(1200))
    session.flush()
    event.listen(engine, "before_cursor_execute", count)
    session.execute(update(Book).values(title="z"))
    event.remove(engine, "before_cursor_execute", count)
    session.commit()
    assert sorted(named) == [0, 200, 500, 500]
    assert len(trail(session, "update")) == 1200


def test_bulk_by_key_of_more_objects_than_one_statement_can_name(session: Session) -> None:
    books = [Book(title=str(number)) for number in range(1200)]
    session.add_all(books)
    session.flush()
    session.execute(update(Book), [{"id": book.id, "title": "z"} for book in books])
    session.commit()
    assert len(trail(session, "update")) == 1200


def test_rows_of_a_bulk_statement_wait_for_it(session: Session, engine: Engine, books: list[Book]) -> None:
    """Nobody else may change the rows between the trail's SELECT and the statement."""

    def change_them(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("SELECT") and not looked:
            looked.append(statement)
            with Session(engine) as other:
                if engine.dialect.name == "sqlite":
                    other.execute(text("PRAGMA busy_timeout = 0"))
                with pytest.raises(OperationalError):
                    other.scalars(select(Book).with_for_update(nowait=True)).all()

    looked: list[str] = []
    event.listen(engine, "after_cursor_execute", change_them)
    session.execute(update(Book).values(title="z"))
    event.remove(engine, "after_cursor_execute", change_them)
    session.commit()
    assert len(looked) == 1


def test_bulk_tells_the_true_old_values_while_others_write(session: Session, engine: Engine, books: list[Book]) -> None:
    def write(writer: int) -> None:
        for number in range(10):
            with Session(engine) as own:
                own.execute(update(Book).values(title=f"{writer}/{number}"))
                own.commit()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    # The fixture compares each old value with the entry before it.
    assert len(trail(session, "update")) == 3 * 10 * len(books)


# Masked and excluded


def test_masked_values_are_nowhere(session: Session) -> None:
    book = saved(session, secret=SECRET)
    book.secret = f"{SECRET} 2"
    session.commit()
    session.execute(update(Book).values(secret=f"{SECRET} 3"))
    session.execute(update(Book), [{"id": book.id, "secret": f"{SECRET} 4"}])
    session.execute(update(Book).values(secret=None))
    session.execute(update(Book).values(secret=SECRET))
    session.execute(delete(Book))
    session.delete(saved(session, secret=SECRET))
    session.commit()
    for entry in session.execute(select(AuditEntry.__table__)):
        assert SECRET not in repr(entry)
    masked = "[masked]"
    seen = [changes["secret"] for changes in trail(session)]
    both = [masked, masked]
    come, gone = [None, masked], [masked, None]
    assert seen == [come, both, both, both, gone, come, gone, come, gone]


def test_excluded_fields_are_not_looked_at(session: Session) -> None:
    book = saved(session, views=1)
    book.views = 2
    book.touched = 1
    session.commit()
    assert "views" not in str(trail(session))


def test_what_is_named_like_a_secret_is_masked() -> None:
    """The model need not say so; fields within a JSON object are masked, too."""

    class Device(DeclarativeBase):
        pass

    class Key(Device):
        __tablename__ = "keys"
        __audit__ = True

        id: Mapped[int] = mapped_column(primary_key=True)
        password: Mapped[str]
        token: Mapped[str]
        client_secret: Mapped[str]
        label: Mapped[str]

    assert options(inspect(Key)).masked == {"password", "token", "client_secret"}
    assert to_json({"a": [{"api_key": SECRET, "b": 1}]}) == {"a": [{"api_key": "[redacted]", "b": 1}]}


@pytest.mark.parametrize("mark", ["__audit_masked__", "__audit_excluded__"])
def test_a_mark_that_names_no_field_is_refused(mark: str) -> None:
    with pytest.raises(ValueError, match="Thing has no pasword"):
        configure(MetaData(), **{mark: ("pasword", "name")})


def test_a_model_of_another_database_is_refused() -> None:
    with pytest.raises(ValueError, match="Thing is on another database"):
        configure(MetaData(info={"bind_key": "log"}))


def configure(metadata: MetaData, **marks: object) -> None:
    base = declarative_base(metadata=metadata)
    columns = {"id": mapped_column(Integer, primary_key=True), "name": mapped_column(String(10))}
    type("Thing", (base,), {"__tablename__": "things", "__audit__": True, **columns, **marks})
    try:
        base.registry.configure()
    finally:
        base.registry.dispose()


# What becomes of a transaction becomes of its entries


def test_rollback(session: Session) -> None:
    book = saved(session)
    book.title = "Sphereland"
    session.flush()
    session.execute(update(Book).values(price=Decimal("1.00")))
    assert len(trail(session)) == 3
    session.rollback()
    assert len(trail(session)) == 1


def test_savepoints(session: Session) -> None:
    book = saved(session)
    savepoint = session.begin_nested()
    book.title = "x"
    session.flush()
    session.execute(update(Book).values(title="y"))
    savepoint.rollback()
    with session.begin_nested():
        book.title = "z"
    session.commit()
    assert [changes["title"] for changes in trail(session)] == [[None, "Flatland"], ["Flatland", "z"]]


def test_failed_flush(session: Session) -> None:
    book = saved(session)
    book.title = "x"
    session.add(Book(id=book.id + 1, title=None))
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    assert len(trail(session)) == 1
    saved(session)
    assert len(trail(session)) == 2


def test_failed_flush_in_a_savepoint(session: Session) -> None:
    saved(session)
    with pytest.raises(IntegrityError), session.begin_nested():
        session.add_all([Book(title="x"), Book(title=None)])
    saved(session)
    assert len(trail(session)) == 2


def test_failed_commit(session: Session, engine: Engine) -> None:
    def refuse(_connection: object) -> None:
        raise ConnectionError

    saved(session)
    event.listen(engine, "commit", refuse)
    session.add(Book(title="x"))
    with pytest.raises(ConnectionError):
        session.commit()
    event.remove(engine, "commit", refuse)
    session.rollback()
    assert len(trail(session)) == 1


def test_a_connection_that_is_closed_without_a_commit(engine: Engine) -> None:
    with Session(engine) as session:
        session.add(Book(title="x"))
        session.flush()
    with Session(engine) as session:
        assert trail(session) == []


# Who did it


def entries_of(model: type) -> list[AuditEntry]:
    return list(db.session.scalars(select(AuditEntry).filter_by(model=model.__name__).order_by(AuditEntry.id)))


def add_error_page(app: Flask) -> None:
    @app.post("/half-way")
    def half_way() -> str:
        db.session.add(User(username="eve", password_hash=SECRET))
        db.session.flush()
        app.logger.error("half-way")
        raise ZeroDivisionError


def test_an_error_half_way_through_a_request(app: Flask, client: FlaskClient, user: User) -> None:
    """The log record stays; the change and its entry are rolled back."""
    add_error_page(app)
    app.config.update(PROPAGATE_EXCEPTIONS=False, WTF_CSRF_ENABLED=False)
    app.config["PROXY_HOPS"] = 1
    assert client.post("/half-way", headers={"X-Request-ID": "r-1"}).status_code == 500
    with app.app_context():
        assert [entry.object_id for entry in entries_of(User)] == [str(user.id)]
        assert dblog.flush(10)
        logged = db.session.scalars(select(LogEntry.message).filter_by(request_id="r-1"))
        assert "half-way" in set(logged)


def add_rename_page(app: Flask) -> None:
    @app.post("/rename")
    def rename() -> str:
        db.session.execute(update(User).values(email="new@example.org"))
        db.session.commit()
        return "done"


def test_user_address_and_request(app: Flask, client: FlaskClient, admin: User) -> None:
    add_rename_page(app)
    login(client, admin)
    token = csrf_token(client.get("/").text)
    app.config["PROXY_HOPS"] = 1
    client.post("/rename", data={"csrf_token": token}, headers={"X-Request-ID": "r-1"})
    with app.app_context():
        entry = entries_of(User)[-1]
        assert (entry.user_id, entry.ip, entry.request_id) == (admin.id, "127.0.0.1", "r-1")
        assert entry.changes == {"email": [None, "new@example.org"]}


def test_an_address_that_is_longer_than_its_column(app: Flask, client: FlaskClient, user: User) -> None:
    add_rename_page(app)
    app.config["WTF_CSRF_ENABLED"] = False
    client.post("/rename", environ_overrides={"REMOTE_ADDR": "1" * 100})
    with app.app_context():
        entry = entries_of(User)[-1]
        assert (entry.user_id, entry.ip) == (None, "1" * 64)


def test_a_command(app: Flask, runner: FlaskCliRunner) -> None:
    result = runner.invoke(args=["user", "create", "ada", "--password-stdin"], input="a long password\n")
    assert result.exit_code == 0, result.output
    with app.app_context():
        [entry] = entries_of(User)
        assert (entry.user_id, entry.ip, entry.request_id) == (None, None, "cli:user create")


def test_neither_request_nor_command(app: Flask, user: User) -> None:
    with app.app_context():
        assert [entry.request_id for entry in entries_of(User)] == ["system"]


def test_password_hashes_of_users_are_masked(app: Flask, user: User) -> None:
    with app.app_context():
        stored = db.session.scalars(select(User.password_hash)).one()
        db.session.execute(update(User).values(password_hash=f"{stored}!"))
        db.session.commit()
        rows = db.session.execute(select(AuditEntry.__table__)).all()
        assert len(rows) == 2
        assert stored not in repr(rows)


def test_however_many_applications_there_are_it_is_recorded_once(make_app: Callable[..., Flask], app: Flask) -> None:
    make_app()
    with app.app_context():
        db.session.add(User(username="ada", password_hash="x"))
        db.session.commit()
        assert len(entries_of(User)) == 1
