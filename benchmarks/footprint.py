"""Measure the memory of an idle application with and without the log, and how long it takes to start."""

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from shared import databases, print_table

ROUNDS = 9

# A module with dblog's functions that the rest of the application calls; they do nothing.
WITHOUT = {
    "__init__.py": "def init_app(app, **_): pass\n\ndef status(app): return {'state': 'ok'}\n",
    "handler.py": "from logging import NullHandler as DatabaseLogHandler\n",
    "models.py": "def __getattr__(name): return object\n",
}
BARE = """
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

db = SQLAlchemy(model_class=Base)
migrate = Migrate()

class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///bare.db"
    db.init_app(app)
    migrate.init_app(app, db)
    return app
"""
START = "from app import create_app; create_app()"
IDLE = """
import logging
from app import create_app, dblog

app = create_app()
assert app.test_client().get("/healthz").status_code == 200
if hasattr(dblog, "flush"):
    logging.getLogger("bench").error("x")
    assert dblog.flush(10)
[line] = [line for line in open("/proc/self/smaps_rollup") if line.startswith("Pss:")]
print(line.split()[1])
"""


def run(project: Path, env: dict[str, str], code: str) -> tuple[float, str]:
    """Return the seconds that the whole process took, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=env | {"PYTHONPATH": str(project)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.perf_counter() - start, done.stdout


def report(project: Path, scratch: Path) -> None:
    env = databases(project, scratch / "footprint", scratch / "migrated")
    without = Path(shutil.copytree(project, scratch / "without"))
    shutil.rmtree(without / "app" / "dblog")
    (without / "app" / "dblog").mkdir()
    for name, content in WITHOUT.items():
        (without / "app" / "dblog" / name).write_text(content)
    bare = scratch / "bare"
    (bare / "app").mkdir(parents=True)
    (bare / "app" / "__init__.py").write_text(BARE)

    memory: dict[Path, list[float]] = {project: [], without: []}
    for folder, figures in memory.items():
        figures += [int(run(folder, env, IDLE)[1]) / 1024 for _ in range(3)]
    with_log, without_log = (statistics.median(figures) for figures in memory.values())
    print_table(
        "Memory of an idle application (MB):",
        ["with dblog", "without", "difference"],
        [[f"{with_log:.1f}", f"{without_log:.1f}", f"{with_log - without_log:.1f}"]],
    )

    folders = {
        "this application": project,
        "without dblog": without,
        "bare Flask + Flask-SQLAlchemy + Flask-Migrate": bare,
    }
    times: dict[str, list[float]] = {name: [] for name in folders}
    for _ in range(ROUNDS):
        for name, folder in folders.items():
            times[name].append(run(folder, env, START)[0])
    rows = []
    for name, figures in times.items():
        ratio = statistics.median(mine / least for mine, least in zip(figures, [*times.values()][-1], strict=True))
        rows.append([name, f"{statistics.median(figures):.2f}", f"{ratio:.2f}"])
    print_table(
        "A process that does nothing but `create_app()`:",
        ["application", "seconds", "ratio to bare"],
        rows,
    )
