# mypy: ignore-errors
"""Use a foreign application, log there, and open every page of the log.

The arguments are module:application, the log's module, and whose base template the pages extend ("its own" or "plain").
"""

import importlib
import re
import sys

from sqlalchemy import event

module, name = sys.argv[1].split(":")
made = getattr(importlib.import_module(module), name)
app = made() if name == "create_app" else made
dblog = importlib.import_module(sys.argv[2])
visitor, admin = app.test_client(), app.test_client()
assert admin.post("/login").text == "welcome"
failed = admin.get("/fail")
assert failed.status_code == 500
assert failed.headers["X-Request-ID"]
assert admin.get("/kept").text == "1", "what was half-way is gone"
assert dblog.flush(60)

rows = admin.get("/logs.json").get_json()["entries"]
assert sorted(row["message"] for row in rows) == ["Exception on /fail [GET]", "half-way of susan"], rows
assert {row["request_id"] for row in rows} == {failed.headers["X-Request-ID"]}
[error] = [row for row in rows if row["exception"]]
values = {"entry_id": error["id"], "problem_id": error["problem"], "form": "csv", "filename": "log.css"}
opened = 0
with app.test_request_context():
    adapter = app.create_url_adapter(None) or app.url_map.bind("localhost")
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("dblog.") and "GET" in rule.methods]
    given = [(rule.endpoint, {name: values[name] for name in rule.arguments}) for rule in rules]
    addresses = [adapter.build(*each) for each in given]
for address in [*addresses, "/logs?q=susan&since=7d", "/logs/problems?status=all"]:
    address += "?after=1" if address.endswith("news.json") else ""
    assert visitor.get(address).status_code == 403, address
    page = admin.get(address)
    assert page.status_code == 200, (address, page.text)
    if page.mimetype == "text/html":
        opened += 1
        assert "<h1" in page.text, address
        assert ("Hello, susan" in page.text or "Flaskr" in page.text) == (sys.argv[3] == "its own"), page.text
        sheets = set(re.findall('<link rel="stylesheet" href="([^"]+)">', page.text))
        assert len(sheets) >= 2, sheets
        for sheet in sheets:
            style = admin.get(sheet)
            assert (style.status_code, style.mimetype) == (200, "text/css"), sheet
assert opened >= 6, opened
page = admin.get(f"/logs/{error['id']}").text
marked = r"ui-here[^\n]*raise RuntimeError\(&#34;and lost&#34;\)"
assert re.search(marked, page), "its own frame is open, with its source"
assert admin.get("/logs?since=banana").status_code == 400
token = re.search('name="csrf_token" value="([^"]+)"', admin.get("/logs/problems").text)
decided = {"status": "muted", "csrf_token": token[1] if token else ""}
assert admin.post(f"/logs/problems/{error['problem']}", data=decided).status_code == 303


def refuse(dialect, *_):
    raise dialect.loaded_dbapi.OperationalError("gone to lunch")


engine = app.extensions["dblog"].writer.engine
event.listen(engine, "do_connect", refuse)
engine.dispose()
away = admin.get("/logs")
assert away.status_code == 503, away.text
assert "does not answer" in away.text
