"""The journal, its readers and the writer cope with files that are damaged, full, lost, in the way, or there twice."""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import portalocker
import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import Connection, Engine, create_engine, event, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from app import dblog
from app.database import db, utcnow
from app.dblog.journal.append import Journal
from app.dblog.journal.dead import DeadJournals
from app.dblog.models import LogEntry
from app.dblog.store.batch import store_batch
from app.dblog.store.writer import Writer
from app.dblog.viewer.status import health
from app.engines import close_connections

from ..conftest import SERVER
from .journals import MB, adopt, counts, crash, line, messages, numbers, ship, ship_all, write

logger = logging.getLogger("journal")


def test_a_dead_process_leaves_its_journal_to_the_next(make_writer: Callable[..., Writer], log: Engine) -> None:
    for first in range(0, 50, 10):
        dead = make_writer()
        write(dead, range(first, first + 10))
        crash(dead)
    living = make_writer()
    write(living, range(50, 60))
    assert living.flush(20)
    assert numbers(log) == list(range(60))
    assert counts(log) == [60] * 4
    ship(living)


def test_nothing_is_left_in_the_folder(make_writer: Callable[..., Writer], folder: Path, log: Engine) -> None:
    writer = make_writer()
    write(writer, range(5))
    ship(writer)
    assert numbers(log) == list(range(5))
    assert list(folder.iterdir()) == []


