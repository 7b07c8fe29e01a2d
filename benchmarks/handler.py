# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "concurrent-log-handler>=0.9.31,<1",
#     "Flask>=3.1.3,<4",
#     "Flask-Limiter>=4.1.1,<5",
#     "Flask-Login>=0.6.3,<1",
#     "Flask-Migrate>=4.1,<5",
#     "Flask-SQLAlchemy>=3.1.1,<4",
#     "Flask-WTF>=1.3,<2",
#     "gunicorn>=27,<28",
#     "orjson>=3.13,<4",
#     "portalocker>=4.4,<5",
#     "psycopg[binary]>=3.3,<4",
#     "python-dotenv>=1.2,<2",
#     "SQLAlchemy>=2.1.9,<3",
#     "WTForms>=3.3,<4",
#     "zxcvbn>=4.5,<5",
#     "loguru>=0.7.3,<1",
#     "opentelemetry-instrumentation-logging>=0.66b2,<1",
#     "opentelemetry-sdk>=1.45,<2",
#     "python-logstash-async>=4.1,<5",
#     "sentry-sdk[flask]>=2.75,<3",
# ]
# ///
"""Measure the log: the caller's cost, the records that survive a SIGKILL, throughput, requests, memory, start-up.

`uv run benchmarks/handler.py` prints the tables. It needs a PostgreSQL server on which it can create a database:
postgresql://postgres@127.0.0.1:5432, or the one that BENCH_POSTGRESQL names.
"""

import json
import os
import re
import select
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import footprint
import serving
import throughput
from peers import FRAMES, PEERS
from shared import committed_project, databases, print_table

ROUNDS = 5
BASELINE = "QueueHandler + QueueListener"
CASES = {
    (failing, pause): {"failing": failing, "pause": pause, "count": 250}
    for failing in (False, True)
    for pause in (0.0005, 0.0)
}
Case = tuple[bool, float]
KILLS = 3
KILL_AFTER = 500
KILL_SECONDS = 2.0
SHIP = "from app import create_app, dblog; create_app(); raise SystemExit(not dblog.flush(30))"


class Peer:
    """A process that logs in one way; see peers.py."""

    def __init__(self, name: str, project: Path, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.env = databases(project, folder, folder.parent / "migrated")
        script = Path(__file__).with_name("peers.py")
        self.process = subprocess.Popen(
            [sys.executable, script, name, folder],
            cwd=project,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def tell(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def hear(self) -> bytes:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} died")
        return line

    def measure(self, case: dict[str, float]) -> tuple[float, float]:
        """Return median and 99th percentile in microseconds."""
        self.tell(json.dumps(case))
        times = sorted(json.loads(self.hear()))
        self.hear()
        return statistics.median(times) / 1000, times[len(times) * 99 // 100] / 1000

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def kill(self) -> int:
        """Kill the process in the middle of logging; return how many of its calls had returned."""
        assert self.process.stdout
        self.tell("flood")
        pipe = self.process.stdout.fileno()
        acknowledged = len(os.read(pipe, 1))  # waits until it has started
        end = time.monotonic() + KILL_SECONDS
        while acknowledged < KILL_AFTER and time.monotonic() < end:
            if select.select([pipe], [], [], 0.1)[0]:
                acknowledged += len(os.read(pipe, 65_536))
        self.process.send_signal(signal.SIGKILL)
        while some := os.read(pipe, 65_536):
            acknowledged += len(some)
        self.process.wait()
        return acknowledged


def caller_costs(project: Path, scratch: Path) -> dict[tuple[str, Case], list[tuple[float, float, float]]]:
    """Return (median, 99th percentile, ratio to the round's baseline) of each round, for every peer and case."""
    peers = [Peer(name, project, scratch / f"cost-{number}") for number, name in enumerate(PEERS)]
    costs = defaultdict(list)
    for case in CASES.values():
        for peer in peers:
            peer.measure(case)  # warms up
    for _ in range(ROUNDS):
        for key, case in CASES.items():
            figures = {peer.name: peer.measure(case) for peer in peers}
            for name, (median, slow) in figures.items():
                costs[name, key].append((median, slow, median / figures[BASELINE][0]))
    for peer in peers:
        peer.end()
    return costs


def survivors(project: Path, scratch: Path) -> dict[str, str]:
    """Return how many records are in the store after SIGKILL, and how many log calls had returned."""
    kept = {}
    for way, name in enumerate(PEERS):
        found = acknowledged = 0
        for kill in range(KILLS):
            peer = Peer(name, project, scratch / f"kill-{way}-{kill}")
            told = peer.kill()
            if name == "dblog":
                subprocess.run([sys.executable, "-c", SHIP], cwd=project, env=peer.env, check=True)
            acknowledged += told
            found += len(stored(peer.folder) & set(range(told)))
        kept[name] = f"{found:,} of {acknowledged:,}"
    return kept


def stored(folder: Path) -> set[int]:
    """Return the numbers of all records in the folder, whatever the store is."""
    texts = [path.read_text("utf-8", "replace") for path in folder.glob("records.txt")]
    for name, table, column in (("log.db", "log_entry", "message"), ("spool.db", "event", "event_text")):
        if (folder / name).exists():
            database = sqlite3.connect(folder / name)
            # The peer may have been killed before it made its table.
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table]).fetchone():
                texts += [str(text) for (text,) in database.execute(f"SELECT {column} FROM {table}")]
            database.close()
    return {int(number) for text in texts for number in re.findall(r"\bx (\d+)", text)}


def print_costs(costs: dict[tuple[str, Case], list[tuple[float, float, float]]], kept: dict[str, str]) -> None:
    for failing, title in ((False, "no exception"), (True, f"an exception of {FRAMES} frames")):
        rows = []
        for name in PEERS:
            cells = []
            for pause in (0.0005, 0.0):
                median, slow, ratio = map(statistics.median, zip(*costs[name, (failing, pause)], strict=True))
                cells += [f"{median:,.1f} / {slow:,.0f}", f"{ratio:.2f}"]
            rows.append([name, *cells, kept[name]])
        print_table(
            f"Cost to the caller of `logger.error` in a request, {title} (µs, median / p99; ratio to QueueHandler):",
            ["way of logging", "0.5 ms apart", "ratio", "at once", "ratio", "kept after SIGKILL"],
            rows,
        )


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        scratch = Path(folder)
        project = committed_project(scratch)
        print_costs(caller_costs(project, scratch), survivors(project, scratch))
        throughput.report(project, scratch)
        serving.report(project, scratch)
        footprint.report(project, scratch)


if __name__ == "__main__":
    main()
