"""The log's database goes away before the start, under load, between the rows and their commit, and after it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from conftest import absent, reachable
from running import wait_until

from .conftest import Program, Site, on_server
from .postgres import Server, Wire, programs

TABLES = ("log_entry", "log_problem", "log_hour", "log_day", "log_problem_hour", "log_problem_day")
# The writer sends these statements for a batch, in this order.
STATEMENTS = [
    *(f"INSERT INTO {table} (".encode() for table in TABLES),
    b"COMMIT",
]


class Speaker:
    """A process that logs each line that it is told, and reports when the call has returned."""

    def __init__(self, process: Program) -> None:
        self.process = process
        self.said: list[str] = []
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

    def say(self, prefix: str, count: int) -> None:
        assert self.process.stdin
        assert self.process.stdout
        for number in range(count):
            line = f"{prefix} {number}"
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == f"{line}\n"
            self.said.append(line)


@contextmanager
def speaker(site: Site, **changes: str) -> Iterator[Speaker]:
    with site.start("steady", **changes) as process:
        yield Speaker(process)


@pytest.fixture
def server() -> Iterator[Server]:
    bin = programs()
    if bin is None:
        absent("PostgreSQL's initdb is not here")
    server = Server(bin)
    server.start()
    yield server
    server.remove()


@pytest.mark.slow
def test_a_server_that_is_stopped_and_started_again(site: Site, server: Server) -> None:
    site.env["LOG_DATABASE_URL"] = server.url
    site.flask("db", "upgrade")
    server.stop()
    with speaker(site) as process:
        process.say("away at the start", 100)
        server.start()
        process.say("there", 100)
        for mode in ("fast", "immediate"):
            server.stop(mode)
            process.say(f"stopped: {mode}", 100)
            server.start()
            process.say(f"started: {mode}", 100)
    site.flush()
    counts = site.counts()
    assert counts.messages == dict.fromkeys(process.said, 1)
    assert counts.agree()


@pytest.fixture
def wire(site: Site) -> Iterator[Wire]:
    """A wire between the site and its log, which is a database of PostgreSQL with the tables."""
    url = urlsplit(reachable("PostgreSQL"))
    name = f"scratch_{os.urandom(6).hex()}"
    on_server(url.geturl(), f"CREATE DATABASE {name}")
    wire = Wire(url.port or 5432)
    site.env["LOG_DATABASE_URL"] = url._replace(
        netloc=f"{url.username}@127.0.0.1:{wire.port}", path=f"/{name}"
    ).geturl()
    site.flask("db", "upgrade")
    yield wire
    wire.close()
    on_server(url.geturl(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.slow
@pytest.mark.parametrize("statement", STATEMENTS, ids=bytes.decode)
@pytest.mark.parametrize("deliver", [True, False], ids=["after it was sent", "before it was sent"])
def test_a_connection_that_is_cut(site: Site, wire: Wire, statement: bytes, deliver: bool) -> None:
    """If the connection is cut after COMMIT was sent, the writer cannot know whether it succeeded.

    It did, and the writer does not store the rows again.
    """
    with speaker(site) as process:
        wire.cut, wire.deliver = statement, deliver
        process.say("cut", 200)
        wait_until(lambda: wire.cuts == 1)
        process.say("mended", 200)
    site.flush()
    counts = site.counts()
    assert counts.messages == dict.fromkeys(process.said, 1)
    assert counts.agree()
    assert site.journal() == []


@pytest.mark.slow
def test_a_connection_that_is_cut_in_a_storm(site: Site, wire: Wire) -> None:
    """Records that are only counted have no rows by which the writer could see that the COMMIT succeeded."""
    site.env["LOG_STORM_ROWS"] = "50"
    with speaker(site) as process:
        process.say("storm", 200)
        wait_until(lambda: site.counts().problems == 200)
        wire.cut, wire.deliver = b"COMMIT", True
        process.say("storm", 200)
        wait_until(lambda: wire.cuts == 1)
        process.say("storm", 200)
    site.flush()
    counts = site.counts()
    assert counts.problems == 600
    assert counts.agree()
    assert 50 <= counts.rows <= 60
    assert site.journal() == []
