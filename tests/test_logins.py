"""Visitors who try passwords keep nobody from writing, although SQLite has one write lock."""

import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count, takewhile
from pathlib import Path

from conftest import run
from running import Site, Visitor, serve

PASSWORD = "correct horse battery staple"
#: There are at least so many of each: the writers continue until enough passwords were tried.
POSTS = GUESSES = 30
PAGE_SIZE = 20


def test_wrong_passwords_keep_nobody_from_writing(project: Path, venv: Path) -> None:
    writers = ("ada", "grace")
    run(venv / "flask", "db", "upgrade", cwd=project)
    for name in writers:
        run(venv / "flask", "user", "create", name, "--password-stdin", cwd=project, typed=PASSWORD)
    done = threading.Event()
    guessed: list[int] = []

    def guess(site: Site) -> Counter[int]:
        visitor, answers = Visitor(site), Counter[int]()
        while not done.is_set():
            answers[visitor.submit("/login", username="ada", password="wrong").status_code] += 1
            guessed.append(1)
        return answers

    def write(site: Site, name: str) -> Counter[int]:
        visitor = Visitor(site)
        visitor.submit("/login", username=name, password=PASSWORD)
        numbers = takewhile(lambda n: n < POSTS or len(guessed) <= GUESSES, count())
        return Counter(visitor.submit("/posts/new", title=f"{name} {n}", body="…").status_code for n in numbers)

    # The throttle would refuse the logins before they reach the database.
    unthrottled = {"RATELIMIT_ENABLED": "0"}
    gunicorn = (venv / "gunicorn", "--bind", "127.0.0.1:PORT", "--workers", "2", "--threads", "8", "app:create_app()")
    with serve(*gunicorn, cwd=project, env=unthrottled) as site, ThreadPoolExecutor(10) as pool:
        guessing = [pool.submit(guess, site) for _ in range(8)]
        writing = [pool.submit(write, site, name) for name in writers]
        try:
            written = sum((each.result(timeout=300) for each in writing), Counter())
        finally:
            done.set()
        answers = sum((each.result(timeout=300) for each in guessing), Counter())
        pages = range(1, (written[200] - 1) // PAGE_SIZE + 2)
        newest = [Visitor(site).see(f"/posts?page={number}").text for number in pages]
    assert (set(answers), set(written)) == ({200}, {200})
    assert answers.total() > GUESSES
    titles = re.findall(r"(?:ada|grace) \d+(?=<)", "".join(newest))
    assert len(set(titles)) == written[200] >= len(writers) * POSTS
