"""The project works behind pgbouncer in transaction mode, where each transaction may get another connection."""

import getpass
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from conftest import absent, reachable
from running import free_port, wait_until

from .conftest import Site, hear, on_server, tell

pytestmark = pytest.mark.slow

# The other settings are Debian's; the pool has fewer connections than the processes below open.
SETTINGS = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
pidfile = {folder}/pid
"""


@pytest.fixture
def pooled(site: Site) -> Iterator[str]:
    """Return the URL of an empty database behind a pooler of the test's own; the site uses it."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if not program:
        absent("pgbouncer is not installed: apt-get install pgbouncer")
    server, name, port = urlsplit(reachable("PostgreSQL")), f"scratch_{uuid.uuid4().hex[:12]}", free_port()
    on_server(server.geturl(), f"CREATE DATABASE {name}")
    folder = Path(tempfile.mkdtemp())
    user = "postgres" if getpass.getuser() == "root" else None
    if user:
        shutil.chown(folder, user)
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        SETTINGS.format(host=server.hostname, port=server.port, user=server.username, listen=port, folder=folder)
    )
    url = f"postgresql://{server.username}@127.0.0.1:{port}/{name}"
    with subprocess.Popen([program, settings], user=user, cwd=folder, stderr=subprocess.DEVNULL) as pooler:
        try:
            wait_until(lambda: answers(url))
            site.env["DATABASE_URL"] = f"{url}?prepare_threshold=0"
            yield url
        finally:
            pooler.terminate()
    shutil.rmtree(folder)
    on_server(server.geturl(), f"DROP DATABASE {name} WITH (FORCE)")


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def settings_of_the_pool(url: str) -> set[tuple[object, ...]]:
    """Return the settings that the server's connections have kept; all connections are taken at the same time."""
    taken = [psycopg.connect(url, prepare_threshold=None) for _ in range(3)]
    names = ("lock_timeout", "default_transaction_isolation", "enable_sort")
    shown = [[each.execute(f"SHOW {name}".encode()).fetchone() or () for name in names] for each in taken]
    for each in taken:
        each.close()
    return {tuple(row[0] for row in rows) for rows in shown}


def test_four_migrate_at_once(site: Site, pooled: str) -> None:
    """At a deployment every process may migrate; all of them end, and none fails."""
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: site.run("-m", "flask", "db", "upgrade", check=False), range(4)))
    assert [each.returncode for each in done] == [0] * 4, done
    assert "No new upgrade operations" in site.flask("db", "check")


def test_who_keeps_the_lock_is_waited_for_until_a_deadline(site: Site, pooled: str, project: Path) -> None:
    """AUTO_MIGRATE has the deadline, too: it would hang for ever if a session's lock were never released."""
    env = project / "migrations/env.py"
    code = env.read_text("utf-8")
    number = int(re.sub(r"\D", "", code.partition("LOCK_NUMBER = ")[2].partition("\n")[0]))
    env.write_text(code.replace("LOCK_SECONDS = 60", "LOCK_SECONDS = 1"), "utf-8")
    with psycopg.connect(reachable_database(pooled)) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (number,))
        refused = site.run("-m", "flask", "db", "upgrade", check=False)
        started = site.run("-m", "flask", "run", "--port", "0", check=False, changes={"AUTO_MIGRATE": "1"})
    assert refused.returncode == started.returncode == 1
    assert "Another process keeps" in refused.stderr
    assert "AUTO_MIGRATE: Another process keeps" in started.stderr
    site.flask("db", "upgrade")


def reachable_database(pooled: str) -> str:
    """Return the URL of the same database without the pooler."""
    return urlsplit(reachable("PostgreSQL"))._replace(path=urlsplit(pooled).path).geturl()


def test_log_and_pages_through_a_pooler(site: Site, pooled: str) -> None:
    """Two processes log at once, and pages read; the server's connections stay as they were."""
    site.flask("db", "upgrade")
    with site.start("contend", "0") as one, site.start("contend", "1") as other:
        for writer in (one, other):
            assert hear(writer) == "ready"
        for writer in (one, other):
            tell(writer)
        for writer in (one, other):
            assert writer.wait(timeout=200) == 0
    site.flush()
    counts = site.counts()
    assert counts.rows == 4_000
    assert counts.agree()
    assert "of problem 7" in site.flask("log", "list", "--grep", "of problem 7", "--since", "1h")
    assert settings_of_the_pool(pooled) == {("0", "read committed", "on")}


def test_without_the_option_nothing_is_lost(site: Site, pooled: str) -> None:
    """psycopg then prepares statements, and finds those of other clients on the connection that it gets."""
    site.flask("db", "upgrade")
    with ExitStack() as stack:
        writers = [stack.enter_context(site.start("steady", DATABASE_URL=pooled)) for _ in range(3)]
        for writer in writers:
            assert hear(writer) == "ready"
        for turn in range(6):
            for index, writer in enumerate(writers):
                for number in range(5):
                    tell(writer, f"{index}/{turn}/{number}")
                    hear(writer)
            # Meanwhile each process ships its records.
            site.counts()
        for writer in writers:
            writer.kill()
    site.flush()
    assert site.counts().rows == 90
    assert not (site.folder / "instance/journal/quarantine.ndjson").exists()
