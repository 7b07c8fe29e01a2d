"""The log is carried into another Flask application: two parts of app/, env.py and one revision."""

import shutil
from pathlib import Path

from .conftest import PROGRAMS, Site

PORTABLE = ("actor.py", "database.py", "inserts.py", "listing.py", "negotiation.py")
PORTABLE += ("redaction.py", "sqlite.py", "terminal.py")
USE = """
from app import create_app, dblog
from app.dblog.models import LogEntry
from app.database import db
app = create_app()
with app.app_context():
    db.create_all(bind_key=None)
client = app.test_client()
assert client.get("/fail").status_code == 500
assert client.get("/things").text == "0"
assert client.get("/logs").status_code == 403
assert dblog.flush(20)
with app.app_context():
    print(sorted(db.session.scalars(db.select(LogEntry.message))))
"""


def test_in_a_foreign_application(project: Path, venv: Path, tmp_path: Path) -> None:
    folder = tmp_path / "foreign"
    for name in ("app/dblog", "migrations"):
        shutil.copytree(project / name, folder / name)
    for name in PORTABLE:
        shutil.copy(project / "app" / name, folder / "app")
    shutil.copy(PROGRAMS / "foreign.py", folder / "app" / "__init__.py")
    for revision in (folder / "migrations" / "versions").glob("*.py"):
        if revision.name != "0002_log.py":
            revision.unlink()
    log = folder / "migrations" / "versions" / "0002_log.py"
    log.write_text(log.read_text().replace('down_revision = "0001_users"', "down_revision = None"))

    site = Site(folder, venv / "python")
    site.flask("db", "upgrade")
    assert "half-way with a thing" in (done := site.run("-c", USE)).stdout, done.stderr
    assert "Exception on /fail [GET]" in done.stdout
    assert "half-way with a thing" in site.flask("log", "list")
