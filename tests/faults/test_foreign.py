"""The log is carried into another Flask application: its own folder, what it stands on, env.py and one revision."""

import shutil
from pathlib import Path

from .conftest import PROGRAMS, Site

PORTABLE = [f"{name}.py" for name in ("actor", "components", "database", "inserts", "listing", "negotiation")]
PORTABLE += ["redaction.py", "serving.py", "sqlite.py", "terminal.py"]
# Neither Pico nor a token against forged requests, and none of the generated project's own helpers.
BASE = """<!doctype html>
<html lang="en">
<head><title>{% block title %}{% endblock %}</title>{% block head %}{% endblock %}</head>
<body><main>{% block content %}{% endblock %}</main></body>
</html>
"""
USE = """
import re
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
    [entry_id, *_] = db.session.scalars(db.select(LogEntry.id).where(LogEntry.exception.is_not(None)))
client = create_app(guard=lambda: None).test_client()
for address in ("", "?q=thing&since=7d", f"/{entry_id}", "/problems", "/problems/1", "/status"):
    page = client.get("/logs" + address)
    assert page.status_code == 200, page.text
    sheets = re.findall('<link rel="stylesheet" href="([^"]+)">', page.text)
    assert [client.get(sheet).status_code for sheet in sheets] == [200, 200], sheets
assert client.get("/logs?since=banana").status_code == 400
assert client.post("/logs/problems/1", data={"status": "muted"}).status_code == 303
"""


def test_in_a_foreign_application(project: Path, venv: Path, tmp_path: Path) -> None:
    folder = tmp_path / "foreign"
    for name in ("app/dblog", "app/templates/components", "migrations"):
        shutil.copytree(project / name, folder / name)
    for name in PORTABLE:
        shutil.copy(project / "app" / name, folder / "app")
    (folder / "app/static").mkdir()
    shutil.copy(project / "app/static/components.css", folder / "app/static")
    (folder / "app/templates/base.html").write_text(BASE)
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
