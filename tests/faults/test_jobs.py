"""The records, exceptions and changes of jobs are at /logs and in the trail, once and soon.

The tests follow README, with real workers and Redis. No web process and no command runs that would ship the workers'
journals.
"""

import os
import signal
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import ROOT, reachable
from readmes import blocks, chapter
from running import wait_until

from .conftest import PROGRAMS, Site

COMMANDS = {"RQ": "rq worker --config worker", "Celery": "celery -A worker worker"}
LINE = "setup_logging.connect(lambda **_: None, weak=False)\n"
ENQUEUE = {
    "RQ": "from redis import Redis; from rq import Queue; Queue({queue!r}, connection=Redis.from_url({url!r})).enqueue",
    "Celery": "from celery import Celery; send = Celery(broker={url!r}).send_task; do = lambda name, *given:"
    " send(name, given, queue={queue!r}); do",
}
ALL = {"send_mail": "Nobody reads what is sent to ada", "fail": "Exception in job fail"}


@contextmanager
def working(site: Site, runner: str, queue: str, url: str, configures: bool) -> Iterator[None]:
    """Run a worker as README says; with `configures` Celery may configure logging, which README forbids."""
    text = chapter((site.folder / "README.md").read_text("utf-8"), "Jobs")
    [_, of_rq, of_celery] = blocks(text, "python")
    assert list(COMMANDS.values()) == [command.strip() for command in blocks(text, "sh")]
    module = (of_rq if runner == "RQ" else of_celery).replace("redis://127.0.0.1:6379/0", url)
    assert url in module
    (site.folder / "worker.py").write_text(module.replace(LINE, "") if configures else module)
    (site.folder / "app/mails").mkdir()
    jobs = (PROGRAMS / "jobs.py").read_text()
    if runner == "Celery":
        jobs = jobs.replace("import logging\n", "import logging\n\nfrom celery import shared_task\n")
        jobs = jobs.replace("@dblog.job\n", "@shared_task\n@dblog.job\n")
    (site.folder / "app/mails/jobs.py").write_text(jobs)
    command, *words = COMMANDS[runner].split()
    words += [queue] if runner == "RQ" else ["--queues", queue, "--concurrency", "1"]
    with (
        (site.folder / "worker.txt").open("wb") as output,
        subprocess.Popen(
            [site.python.parent / command, *words],
            cwd=site.folder,
            env=site.environment(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def read(site: Site, file: str, query: str) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(site.folder / "instance" / file)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def rows(site: Site) -> list[tuple[str, ...]]:
    return read(site, "log.db", "SELECT message, request_id, exception FROM log_entry ORDER BY message")


def work(site: Site, runner: str, expected: int, configures: bool = False) -> str:
    """Let a worker do both jobs; return its line of the table in the documentation, without its name."""
    url, queue = reachable("Redis"), f"test-{uuid.uuid4().hex}"
    with working(site, runner, queue, url, configures):
        for name in ALL:
            enqueue = ENQUEUE[runner].format(queue=queue, url=url)
            site.run("-c", f"{enqueue}('app.mails.jobs.{name}', 'ada' if {name!r} == 'send_mail' else 'bob')")
        try:
            # Only the worker can ship the records here.
            wait_until(lambda: len(rows(site)) >= expected, 120)
        except AssertionError:
            pytest.fail(f"{rows(site)}\n{(site.folder / 'worker.txt').read_text()}")
    # A second copy of a record would arrive now.
    site.flush()
    found = rows(site)
    entries = read(site, "app.db", "SELECT request_id FROM audit_entry ORDER BY request_id")
    cells = []
    for name, message in (("fail", ALL["fail"]), ("send_mail", ALL["send_mail"])):
        its = [row for row in found if row[0] == message]
        named = its == [(message, f"job:{name}", "app.mails.jobs.Refused" if name == "fail" else None)]
        cells.append("yes" if named else f"{len(its)} rows")
    cells.append("yes" if entries == [("job:fail",), ("job:send_mail",)] else str(entries))
    assert len(found) == expected, found
    return f"| {' | '.join(cells)} |"


def check(line: str) -> None:
    assert line in (ROOT / "docs/figures.md").read_text("utf-8"), line


@pytest.mark.parametrize("runner", COMMANDS)
def test_jobs_are_in_the_log_and_in_the_trail(site: Site, runner: str) -> None:
    check(f"| {runner} {work(site, runner, 2)}")


@pytest.mark.slow
def test_exceptions_are_in_the_log_if_celery_configures_logging(site: Site) -> None:
    check(f"| Celery, which configures logging ³ {work(site, 'Celery', 1, configures=True)}")
