"""The log copes with journal files that are removed, without locks, of other versions, damaged, or very many."""

import errno
import json
import os
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import portalocker
import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import Engine, select, text

from app import dblog
from app.dblog.journal.append import FILES_SEEN_AT_ONCE, Journal
from app.dblog.journal.files import State, write_state
from app.dblog.models import LogEntry
from app.dblog.store.rows import make_row
from app.dblog.store.writer import Writer
from app.dblog.viewer.status import health

from .journals import MB, adopt, counts, crash, line, messages, numbers, ship, ship_all, write

# This has the files opened and folders listed, by thread. An audit hook cannot be removed, so there is only one.
_work: Counter[tuple[str, int]] = Counter()


def _count(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in {"open", "os.scandir"}:
        _work[event, threading.get_ident()] += 1


sys.addaudithook(_count)


@contextmanager
def work(of_this_thread: bool = False) -> Iterator[Counter[str]]:
    """Count the files that are opened and the folders that are listed in the block."""
    before, done = _work.copy(), Counter[str]()
    yield done
    for (event, thread), count in (_work - before).items():
        if not of_this_thread or thread == threading.get_ident():
            done[event] += count


def take_away_the_table(log: Engine) -> None:
    with log.begin() as connection:
        connection.execute(text("ALTER TABLE log_entry RENAME TO elsewhere"))


def bring_it_back(log: Engine) -> None:
    with log.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO log_entry"))


def removed(folder: Path, *patterns: str) -> None:
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink()


# Removed under a running process

REMOVALS: dict[str, Callable[[Path], object]] = {
    "the folder": shutil.rmtree,
    "all files": lambda folder: removed(folder, "*"),
    "the lock": lambda folder: removed(folder, "*.lock"),
    "the segment": lambda folder: removed(folder, "*.jsonl"),
    "lock and segment": lambda folder: removed(folder, "*.lock", "*.jsonl"),
    "the state": lambda folder: removed(folder, "*.state"),
}


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
def test_files_that_are_removed_cost_nothing(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, remove: Callable[[Path], object]
) -> None:
    living = make_writer()
    write(living, range(5))
    remove(folder)
    write(living, range(5, 8))
    assert living.flush(20)
    assert numbers(log) == list(range(8))
    assert sorted(path.suffix for path in folder.iterdir()) == [".jsonl", ".lock", ".state"]
    write(living, range(8, 10))
    remove(folder)
    ship(living)
    assert numbers(log) == list(range(10))
    assert not [message for message in messages(log) if "dropped" in message]


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
def test_they_are_made_anew_with_what_is_not_shipped(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, remove: Callable[[Path], object]
) -> None:
    """The database has part of the segment and goes away; at the end the process is killed."""
    living = make_writer()
    write(living, range(5))
    assert living.flush(20)
    take_away_the_table(log)
    write(living, range(5, 10))
    remove(folder)
    assert not living.flush(0.5)
    write(living, range(10, 15))
    crash(living)
    bring_it_back(log)
    ship_all(make_writer())
    assert numbers(log) == list(range(15))
    assert counts(log) == [15] * 4
    assert list(folder.iterdir()) == []


def test_a_hole_in_a_segment_that_was_made_anew_swallows_nothing(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    """The state, which says where the hole ends, is then removed, too."""
    living = make_writer()
    write(living, range(5))
    assert living.flush(20)
    take_away_the_table(log)
    removed(folder, "*.jsonl")
    write(living, range(5, 10))
    assert not living.flush(0.5)
    crash(living)
    removed(folder, "*.state")
    bring_it_back(log)
    ship_all(make_writer())
    assert numbers(log) == list(range(10))


def test_a_closed_segment_that_is_removed_is_counted_and_told(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    take_away_the_table(log)
    living = make_writer(max_bytes=400_000)
    write(living, range(1_000), extra={"padding": "x" * 250})
    first, second, *_ = sorted(folder.glob("*.jsonl"))
    lost = second.read_bytes().count(b"\n")
    second.unlink()
    bring_it_back(log)
    assert living.flush(30)
    assert first.exists() is False
    assert len(numbers(log)) == 1_000 - lost
    assert health(living.journal)["dropped"] == lost
    ship(living)
    assert f"{lost} records dropped: the file that they were in was removed" in messages(log)


def test_files_that_cannot_be_made_anew(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    """The file's descriptor is still open, so its records reach the database; status and stderr report the error."""
    living = make_writer()
    write(living, range(5))
    shutil.rmtree(folder)
    folder.touch()
    write(living, range(5, 8))
    assert living.flush(20)
    write(living, range(8, 10))
    assert living.flush(20)
    assert numbers(log) == list(range(10))
    assert "journal cannot be written" in (health(living.journal)["error"] or "")
    assert "journal cannot be written" in capfd.readouterr().err
    folder.unlink()
    write(living, range(10, 12))
    assert living.flush(20)
    assert health(living.journal)["error"] is None
    ship(living)
    assert numbers(log) == list(range(12))


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
def test_nobody_adopts_a_living_journal_whose_files_were_removed(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, remove: Callable[[Path], object]
) -> None:
    living = make_writer()
    write(living, range(5))
    remove(folder)
    before = sorted(folder.iterdir()) if folder.exists() else []
    assert adopt(folder) is None
    assert make_writer().flush(20)
    assert (sorted(folder.iterdir()) if folder.exists() else []) == before
    assert living.flush(20)
    assert numbers(log) == list(range(5))
    ship(living)


def test_a_lock_file_that_was_removed_keeps_no_dead_journal_from_being_shipped(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    dead = make_writer(max_bytes=400_000)
    write(dead, range(1_000), extra={"padding": "x" * 250})
    crash(dead)
    removed(folder, "*.lock")
    first = adopt(folder)
    assert first
    assert adopt(folder) is None, "it has an adopter already"
    first.close()
    ship_all(make_writer())
    assert numbers(log) == list(range(1_000))
    assert list(folder.iterdir()) == []


# A file system without locks


def test_a_file_system_without_locks(
    make_writer: Callable[..., Writer],
    folder: Path,
    log: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse(_fd: int, _flags: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    writer = make_writer()
    with monkeypatch.context() as patch:
        patch.setattr(portalocker.portalocker, "LOCKER", refuse)
        with work() as done:
            write(writer, range(5))
        assert done["open"] < 5 * 10
        assert list(folder.iterdir()) == []
        assert writer.flush(20)
        assert numbers(log) == list(range(5))
        assert os.strerror(errno.ENOLCK) in (health(writer.journal)["error"] or "")
        assert os.strerror(errno.ENOLCK) in capfd.readouterr().err
    write(writer, range(5, 8))
    assert writer.flush(20)
    assert numbers(log) == list(range(8))
    ship(writer)


def test_a_journal_whose_lock_cannot_be_tried_is_left_alone(
    make_writer: Callable[..., Writer], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _flags: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    dead = make_writer()
    write(dead, range(5))
    crash(dead)
    before = sorted(folder.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(portalocker.portalocker, "LOCKER", refuse)
        assert adopt(folder) is None
    assert sorted(folder.iterdir()) == before


# Journals by the thousand


def leave_dead(folder: Path, names: range) -> None:
    """Leave journals as killed processes do, each with one record."""
    folder.mkdir(exist_ok=True)
    for number in names:
        name = f"{number:016x}"
        (folder / f"{name}.lock").touch()
        (folder / f"{name}.000001.jsonl").write_bytes(line(number))
        write_state(folder, name, State())


def test_adopting_grows_with_the_number_of_journals_and_not_with_its_square(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    done = []
    for names in (range(40), range(40, 200)):
        leave_dead(folder, names)
        with work() as each:
            ship_all(make_writer())
        done.append(each)
        assert list(folder.iterdir()) == []
    few, many = done
    assert numbers(log) == list(range(200))
    assert many["open"] < 5 * few["open"]
    assert many["os.scandir"] <= few["os.scandir"] + 1 < 6


def test_no_request_and_no_log_call_waits_for_thousands_of_journals(
    app: Flask, client: FlaskClient, folder: Path, log: Engine
) -> None:
    take_away_the_table(log)
    leave_dead(folder, range(1_000))
    journal = Journal(folder, MB, fsync=False)
    with work(of_this_thread=True) as first_call:
        journal.append(line(1))
    assert first_call["open"] < FILES_SEEN_AT_ONCE + 20
    journal.close()
    app.extensions["dblog"].journal.folder = folder
    with work(of_this_thread=True) as asked:
        assert client.get("/readyz").status_code == 200
    assert asked["open"] < 3 * FILES_SEEN_AT_ONCE
    with work(of_this_thread=True) as asked:
        facts = dblog.status(app)
    assert asked["open"] < 3 * FILES_SEEN_AT_ONCE
    assert facts["partial"] is True


def test_a_processs_own_records_go_between_those_of_the_dead(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.dblog.store.shipping.OWN_SECONDS", 0.0)
    leave_dead(folder, range(100))
    living = make_writer()
    write(living, range(1_000, 1_001))
    adopt_child = living._shipping.dead.adopt_child

    def log_meanwhile() -> Any:
        write(living, range(2_000, 2_001))
        living._shipping.dead.adopt_child = adopt_child  # type: ignore[method-assign]  # only the first time
        return adopt_child()

    living._shipping.dead.adopt_child = log_meanwhile  # type: ignore[method-assign]
    living.start()
    ship_all(living)
    stored = messages(log)
    assert len(stored) == 102
    assert stored.index("number 2000") < 50


# Of a later version


def later(number: int) -> bytes:
    return orjson.dumps({"v": 2, "when": number, "what": {"is": "not known here"}}) + b"\n"


def test_a_journal_of_a_later_version_is_left_alone_counted_and_told(
    make_writer: Callable[..., Writer],
    runner: FlaskCliRunner,
    folder: Path,
    log: Engine,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder.mkdir()
    name = "0123456789abcdef"
    content = {
        f"{name}.lock": b"",
        f"{name}.000001.jsonl": b"".join(map(later, range(5))),
        f"{name}.state": b'{"segment": 1, "offset": 0, "new": [1]}\n',
    }
    for path, data in content.items():
        (folder / path).write_bytes(data)
    dead, living = make_writer(), make_writer()
    write(dead, range(3))
    crash(dead)
    write(living, range(3, 6))
    assert living.flush(20)
    assert living.flush(20)
    assert numbers(log) == list(range(6))
    assert messages(log) == [f"number {number}" for number in (3, 4, 5, 0, 1, 2)]
    assert {path: (folder / path).read_bytes() for path in content} == content
    facts = health(living.journal)
    assert (facts["state"], facts["journals_left_alone"], facts["dropped"]) == ("degraded", 1, 0)
    assert "a later version of the log wrote 1 of the journals" in facts["error"]
    assert capfd.readouterr().err.count("journals of a later version") == 1
    ship(living)
    assert {path.name for path in folder.iterdir()} == set(content)


def test_what_comes_before_a_later_line_is_shipped_once(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    dead = make_writer()
    write(dead, range(3))
    crash(dead)
    (segment,) = folder.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes() + later(3) + line(4))
    for _ in range(2):
        ship_all(make_writer())
        assert numbers(log) == [0, 1, 2]
        assert counts(log) == [3] * 4
    assert segment.read_bytes().endswith(later(3) + line(4))


# As they are found


def test_a_gap_in_the_segments_is_told_and_what_follows_is_read(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    dead = make_writer(max_bytes=400_000)
    write(dead, range(1_000), extra={"padding": "x" * 250})
    crash(dead)
    _, second, *_ = sorted(folder.glob("*.jsonl"))
    kept = 1_000 - second.read_bytes().count(b"\n")
    second.unlink()
    ship_all(make_writer())
    assert len(numbers(log)) == kept
    assert "1 record dropped: one or more in each file that is missing from the journal" in messages(log)
    assert list(folder.iterdir()) == []


STATES = [
    b'{"segment": null}',
    b'{"segment": 1.5, "offset": 0}',
    b'{"segment": -1}',
    b'{"segment": 0}',
    b'{"segment": true}',
    b'{"offset": -5}',
    b'{"offset": 1e300}',
    b'{"offset": 1000000}',
    b'{"offset": "0"}',
    b'{"dropped": [1]}',
    b'{"dropped": null}',
    b'{"dropped": {"reason": "many"}, "reported": {"reason": null}}',
    b'{"dropped": {"reason": -1}}',
    b'{"error": 7}',
    b'{"memory": "1"}',
    b"7",
    b"null",
]


@pytest.mark.parametrize("content", STATES, ids=[each.decode() for each in STATES])
def test_a_state_of_wrong_types_costs_nothing(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, content: bytes
) -> None:
    dead = make_writer()
    write(dead, range(5))
    crash(dead)
    (state,) = folder.glob("*.state")
    state.write_bytes(content + b"\n")
    living = make_writer()
    facts = health(living.journal)
    assert facts["pending_bytes"] >= 0
    assert facts["dropped"] == 0
    ship_all(living)
    assert numbers(log) == list(range(5))
    assert counts(log) == [5] * 4
    assert list(folder.iterdir()) == []


def test_a_journal_that_cannot_be_read_is_told_and_stops_nothing(
    app: Flask, runner: FlaskCliRunner, log: Engine
) -> None:
    """Such a journal usually belongs to another user. A flush does not claim that all records are in the database."""
    folder = app.extensions["dblog"].journal.folder
    for name in (7, 8):
        (folder / f"{name:016x}.000001.jsonl").mkdir(parents=True)
        (folder / f"{name:016x}.lock").touch()
    # In this journal the newest segment can be locked.
    (folder / f"{8:016x}.000002.jsonl").write_bytes(line(8))
    leave_dead(folder, range(1, 3))
    flushed = runner.invoke(args=["log", "flush", "--timeout", "1"])
    assert flushed.exit_code == 1
    assert "At least 1 record is still waiting (journals cannot be read (Is a directory)" in flushed.stderr
    assert flushed.stderr.count("and are left alone") == 1
    assert numbers(log) == [1, 2]
    facts = dblog.status(app)
    assert facts["state"] == "degraded"
    assert "Is a directory" in str(facts["error"])


def test_what_another_process_keeps_in_memory_is_waited_for(
    app: Flask, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = Journal(app.extensions["dblog"].journal.folder, MB, fsync=False)
    living.append(line(1))
    living.state.offset = living.position[1]

    def fail(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        living.append(line(2))
    flushed = runner.invoke(args=["log", "flush", "--timeout", "1"])
    assert "1 record is still waiting" in flushed.stderr
    living.close()


def test_fields_of_a_state_that_are_not_known_here_are_passed_over(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    dead = make_writer()
    write(dead, range(5))
    crash(dead)
    (state,) = folder.glob("*.state")
    offset = len(line(0)) * 3
    state.write_bytes(orjson.dumps({"segment": 1, "offset": offset, "of_tomorrow": {}}) + b"\n")
    ship_all(make_writer())
    assert numbers(log) == [3, 4]


def test_own_frames_stay_own_when_the_project_is_moved(
    make_writer: Callable[..., Writer], log: Engine, tmp_path: Path
) -> None:
    frame = [str(tmp_path / "old/app/shop.py"), 3, "sell", 3, 4, 9]
    error = {"module": "builtins", "name": "ValueError", "text": "sold out", "frames": [frame]}
    before = make_row("0", json.loads(line(0, exception=error)), str(tmp_path / "old") + "/")
    dead = make_writer()
    dead.journal.root = dead.journal.state.root = str(tmp_path / "old") + "/"
    write(dead, range(3), exception=error)
    crash(dead)
    ship_all(make_writer())
    with log.connect() as connection:
        rows = connection.execute(select(LogEntry.frames, LogEntry.fingerprint)).all()
    assert len(rows) == 3
    for row in rows:
        assert row.fingerprint == before["fingerprint"]
        assert row.frames[-1]["frames"][-1]["project"]


def test_never_less_than_nothing_waits(make_writer: Callable[..., Writer], folder: Path) -> None:
    """On a disk that fills up, the writer read half a line with its newline before the process took it back."""
    living = make_writer()
    write(living, range(3))
    living.journal.state.offset = living.journal.position[1] + 1
    living.journal.save_state()
    assert health(living.journal)["pending_bytes"] == 0
    assert health(Journal(folder, MB, fsync=False))["pending_bytes"] == 0


def write_until_full(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log five records, and seven more while the disk is full."""

    def fail(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write(writer, range(5))
    monkeypatch.setattr(os, "write", fail)
    write(writer, range(5, 12))
    monkeypatch.undo()


def test_what_waited_in_a_killed_processs_memory_is_counted(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = make_writer()
    write_until_full(dead, monkeypatch)
    facts = health(Journal(folder, MB, fsync=False))
    assert (facts["pending_records_in_memory"], facts["state"]) == (7, "degraded")
    crash(dead)
    ship_all(make_writer())
    assert numbers(log) == list(range(5))
    assert "7 records dropped: they waited in the memory of a process that ended" in messages(log)
    assert list(folder.iterdir()) == []


def test_what_was_shipped_from_memory_is_not_missed(
    make_writer: Callable[..., Writer], folder: Path, log: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = make_writer()
    write_until_full(dead, monkeypatch)
    assert dead.flush(20)
    crash(dead)
    ship_all(make_writer())
    assert numbers(log) == list(range(12))
    assert not [message for message in messages(log) if "dropped" in message]


def test_a_line_of_an_earlier_version_ships(make_writer: Callable[..., Writer], log: Engine) -> None:
    """The line has no query and no user agent."""
    dead = make_writer()
    facts = {"id": "r-1", "method": "GET", "path": "/tea", "ip": "192.0.2.7", "endpoint": "tea"}
    write(dead, range(1), request=facts)
    crash(dead)
    ship_all(make_writer())
    with log.connect() as connection:
        [row] = connection.execute(select(LogEntry.path, LogEntry.query, LogEntry.user_agent)).all()
    assert row == ("/tea", None, None)
