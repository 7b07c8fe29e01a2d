# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "alembic>=1.20.1,<2",
#     "click>=8.1.8,<9",
#     "concurrent-log-handler>=0.9.31,<1",
#     "environs>=15.2,<16",
#     "Flask>=3.1.3,<4",
#     "Flask-Login>=0.6.3,<1",
#     "Flask-Migrate>=4.1,<5",
#     "Flask-SQLAlchemy>=3.1.1,<4",
#     "Flask-WTF>=1.3,<2",
#     "orjson>=3.13,<4",
#     "portalocker>=4.4,<5",
#     "python-dotenv>=1.2,<2",
#     "SQLAlchemy>=2.1.9,<3",
#     "WTForms>=3.3,<4",
#     "SQLAlchemy-Continuum>=2,<3",
# ]
# ///
"""What the trail costs: 1,000 inserts and 1,000 updates in a flush, beside none and beside SQLAlchemy-Continuum.

`uv run benchmarks/audit.py` prints a Markdown table of medians and of their ratio to no audit. The three take turns in
one process, on a SQLite file each, so that all meet the same weather.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent / "{{cookiecutter.project_slug}}"
ROWS, ROUNDS = 1000, 9
MOMENT = datetime(2026, 1, 31, tzinfo=UTC)

sa: Any = import_module("sqlalchemy")
orm: Any = import_module("sqlalchemy.orm")


def make_model(**marks: object) -> Any:
    """A table like the example's posts, in a metadata of its own."""
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
    """A function that inserts and updates once and returns the milliseconds of each flush with its commit."""
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
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def main() -> None:
    models = {"no audit": make_model(), "this audit trail": with_trail(), "SQLAlchemy-Continuum": with_continuum()}
    with tempfile.TemporaryDirectory() as folder:
        contestants = {name: measure(model, folder, str(n)) for n, (name, model) in enumerate(models.items())}
        for once in contestants.values():
            once()  # warms the caches
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for _ in range(ROUNDS):
            for name, once in contestants.items():
                times[name].append(once())
    report({name: [statistics.median(each) for each in zip(*pairs, strict=True)] for name, pairs in times.items()})


def report(medians: dict[str, list[float]]) -> None:
    print(f"| {ROWS:,} rows in one flush | insert, ms | ratio | update, ms | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    insert, update = medians["no audit"]
    for name, (inserting, updating) in medians.items():
        print(f"| {name} | {inserting:.0f} | {inserting / insert:.1f} | {updating:.0f} | {updating / update:.1f} |")


if __name__ == "__main__":
    main()
