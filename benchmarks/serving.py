"""Measure a request that logs one error under gunicorn, with the log's database up, away, and hanging."""

import contextlib
import http.client
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from shared import databases, migrate, print_table, scratch_postgresql

ROUNDS = 6
REQUESTS = 250
PAUSE = 0.002
APPLICATION = """
import logging
from app import create_app

application = create_app()

@application.get("/fail")
def fail():
    logging.getLogger("bench").error("x %s", 1)
    return "logged"
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def hanging_server() -> Iterator[int]:
    """Yield the port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        accepted = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    accepted.append(listener.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        for connection in accepted:
            connection.close()


@contextlib.contextmanager
def gunicorn(project: Path, folder: Path, env: dict[str, str]) -> Iterator[int]:
    """Serve the project with one more page by one worker, and yield the port."""
    port = free_port()
    (folder / "failing.py").write_text(APPLICATION)
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "2", "--keep-alive", "60"]
    with (folder / "gunicorn.txt").open("wb") as output:
        process = subprocess.Popen(
            [*command, "--pythonpath", str(folder), "failing:application"], cwd=project, env=env, stderr=output
        )
        try:
            wait_for(port)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def wait_for(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            milliseconds(port, 1)
            return
        time.sleep(0.1)
    sys.exit("gunicorn does not answer")


def milliseconds(port: int, count: int) -> list[float]:
    """Return the time of each of `count` requests, sent one after the other on one connection."""
    times = []
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        for _ in range(count):
            start = time.perf_counter()
            connection.request("GET", "/fail")
            response = connection.getresponse()
            response.read()
            times.append((time.perf_counter() - start) * 1000)
            if response.status != 200:
                sys.exit(f"gunicorn answered {response.status}")
            time.sleep(PAUSE)
    return times


def report(project: Path, scratch: Path) -> None:
    with contextlib.ExitStack() as stack:
        places = {
            "up": stack.enter_context(scratch_postgresql()),
            "away (refused)": f"postgresql://postgres@127.0.0.1:{free_port()}/none",
            "hanging": f"postgresql://postgres@127.0.0.1:{stack.enter_context(hanging_server())}/none",
        }
        ports = {}
        for number, (state, url) in enumerate(places.items()):
            folder = scratch / f"serving-{number}"
            env = databases(project, folder, scratch / "migrated") | {"LOG_DATABASE_URL": url}
            if state == "up":
                migrate(project, env)
            ports[state] = stack.enter_context(gunicorn(project, folder, env))
        times = defaultdict(list)
        for _ in range(ROUNDS):
            for state, port in ports.items():
                times[state].append(sorted(milliseconds(port, REQUESTS)))
    print_requests(times)


def print_requests(times: dict[str, list[list[float]]]) -> None:
    def at(state: str, percent: int) -> list[float]:
        return [rounds[len(rounds) * percent // 100] for rounds in times[state]]

    rows = []
    for state in times:
        ratios = [here / up for here, up in zip(at(state, 99), at("up", 99), strict=True)]
        p50, p99 = statistics.median(at(state, 50)), statistics.median(at(state, 99))
        rows.append([state, f"{p50:.2f}", f"{p99:.2f}", f"{statistics.median(ratios):.2f}"])
    print_table(
        "A request that logs one error, under gunicorn (ms):",
        ["the log's database is", "p50", "p99", "p99 to up"],
        rows,
    )
