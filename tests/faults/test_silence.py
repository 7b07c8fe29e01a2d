"""Nothing silences the log: no server, no way to fail, and nobody who configures logging afterwards.

Jobs have a table of their own; see test_jobs.py.
"""

import json
from collections.abc import Iterable
from contextlib import suppress

import pytest
import requests
from conftest import ROOT
from running import serve

from .conftest import PROGRAMS, Site

GUNICORN = ("gunicorn", "--bind", "127.0.0.1:PORT", "silence:app", "--worker-class")
WAITRESS = ("waitress-serve", "--listen", "127.0.0.1:PORT", "silence:app")
UWSGI = ("uwsgi", "--http-socket", "127.0.0.1:PORT", "--module", "silence:app", "--enable-threads", "--die-on-term")
FLASK = ("flask", "run", "--no-reload")
SERVERS = {
    "flask run": FLASK,
    "flask run, debug": FLASK,
    "gunicorn, sync": (*GUNICORN, "sync", "--threads", "1"),
    "gunicorn, gthread": (*GUNICORN, "gthread"),
    "gunicorn, gevent": (*GUNICORN, "gevent"),
    "waitress": WAITRESS,
    "uWSGI": UWSGI,
}
# These configure logging after `create_app`; the program knows them by the names on the right.
THIRD_PARTIES = {
    "`dictConfig` with a root": "dictConfig",
    "`fileConfig`": "fileConfig",
    "`basicConfig(force=True)`": "basicConfig",
    "`root.handlers = []`": "handlers",
    "root at `CRITICAL`": "level",
    "`logging.disable()`": "disable",
}
# The last way may end a worker.
PAGES = ("view", "stream", "stream_with_context", "teardown", "close", "middleware", "thread", "SystemExit")
WAYS = (*PAGES[:-2], "SystemExit", "command", "thread")
MIDDLEWARE = """
    inner = app.wsgi_app

    def fails(environ, start_response):
        if environ["PATH_INFO"] == "/middleware":
            raise RuntimeError(f"{os.environ['SERVER']}: middleware")
        return inner(environ, start_response)

    app.wsgi_app = fails
"""
PLACE = "    logging_config.init_app(app)\n"

Row = dict[str, object]


def put_middleware_inside(site: Site) -> None:
    """Put the middleware where README says."""
    assert f"above `{PLACE.strip()}`" in (site.folder / "README.md").read_text("utf-8")
    factory = site.folder / "app" / "__init__.py"
    source = factory.read_text()
    assert source.count(PLACE) == 1
    factory.write_text("import os\n" + source.replace(PLACE, MIDDLEWARE + PLACE))


def variables(site: Site, server: str, name: str, configure: str) -> dict[str, str]:
    """Return the program's environment variables."""
    return {
        "PYTHONPATH": f"{site.folder}:{PROGRAMS}",
        "FLASK_APP": "silence",
        "FLASK_DEBUG": str(int("debug" in server)),
        "SERVER": name,
        "CONFIGURE": configure,
    }


def ask(site: Site, server: str, name: str, pages: Iterable[str], configure: str = "nobody") -> None:
    """Start a server and open its pages, whatever they answer."""
    environment = site.environment(variables(site, server, name, configure))
    command, *words = SERVERS[server]
    with serve(site.python.parent / command, *words, cwd=site.folder, env=environment) as running:
        for page in pages:
            with suppress(requests.RequestException):
                # waitress never answers after SystemExit, which ends its thread.
                requests.get(f"{running.url}/{page}", timeout=10 if page == "SystemExit" else 60)


def fail_as_command(site: Site, server: str, name: str, configure: str) -> None:
    done = site.run("-m", "flask", "fail", check=False, changes=variables(site, server, name, configure))
    assert "about to fail" in done.stdout, done.stderr


def rows(site: Site) -> dict[str, list[Row]]:
    """Return all rows by the traceback's last line, which has the exception."""
    site.flush()
    found: dict[str, list[Row]] = {}
    for line in site.flask("log", "export", "--format", "jsonl", "--since", "all").splitlines():
        row = json.loads(line)
        found.setdefault((row["trace"] or row["message"]).strip().splitlines()[-1], []).append(row)
    return found


def cell(found: dict[str, list[Row]], name: str, way: str) -> str:
    """Return the table's cell for one try; it is a number of rows if that is not as it should be."""
    kind = "SystemExit" if way == "SystemExit" else "RuntimeError"
    its = found.get(f"{kind}: {name}: {way}", [])
    if len(its) != 1:
        return f"{len(its)} rows"
    [row] = its
    facts = (row["path"], row["endpoint"], row["user_id"])
    if facts == (f"/{way}", way, 7) and row["request_id"]:
        return "yes"
    if way == "middleware" and facts == ("/middleware", None, None) and row["request_id"]:
        return "yes ¹"
    if way in ("thread", "command") and facts == (None, None, None):
        return "yes ²"
    return f"with {facts}"


def test_each_server_with_one_way_to_fail(site: Site) -> None:
    for server in SERVERS:
        ask(site, server, server, ["stream"])
    found = rows(site)
    assert {server: cell(found, server, "stream") for server in SERVERS} == dict.fromkeys(SERVERS, "yes")
    assert sum(map(len, found.values())) == len(SERVERS)


@pytest.mark.slow
def test_the_whole_table_is_what_the_documentation_says(site: Site) -> None:
    put_middleware_inside(site)
    tries = {server: (server, "nobody") for server in SERVERS}
    tries |= {name: ("waitress", configure) for name, configure in THIRD_PARTIES.items()}
    for name, (server, configure) in tries.items():
        ask(site, server, name, PAGES, configure)
        fail_as_command(site, server, name, configure)
    found = rows(site)
    table = {name: [cell(found, name, way) for way in WAYS] for name in tries}
    seen = [f"| server, or third party | {' | '.join(WAYS)} |", f"| --- |{' --- |' * len(WAYS)}"]
    seen += [f"| {name} | {' | '.join(cells)} |" for name, cells in table.items()]
    documented = (ROOT / "docs" / "figures.md").read_text("utf-8")
    assert "\n".join(seen) in documented, "\n".join(seen)
    # No record was stored twice under another text, and no other record was made.
    assert sum(map(len, found.values())) == sum(each.startswith("yes") for cells in table.values() for each in cells)
