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
#     "orjson>=3.13,<4",
#     "portalocker>=4.4,<5",
#     "python-dotenv>=1.2,<2",
#     "SQLAlchemy>=2.1.9,<3",
#     "WTForms>=3.3,<4",
#     "zxcvbn>=4.5,<5",
#     "SQLAlchemy-Continuum>=2,<3",
# ]
# ///
"""Measure what the trail costs: 1,000 inserts and 1,000 updates in a flush, against no trail and SQLAlchemy-Continuum.

`uv run benchmarks/audit.py` prints a Markdown table of medians and of their ratio to no trail. The three take turns, so
that other work on the machine slows all of them alike. Each has a process and a SQLite file of its own: Continuum
listens to every session of its process, and leaves garbage that would slow the next.
"""

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent / "{{cookiecutter.project_slug}}"
ROWS, ROUNDS = 1000, 21
MOMENT = datetime(2026, 1, 31, tzinfo=UTC)

sa: Any = import_module("sqlalchemy")
orm: Any = import_module("sqlalchemy.orm")


def make_model(**marks: object) -> Any:
    """Return a model like the example's posts, in a metadata of its own."""
    base = orm.declarative_base()
    columns = {
        "id": sa.Column(sa.Integer, primary_key=True),
        "title": sa.Column(sa.String(200), nullable=False),
        "body": sa.Column(sa.Text, nullable=False),
        "created_at": sa.Column(sa.DateTime, default=lambda: datetime.now(UTC)),
        "author_id": sa.Column(sa.Integer, nullable=False),
    }
    return type("Post", (base,), {"__tablename__": "posts", **columns, **marks})


def with_trail() -> Any:
    sys.path.insert(0, str(PROJECT))
    entry = import_module("app.audit.models").AuditEntry
    model = make_model(__audit__=True)
    entry.__table__.to_metadata(model.metadata)
    return model


def with_continuum() -> Any:
    continuum: Any = import_module("sqlalchemy_continuum")
    continuum.make_versioned(user_cls=None)
    model = make_model(__versioned__={})
    orm.configure_mappers()
    return model


def measure(model: Any, folder: str, name: str) -> Callable[[], tuple[float, float]]:
    """Yield a function that inserts and updates once and returns the milliseconds of each flush with its commit."""
    engine = sa.create_engine(f"sqlite:///{folder}/{name}.db")
    model.metadata.create_all(engine)

    def once() -> tuple[float, float]:
        with orm.Session(engine, expire_on_commit=False) as session:
            posts = [model(title=f"title {n}", body="text " * 20, author_id=1) for n in range(ROWS)]
            session.add_all(posts)
            inserting = milliseconds(session.commit)
            for n, post in enumerate(posts):
                post.title = f"another {n}"
            return inserting, milliseconds(session.commit)

    return once


def milliseconds(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


CONTESTANTS = {"no audit": make_model, "this audit trail": with_trail, "SQLAlchemy-Continuum": with_continuum}


@cache
def contestant(name: str, folder: str) -> Callable[[], tuple[float, float]]:
    once = measure(CONTESTANTS[name](), folder, str([*CONTESTANTS].index(name)))
    once()  # warms the caches
    return once


def turn(name: str, folder: str) -> tuple[float, float]:
    return contestant(name, folder)()


def main() -> None:
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTESTANTS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        spawn = get_context("spawn")
        processes = {name: stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn)) for name in CONTESTANTS}
        for _ in range(ROUNDS):
            for name, process in processes.items():
                times[name].append(process.submit(turn, name, folder).result())
    report(times)


def report(times: dict[str, list[tuple[float, float]]]) -> None:
    print(f"| {ROWS:,} rows in one flush | insert, ms | ratio | update, ms | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, rounds in times.items():
        cells = []
        for which in (0, 1):
            # The ratio compares times of one round, because the machine's speed changes from round to round.
            ratios = [mine[which] / none[which] for mine, none in zip(rounds, times["no audit"], strict=True)]
            cells += [f"{statistics.median(pair[which] for pair in rounds):.0f}", f"{statistics.median(ratios):.1f}"]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
