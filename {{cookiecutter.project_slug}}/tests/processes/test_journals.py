"""Journals survive processes that fork, are killed, or lose their files while they run."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from app.config import database_url
from app.dblog.models import LogEntry

from ..conftest import Command

UNREACHABLE = "postgresql://nobody@127.0.0.1:9/nothing"

# A worker that forks a child for each job. The child logs and exits, and tells its parent nothing.
FORKS = """
import logging, os, signal, sys
from app import create_app, dblog
create_app()
assert dblog.flush(20)
listings = []
sys.addaudithook(lambda event, _: event == "os.scandir" and listings.append(event))
for number in range(5):
    if not os.fork():
        logging.getLogger("job").error("job %s", number)
        os.kill(os.getpid(), signal.SIGKILL) if number % 2 else os._exit(0)
    os.wait()
print("ended", flush=True)
sys.stdin.readline()
print(len(listings), flush=True)
"""
# A program that logs as many records as it is told, and reports when it has.
SPEAKER = """
import logging, sys
from app import create_app, dblog
create_app()
said = 0
for line in sys.stdin:
    if line == "flush\\n":
        print(dblog.flush(20), flush=True)
        continue
    for _ in range(int(line)):
        logging.getLogger("speaker").error("record %s", said)
        said += 1
    print("logged", flush=True)
"""

Start = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]


@pytest.fixture
def start(command: Command) -> Start:
    """Start a program that the test talks to over standard input and output; kill it at the end of the block."""

    @contextmanager
    def program(text: str, **changes: str) -> Iterator["subprocess.Popen[str]"]:
        command("flask", "db", "upgrade")
        with subprocess.Popen(
            [sys.executable, "-c", text],
            cwd=command.folder,
            env=command.environment | changes,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return program


def tell(process: "subprocess.Popen[str]", line: str) -> str:
    """Write a line to the program; return its answer."""
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return hear(process)


def hear(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def rows(urls: dict[str, str]) -> list[str]:
    engine = create_engine(database_url(urls["LOG_DATABASE_URL"]))
    with engine.connect() as connection:
        found = list(connection.scalars(select(LogEntry.message)))
    engine.dispose()
    return sorted(found)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_parent_ships_what_its_ended_children_logged(start: Start, database_urls: dict[str, str]) -> None:
    """No other process is there to ship them; for this the parent neither logs nor lists the folder."""
    with start(FORKS) as parent:
        assert hear(parent) == "ended"
        end = time.monotonic() + 25
        while len(rows(database_urls)) < 5:
            # The limit is shorter than the interval at which the parent lists the folder anyway.
            assert time.monotonic() < end
            time.sleep(0.1)
        assert tell(parent, "and?") == "0"
    assert rows(database_urls) == [f"job {number}" for number in range(5)]


def test_a_journal_that_is_removed_under_a_running_process(
    start: Start, database_urls: dict[str, str], tmp_path: Path
) -> None:
    with start(SPEAKER) as speaker:
        assert tell(speaker, "5") == "logged"
        shutil.rmtree(tmp_path / "journal")
        assert tell(speaker, "5") == "logged"
        assert tell(speaker, "flush") == "True"
    assert rows(database_urls) == sorted(f"record {number}" for number in range(10))


def test_a_living_journal_whose_lock_file_is_removed_stays_its_own(
    start: Start, command: Command, database_urls: dict[str, str], tmp_path: Path
) -> None:
    with start(SPEAKER, LOG_DATABASE_URL=UNREACHABLE) as speaker:
        assert tell(speaker, "5") == "logged"
        (lock,) = (tmp_path / "journal").glob("*.lock")
        lock.unlink()
        flushed = command("flask", "log", "flush", "--timeout", "1")
        assert "5 records are still waiting" in flushed.stderr
        assert rows(database_urls) == []
        assert tell(speaker, "5") == "logged"
    assert command("flask", "log", "flush").returncode == 0
    assert rows(database_urls) == sorted(f"record {number}" for number in range(10))