def test_a_busy_process_adopts_too(
    make_writer: Callable[..., Writer], log: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.dblog.journal.dead.LIST_SECONDS", 0.3)
    monkeypatch.setattr("app.dblog.store.writer.IDLE_SECONDS", 0.3)
    busy = make_writer()
    assert busy.flush(20)
    dead = make_writer()
    write(dead, range(1))
    crash(dead)
    end = time.monotonic() + 20
    while numbers(log) != [0]:
        assert busy.flush(20)
        assert time.monotonic() < end
    ship(busy)


def test_a_process_that_never_stops_logging_adopts_too(
    make_writer: Callable[..., Writer], log: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, busy = make_writer(), make_writer()
    write(dead, range(1))
    crash(dead)

    def deliver_while_another_is_logged(*args: Any) -> Any:
        if 0 not in numbers(log):
            write(busy, range(1, 2))
        return store_batch(*args)

    monkeypatch.setattr("app.dblog.store.shipping.store_batch", deliver_while_another_is_logged)
    write(busy, range(1, 2))
    busy.start()
    end = time.monotonic() + 20
    while 0 not in numbers(log):
        assert time.monotonic() < end
    ship(busy)


def test_segments(make_writer: Callable[..., Writer], folder: Path, log: Engine) -> None:
    writer = make_writer(max_bytes=400_000)
    write(writer, range(1_000), extra={"padding": "x" * 250})
    assert len(list(folder.glob("*.jsonl"))) > 3
    crash(writer)
    ship_all(make_writer())
    assert numbers(log) == list(range(1_000))
    assert list(folder.iterdir()) == []


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "torn last line": lambda data: data[:-20],
    "torn in the middle": lambda data: data.replace(b"number 3", b"num\nber 3"),
    "garbage": lambda data: data.replace(line(3), b"\0\xff" * 700_000 + b"\n"),
    "no version": lambda data: data.replace(line(3), b'{"v": 0, "time": 1}\n'),
    "not an event": lambda data: data.replace(line(3), b'{"v": 1}\n'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_lines_are_skipped_and_counted(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, damage: Callable[[bytes], bytes]
) -> None:
    dead = make_writer()
    write(dead, range(10))
    crash(dead)
    (segment,) = folder.glob("*.jsonl")
    segment.write_bytes(damage(segment.read_bytes()))
    living = make_writer()
    ship_all(living)
    assert len(numbers(log)) == 9
    (lost,) = (message for message in messages(log) if "dropped" in message)
    assert "damaged line in the journal" in lost


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"segment": 1, "nonsense": 2}', b"\xff" * 3_000, None])
def test_a_damaged_state_costs_nothing(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, content: bytes | None
) -> None:
    dead = make_writer(max_bytes=400_000)
    write(dead, range(1_000), extra={"padding": "x" * 250})
    crash(dead)
    (state,) = folder.glob("*.state")
    # The writer has shipped and removed the first segments.
    kept = 1_000
    for gone in sorted(folder.glob("*.jsonl"))[:2]:
        kept -= gone.read_bytes().count(b"\n")
        gone.unlink()
    state.unlink() if content is None else state.write_bytes(content)
    ship_all(make_writer())
    assert len(numbers(log)) == kept
    assert counts(log) == [kept] * 4


def test_a_state_that_is_older_than_the_segments_costs_nothing(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    """The state could not be saved, or a power loss undid it, but the shipped segments were removed."""
    dead = make_writer(max_bytes=400_000)
    write(dead, range(1_000), extra={"padding": "x" * 250})
    crash(dead)
    kept = 1_000
    for gone in sorted(folder.glob("*.jsonl"))[:2]:
        kept -= gone.read_bytes().count(b"\n")
        gone.unlink()
    ship_all(make_writer())
    assert len(numbers(log)) == kept
    assert counts(log) == [kept] * 4


def test_foreign_files_are_left_alone(make_writer: Callable[..., Writer], folder: Path, log: Engine) -> None:
    folder.mkdir()
    foreign = [
        "notes.jsonl",
        "a.b.jsonl",
        "README.lock",
        f"{'0' * 16}.xyz.jsonl",
        "quarantine.ndjson",
        "x.000001.jsonl",
    ]
    for name in foreign:
        (folder / name).write_text("hello\n")
    writer = make_writer(max_bytes=100_000)
    write(writer, range(300), extra={"padding": "x" * 100})
    assert writer.flush(20)
    ship(writer)
    assert numbers(log) == list(range(300))
    assert sorted(path.name for path in folder.iterdir()) == sorted(foreign)


def test_a_short_write_loses_nothing(
    make_writer: Callable[..., Writer], log: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, whole = make_writer(), os.write
    write(writer, range(3))
    for outcome in (10, 0, OSError("no space"), 10):

        def fail(fd: int, data: bytes, outcome: Any = outcome) -> int:
            if isinstance(outcome, OSError):
                raise outcome
            return whole(fd, data[:outcome])

        monkeypatch.setattr(os, "write", fail)
        write(writer, range(100, 101))
        monkeypatch.setattr(os, "write", whole)
        write(writer, range(3, 6))
    assert writer.flush(20)
    assert numbers(log) == sorted([*range(3), *[*range(3, 6), 100] * 4])
    assert not [message for message in messages(log) if "dropped" in message]
    ship(writer)


def test_a_short_write_that_cannot_be_taken_back_swallows_nothing(
    make_writer: Callable[..., Writer], log: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, size: int) -> None:
        raise OSError("not now")

    writer, whole = make_writer(), os.write
    write(writer, range(3))
    monkeypatch.setattr(os, "ftruncate", refuse)
    monkeypatch.setattr(os, "write", lambda fd, data: whole(fd, data[:10]))
    write(writer, range(3, 4))
    monkeypatch.undo()
    write(writer, range(4, 6))
    assert writer.flush(20)
    assert numbers(log) == list(range(6))
    ship(writer)


def test_a_disk_that_does_not_confirm_duplicates_nothing(
    make_writer: Callable[..., Writer], log: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make_writer()
    writer.journal.fsync = True

    def fail(_fd: int) -> None:
        raise OSError("no confirmation")

    monkeypatch.setattr("app.dblog.journal.append._sync", fail)
    write(writer, range(3))
    assert writer.flush(20)
    assert numbers(log) == [0, 1, 2]
    assert "no confirmation" in (writer.journal.state.error or "")
    ship(writer)


@pytest.mark.parametrize("raised", [TimeoutError, KeyError])
def test_what_a_signals_handler_raises_neither_loses_nor_duplicates(
    make_writer: Callable[..., Writer],
    folder: Path,
    log: Engine,
    monkeypatch: pytest.MonkeyPatch,
    raised: type[Exception],
) -> None:
    """The interpreter runs the signal's handler as soon as the write has returned."""
    writer = make_writer()
    write(writer, range(2))

    def write_and_raise(fd: int, data: bytes) -> int:
        os_write(fd, data)
        raise raised

    os_write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_and_raise)
        with suppress(KeyError):
            write(writer, range(2, 3))
    assert writer.journal.is_pending()
    assert writer.journal.position == (1, sum(path.stat().st_size for path in folder.glob("*.jsonl")))
    write(writer, range(3, 5))
    assert writer.flush(20)
    assert numbers(log) == list(range(5))
    assert counts(log) == [5] * 4
    ship(writer)


def test_past_its_cap_records_are_dropped_counted_said_and_reported(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    writer = make_writer(max_bytes=20_000)
    write(writer, range(500))
    kept = sum(path.stat().st_size for path in folder.glob("*.jsonl")) // len(line(100))
    assert writer.flush(20)
    dropped = 500 - len(numbers(log))
    assert 0 < len(numbers(log)) <= kept + 10
    assert f"{dropped} records dropped: the journal is full" in messages(log)
    write(writer, range(500, 510))
    assert writer.flush(20)
    assert numbers(log)[-10:] == list(range(500, 510))
    assert len([message for message in messages(log) if "dropped" in message]) == 1
    assert capfd.readouterr().err.count("records are being dropped") == 1
    ship(writer)


def test_losses_are_told_at_the_end(make_writer: Callable[..., Writer], log: Engine) -> None:
    neighbour, writer = make_writer(), make_writer(max_bytes=20_000)
    write(neighbour, range(500))
    write(writer, range(500, 507))
    writer.close(20)
    assert messages(log) == ["7 records dropped: the journal is full"]


def test_one_record_that_is_lost_is_the_problem_of_several(make_writer: Callable[..., Writer], log: Engine) -> None:
    neighbour = make_writer()
    write(neighbour, range(500))
    for lost in (7, 1):
        writer = make_writer(max_bytes=20_000)
        write(writer, range(500, 500 + lost))
        writer.close(20)
    assert messages(log) == ["7 records dropped: the journal is full", "1 record dropped: the journal is full"]
    with log.connect() as connection:
        assert connection.execute(text("SELECT title, count FROM log_problem")).all() == [
            ("Records dropped: the journal is full", 2)
        ]


def test_what_only_memory_had_is_missed_at_the_end(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    folder.touch()
    with log.begin() as connection:
        connection.execute(text("ALTER TABLE log_entry RENAME TO elsewhere"))
    writer = make_writer()
    write(writer, range(5))
    assert not writer.flush(0.5)
    assert "records wait in memory" in (writer.journal.state.error or "")
    writer.close(0.1)
    assert "the log loses 5 records:" in capfd.readouterr().err


def test_a_folder_that_cannot_be_written(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file, where the folder should be")
    writer = make_writer()
    write(writer, range(10_005))
    assert writer.flush(60)
    assert numbers(log) == list(range(10_000))
    assert "journal cannot be written" in capfd.readouterr().err
    folder.unlink()
    write(writer, range(10_005, 10_010))
    assert writer.flush(20)
    assert numbers(log)[-5:] == list(range(10_005, 10_010))
    lost = [message for message in messages(log) if "dropped" in message]
    assert lost == ["5 records dropped: the journal could not be written and memory was full"]
    ship(writer)


# The database


def refused(number: int) -> dict[str, object]:
    """Return an event whose row no database takes: too wide for a server's column, NULL where SQLite forbids it."""
    return {"endpoint": "e" * 300, "logger": None} if SERVER.startswith("sqlite") else {"logger": "x" * 300}


def test_one_bad_row_among_500(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    writer = make_writer()
    write(writer, range(250))
    writer.journal.append(line(250, **refused(250)))
    write(writer, range(251, 500))
    assert writer.flush(60)
    assert numbers(log) == [*range(250), *range(251, 500)]
    assert counts(log) == [499] * 4
    (kept,) = (folder / "quarantine.ndjson").read_text().splitlines()
    assert "number 250" in kept
    assert "quarantine" in capfd.readouterr().err
    assert health(writer.journal)["quarantined"] == 1
    ship(writer)


def test_a_row_that_costs_its_connection_goes_to_quarantine(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    """A row larger than MariaDB's packet limit costs the connection, as if the server were away."""
    writer = make_writer(max_bytes=100 * MB)
    write(writer, range(20))
    writer.journal.append(line(20, message="x" * 36_000_000))
    write(writer, range(21, 40))
    assert writer.flush(120)
    assert numbers(log) == [*range(20), *range(21, 40)]
    quarantined = health(writer.journal)["quarantined"]
    assert quarantined == SERVER.startswith(("mysql", "mariadb"))
    assert counts(log) == [40 - quarantined] * 4
    ship(writer)


def test_a_server_that_comes_back_at_once_refuses_no_row(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    """If the connection is lost again and again, but the database is there each time, no other row is refused."""
    writer = make_writer()
    lost = 0

    def lose(connection: Connection, *_: object) -> None:
        nonlocal lost
        if lost < 2:
            lost += 1
            raise DBAPIError("lost", None, Exception("lost"), connection_invalidated=True)

    event.listen(log, "commit", lose)
    write(writer, range(20))
    assert writer.flush(60)
    assert lost == 2
    assert numbers(log) == list(range(20))
    assert not (folder / "quarantine.ndjson").exists()
    ship(writer)


@pytest.mark.parametrize(
    ("losses", "is_there", "refused"),
    [(2, True, 0), (99, True, 1), (99, False, 0)],
    ids=["twice, with the database there", "each time, with the database there", "each time, with the database away"],
)
def test_a_row_goes_to_quarantine_after_three_losses_of_its_own(
    make_writer: Callable[..., Writer], log: Engine, losses: int, is_there: bool, refused: int
) -> None:
    """After each loss the writer inserts a probe row and rolls it back, to learn whether other rows are taken."""
    writer = make_writer()
    tried: list[str] = []

    @event.listens_for(log, "before_cursor_execute")
    def lose(_connection: Connection, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if not statement.startswith("INSERT INTO log_entry"):
            return
        name = "probe" if "'probe'" in repr(parameters) else "row"
        tried.append(name)
        if tried.count("row") <= losses and (name == "row" or not is_there):
            raise DBAPIError("lost", None, Exception("lost"), connection_invalidated=True)

    write(writer, range(1))
    assert writer.flush(60 if is_there else 0.5) is is_there
    assert tried[:6] == (["row", "probe"] * 3)[: len(tried)]
    assert tried.count("row") == 3 or not is_there
    assert health(writer.journal)["quarantined"] == refused
    assert numbers(log) == [0] * (is_there and not refused)
    losses = 0
    assert writer.flush(60)
    assert numbers(log) == [0] * (not refused)
    ship(writer)


def test_a_fault_of_the_schema_waits(make_writer: Callable[..., Writer], folder: Path, log: Engine) -> None:
    with log.begin() as connection:
        connection.execute(text("ALTER TABLE log_entry DROP COLUMN source"))
    writer = make_writer()
    write(writer, range(20))
    assert not writer.flush(0.5)
    assert "takes no rows" in (writer.journal.state.error or "")
    assert not (folder / "quarantine.ndjson").exists()
    with log.begin() as connection:
        connection.execute(text("ALTER TABLE log_entry ADD COLUMN source VARCHAR(255)"))
    assert writer.flush(20)
    assert numbers(log) == list(range(20))
    assert not (folder / "quarantine.ndjson").exists()
    ship(writer)


READ_ONLY = {
    "sqlite": "PRAGMA query_only = 1",
    "postgresql": "SET default_transaction_read_only = on",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
}


def test_a_database_that_was_read_only_takes_the_records_as_soon_as_it_is_writable(
    app: Flask, log: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    """A connection that was made meanwhile stays read-only. The driver's message is reported once, not at each try."""
    read_only = True

    @event.listens_for(log, "connect")
    def set_read_only(connection: Any, _record: object) -> None:
        if read_only:
            connection.cursor().execute(READ_ONLY[log.dialect.name.replace("mariadb", "mysql")])
            connection.commit()

    close_connections(log)
    for number in range(5):
        logger.error("number %s", number)
    for _ in range(4):
        assert not dblog.flush(0.5)
    assert "takes no rows" in str(dblog.status(app)["error"])
    read_only = False
    assert dblog.flush(2)
    assert dblog.status(app)["error"] is None
    assert numbers(log) == list(range(5))
    said = capfd.readouterr().err
    assert said.count("error ignored") <= 1
    assert said.count("takes no rows") == 1


def test_what_a_driver_says_at_each_try_is_said_once_a_minute(
    app: Flask, log: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    """The message has another address each time; neither the console nor the file repeats it."""
    driver = logging.getLogger("psycopg")

    @event.listens_for(log, "begin")
    def speak(connection: Any) -> None:
        driver.warning("error ignored in rollback on %s", object())

    logger.error("number 0")
    assert dblog.flush(20)
    for number in range(1, 4):
        logger.error("number %s", number)
        assert dblog.flush(20)
    assert capfd.readouterr().err.count("error ignored") == 1
    driver.warning("said by the application's own thread, %s", "error ignored")
    assert "WARNING  psycopg [-] said by" in capfd.readouterr().err


def test_tables_that_come_later(
    make_app: Callable[..., Flask], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    app = make_app()
    with app.app_context():
        for number in range(20):
            logger.error("number %s", number)
        assert not dblog.flush(1)
        upgrade()
        assert dblog.flush(20)
        assert numbers(db.engines["log"]) == list(range(20))
        assert dblog.status(app)["error"] is None
    assert capfd.readouterr().err.count("run `flask db upgrade`") == 1


def test_what_an_ambiguous_commit_stored_is_not_stored_again(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    """The database stored the batch, but the process died before it got the answer."""
    dead = make_writer()
    write(dead, range(600))
    (state,) = folder.glob("*.state")
    before = state.read_bytes()
    (segment,) = folder.glob("*.jsonl")
    content = segment.read_bytes()
    assert dead.flush(20)
    state.write_bytes(before)
    segment.write_bytes(content + line(600))
    crash(dead)
    ship_all(make_writer())
    assert numbers(log) == list(range(601))
    assert counts(log) == [601] * 4


@pytest.mark.skipif(SERVER.startswith("sqlite"), reason="SQLite has one writer at a time")
def test_a_row_that_another_transaction_is_storing(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    """A process is killed while the server commits its rows; the process that adopts its journal finds them
    uncommitted.
    """
    dead = make_writer()
    write(dead, range(1))
    name = dead.journal.name
    crash(dead)
    adopter = make_writer()
    other = create_engine(log.url)
    with other.connect() as connection:
        columns = {"created_at": utcnow(), "level": 40, "logger": "x", "fingerprint": "x"}
        connection.execute(
            insert(LogEntry), {"event_id": f"{name}-000001-0000000000", "message": "number 0", **columns}
        )
        assert not adopter.flush(0.5)
        connection.commit()
    other.dispose()
    assert adopter.flush(20)
    assert numbers(log) == [0]
    assert not (folder / "quarantine.ndjson").exists()
    ship(adopter)


def test_two_adopters_at_once(make_writer: Callable[..., Writer], log: Engine) -> None:
    for first in range(0, 2_000, 100):
        dead = make_writer()
        write(dead, range(first, first + 100))
        crash(dead)
    adopters = [make_writer() for _ in range(2)]
    for adopter in adopters:
        adopter.start()
    for adopter in adopters:
        assert adopter.flush(60)
    for adopter in adopters:
        ship(adopter)
    ship_all(make_writer())
    assert numbers(log) == list(range(2_000))
    assert counts(log) == [2_000] * 4


def test_a_dead_journal_has_one_adopter(make_writer: Callable[..., Writer], folder: Path) -> None:
    dead = make_writer()
    write(dead, range(1))
    assert adopt(folder) is None
    crash(dead)
    adopter = adopt(folder)
    assert adopter
    assert adopt(folder) is None
    adopter.close()
    heir = adopt(folder)
    assert heir
    heir.close()


def test_no_file_of_a_living_journal_is_ever_seen_without_its_lock(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process tries to adopt the journal at the worst moments, and the lock file is removed again and again."""
    lock, adopted = portalocker.lock, []

    def lock_late(fd: int, flags: portalocker.LockFlags) -> None:
        for path in folder.glob("*.lock"):
            path.unlink()
        with monkeypatch.context() as patch:
            patch.setattr(portalocker, "lock", lock)
            adopted.append(adopt(folder))
        lock(fd, flags)

    living = make_writer(max_bytes=20_000)
    with monkeypatch.context() as patch:
        patch.setattr(portalocker, "lock", lock_late)
        write(living, range(100))
    assert len(list(folder.glob("*.jsonl"))) > 1
    assert len(adopted) > 2
    assert set(adopted) == {None}
    ship_all(living)
    assert numbers(log) == list(range(100))
    assert list(folder.iterdir()) == []


def test_a_journal_that_another_ships_between_our_look_and_our_lock_is_over(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    dead = make_writer()
    write(dead, range(5))
    crash(dead)
    late = DeadJournals(Journal(folder, MB, fsync=False))
    late.list_if_due()
    ship_all(make_writer())
    assert list(folder.iterdir()) == []
    assert late.adopt_next() is None
    ship_all(make_writer())
    assert numbers(log) == list(range(5))
    assert counts(log) == [5] * 4
    assert list(folder.iterdir()) == []


def test_nobody_adopts_from_the_living(make_writer: Callable[..., Writer], log: Engine) -> None:
    living, other = make_writer(), make_writer()
    write(living, range(5))
    assert living.flush(20)
    write(other, range(5, 10))
    assert other.flush(20)
    write(living, range(10, 15))
    assert living.flush(20)
    assert numbers(log) == list(range(15))
    ship(living)
    ship(other)


def test_a_thousand_dead_journals_do_not_use_up_the_files(make_writer: Callable[..., Writer], log: Engine) -> None:
    import resource

    for number in range(60):
        dead = make_writer()
        write(dead, range(number, number + 1))
        crash(dead)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 30, hard))
    try:
        ship_all(make_writer())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert numbers(log) == list(range(60))


def test_the_writers_own_records_and_the_engines_do_not_go_round_in_circles(make_app: Callable[..., Flask]) -> None:
    app = make_app(LOG_DB_LEVEL="DEBUG")
    with app.app_context():
        upgrade()
        engine, pool = logging.getLogger("sqlalchemy.engine"), logging.getLogger("sqlalchemy.pool")
        levels = engine.level, pool.level
        engine.setLevel(logging.DEBUG)
        pool.setLevel(logging.DEBUG)
        try:
            logger.error("number 1")
            assert dblog.flush(20)
            for _ in range(3):
                with db.engines["log"].connect() as connection:
                    shipped = connection.scalar(select(func.count()).select_from(LogEntry)) or 0
                assert dblog.flush(20)
            assert shipped < 100
            assert app.extensions["dblog"].writer.close(2) is None
        finally:
            engine.setLevel(levels[0])
            pool.setLevel(levels[1])
