# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "alembic>=1.20.1,<2",
#     "click>=8.1.8,<9",
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
#     "requests>=2.34,<3",
#     "SQLAlchemy>=2.1.9,<3",
#     "WTForms>=3.3,<4",
#     "zxcvbn>=4.5,<5",
# ]
# ///
"""Measure how long a post takes on SQLite while eight clients try wrong passwords.

`uv run benchmarks/logins.py` takes three minutes. Two clients write posts, under gunicorn with two workers: first while
eight others log in with a wrong password, then while eight do the same work without a database (a page that hashes a
password and shows the login form), then while there are no others. The three take turns, 20 s each. The script prints a
Markdown table with the ratio of the first to the second, which differ only in the database. It fails if any answer is
an error.
"""

import contextlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import requests
from serving import free_port
from shared import committed_project, databases, print_table

ROUNDS = 3
SECONDS = 20.0
GUESSERS = 8
WRITERS = ("ada", "grace")
PASSWORD = "correct horse battery staple"
LOADS = {"a login with a wrong password": "/login", "the same without a database": "/hash", "nothing": None}
APPLICATION = """
from flask import render_template
from werkzeug.security import check_password_hash, generate_password_hash

from app import create_app
from app.accounts.forms import LoginForm

application = create_app()
stored = generate_password_hash("of nobody")

@application.post("/hash")
def hash():
    form = LoginForm()
    form.validate_on_submit()
    check_password_hash(stored, form.password.data)
    form.form_errors.append("Wrong user name or password.")
    return render_template("accounts/login.html", form=form)
"""


class Client:
    """A visitor with cookies, who sends all forms with the token of one form."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.token = ""

    def see(self, path: str) -> None:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.http.get(self.url + path, timeout=60).text)
        if not found:
            sys.exit(f"{path} has no form")
        self.token = found[1]

    def send(self, path: str, **fields: str) -> float:
        """Send a form; return how many milliseconds the answer took."""
        start = time.perf_counter()
        form = {"csrf_token": self.token, **fields}
        answer = self.http.post(self.url + path, data=form, allow_redirects=False, timeout=60)
        milliseconds = (time.perf_counter() - start) * 1000
        if answer.status_code not in (200, 302):
            sys.exit(f"{path} answered {answer.status_code}")
        return milliseconds


def repeat(send: Callable[[], float], done: threading.Event) -> list[float]:
    times = []
    while not done.is_set():
        times.append(send())
    return times


def guesses(url: str, path: str, done: threading.Event) -> list[float]:
    client = Client(url)
    client.see("/login")
    return repeat(lambda: client.send(path, username=WRITERS[0], password="wrong"), done)


def posts(url: str, name: str, done: threading.Event) -> list[float]:
    client = Client(url)
    client.see("/login")
    client.send("/login", username=name, password=PASSWORD)
    client.see("/posts/new")
    return repeat(lambda: client.send("/posts/new", title="A post", body="Its text."), done)


def measure(url: str, path: str | None) -> tuple[list[float], int]:
    """Return the milliseconds that each post took, and how many guesses there were meanwhile."""
    done = threading.Event()
    with ThreadPoolExecutor(GUESSERS + len(WRITERS)) as pool:
        others = [pool.submit(guesses, url, path, done) for _ in range(GUESSERS)] if path else []
        writers = [pool.submit(posts, url, name, done) for name in WRITERS]
        time.sleep(SECONDS)
        done.set()
        return sorted(chain.from_iterable(each.result() for each in writers)), sum(
            len(each.result()) for each in others
        )


@contextlib.contextmanager
def gunicorn(project: Path, folder: Path, env: dict[str, str]) -> Iterator[str]:
    """Serve the project with one more page, and yield its address."""
    url = f"http://127.0.0.1:{free_port()}"
    (folder / "hashing.py").write_text(APPLICATION)
    command = [sys.executable, "-m", "gunicorn", "--bind", url.removeprefix("http://"), "--workers", "2"]
    more = ["--threads", "8", "--pythonpath", str(folder), "hashing:application"]
    with (folder / "gunicorn.txt").open("wb") as output:
        process = subprocess.Popen([*command, *more], cwd=project, env=env, stderr=output)
        try:
            for _ in range(600):
                with contextlib.suppress(requests.ConnectionError):
                    requests.get(f"{url}/healthz", timeout=10)
                    break
                time.sleep(0.1)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def main() -> None:
    times: dict[str, list[list[float]]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        project = committed_project(scratch)
        env = databases(project, scratch / "logins", scratch / "migrated")
        env["RATELIMIT_ENABLED"] = "0"
        for writer in WRITERS:
            create = [sys.executable, "-m", "flask", "user", "create", writer, "--password-stdin"]
            subprocess.run(create, cwd=project, env=env, input=PASSWORD, text=True, check=True)
        with gunicorn(project, scratch / "logins", env) as url:
            for _ in range(ROUNDS):
                for load, path in LOADS.items():
                    written, guessed = measure(url, path)
                    times[load].append(written)
                    counts[load] += guessed
    medians = {load: [statistics.median(each) for each in rounds] for load, rounds in times.items()}
    _, baseline, _ = medians.values()
    rows = []
    for load, rounds in times.items():
        p99 = statistics.median(each[len(each) * 99 // 100] for each in rounds)
        ratio = statistics.median(here / there for here, there in zip(medians[load], baseline, strict=True))
        figures = f"{statistics.median(medians[load]):.1f}", f"{p99:.0f}", f"{ratio:.2f}"
        rows.append([load, str(sum(map(len, rounds))), *figures, str(counts[load])])
    print_table(
        f"Posts of {len(WRITERS)} clients on SQLite, {ROUNDS} times {SECONDS:.0f} s (ms):",
        [f"what {GUESSERS} others do meanwhile", "posts", "median", "p99", "median, ratio", "what they did"],
        rows,
    )


if __name__ == "__main__":
    main()
