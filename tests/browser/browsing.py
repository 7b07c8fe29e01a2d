"""Open a real browser on a site that has records in its log."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, StorageState, ViewportSize, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from running import Site, serve  # noqa: E402 (found by the line above when this is no test)

RELEASE = "9f2c1ab"
PASSWORD = "correct horse battery staple"
WIDTHS = (1280, 375)
#: At these widths columns appear or disappear; the last is a wide screen.
OTHER_WIDTHS = (641, 700, 768, 896, 1920)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@contextmanager
def chromium() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def serve_shop(project: Path, bin_folder: Path) -> Iterator[Site]:
    """Serve the project after a day of its shop and a deploy; nobody has made the first admin yet."""
    shutil.copy(HERE / "shop.py", project)
    with serve(bin_folder / "flask", "run", cwd=project, env={"RELEASE": RELEASE}) as site:
        command = (bin_folder / "python", "shop.py")
        subprocess.run(command, cwd=project, env=os.environ | {"RELEASE": RELEASE}, check=True)
        yield site


@contextmanager
def serve_month(project: Path, bin_folder: Path, offset: int) -> Iterator[Site]:
    """Serve the project after a month of a small shop; its admin is ada.

    :param offset: the number of hours by which the shop's time is ahead of UTC
    """
    for source in Path(shutil.copytree(HERE / "small_shop", project / "small_shop")).iterdir():
        # Pages show no lines of a source that is newer than the record.
        os.utime(source, (0, 0))
    with serve(bin_folder / "flask", "run", cwd=project, env={"RELEASE": RELEASE}) as site:
        month = (bin_folder / "python", "-m", "small_shop.month", str(offset), PASSWORD)
        subprocess.run(month, cwd=project, check=True)
        yield site


def afternoon() -> int:
    """Return the number of hours by which a place is ahead of UTC where it is about four in the afternoon.

    For a visitor who lives there, no test runs past midnight, and 14:05 was today.
    """
    offset = 16 - datetime.now(UTC).hour
    return offset - 24 if offset > 12 else offset


def log_in(context: BrowserContext, site: Site) -> None:
    """Log in as the admin; the first login of all makes the account."""
    page = context.new_page()
    page.goto(f"{site.url}/login")
    if page.locator("[name=token]").count():
        page.fill("[name=token]", site.first_admin_token())
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.close()


def signed_in(browser: Browser, site: Site) -> StorageState:
    """Return the cookies of the admin."""
    context = browser.new_context()
    log_in(context, site)
    state = context.storage_state()
    context.close()
    return state


def looks(browser: Browser, state: StorageState) -> Iterator[tuple[str, BrowserContext]]:
    """Yield the admin's browser in all widths, light and dark, in forced colours, and as it prints."""
    for width, scheme in ((width, scheme) for scheme in SCHEMES for width in (*WIDTHS, *OTHER_WIDTHS)):
        viewport = ViewportSize(width=width, height=900)
        context = browser.new_context(storage_state=state, viewport=viewport, color_scheme=scheme)
        yield f"{width}-{scheme}", context
        context.close()
    for scheme in SCHEMES:
        context = browser.new_context(storage_state=state, color_scheme=scheme, forced_colors="active")
        yield f"forced-{scheme}", context
        context.close()
    context = browser.new_context(storage_state=state)
    context.on("page", lambda page: page.emulate_media(media="print"))
    yield "printed", context
    context.close()


def addresses(context: BrowserContext, site: Site) -> dict[str, str]:
    """Return the address of one page of each kind that uses the components."""
    entries = context.request.get(f"{site.url}/logs.json?level=ERROR").json()["entries"]
    error = next(entry for entry in entries if "PaymentRefused" in str(entry["exception"]))
    hostile = context.request.get(f"{site.url}/logs.json?logger=shop.guestbook").json()["entries"]
    problem = f"/logs/problems/{error['problem']}"
    [back] = context.request.get(f"{site.url}/logs/problems.json?status=came-back").json()["problems"]
    return {
        "rows": "/logs",
        "filtered": "/logs?level=WARNING&logger=shop.orders&since=12h",
        "search": "/logs?q=order&since=7d",
        "folded": "/logs?logger=shop.mail",
        "sought": "/logs/problems?q=order&level=INFO",
        "nothing": "/logs?level=CRITICAL&logger=shop.mail",
        "around": f"/logs?around={error['id']}",
        "detail": f"/logs/{error['id']}",
        "hostile": f"/logs/{hostile[-1]['id']}",
        "long": f"/logs/{hostile[0]['id']}",
        "problems": "/logs/problems",
        "muted": "/logs/problems?status=muted",
        "everything": "/logs/problems?status=all&level=INFO&sort=rows",
        "problem": problem,
        "back": f"/logs/problems/{back['id']}",
        "status": "/logs/status",
        "mistake": "/logs?since=banana",
        "trail": "/audit?model=User",
        "changed": "/audit?field=email&since=30d",
        "history": "/audit/User/1",
        "posts": "/posts",
        "account": "/account",
        "demo": "/demo",
        "gone": "/logs/999999999",
        "password": "/account/password",
        "home": "/",
    }


def hardships(project: Path) -> Iterator[tuple[str, str]]:
    """Yield name and address of the pages with little to show; the site's databases change from one to the next."""
    with closing(sqlite3.connect(project / "instance/log.db", isolation_level=None)) as log:
        yield "empty", "/logs"
        yield "no-problems", "/logs/problems"
        log.execute(
            "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 3000)"
            " INSERT INTO log_entry (event_id, created_at, level, logger, message, fingerprint)"
            " SELECT n, datetime('now', '-3 days') || '.000000', 40, 'shop', 'the coffee is cold', '1-shop' FROM number"
        )
        yield "quiet", "/logs"
        yield "searched", "/logs?q=zebra&since=all"
        (project / "instance/journal").mkdir(mode=0o700, exist_ok=True)
        (project / "instance/journal/quarantine.ndjson").write_text('{"record": {"time": 1767322800.0}}\n')
        yield "degraded", "/logs/status"
        with renamed(log, "log_entry"):
            yield "tables-missing", "/logs"
    with closing(sqlite3.connect(project / "instance/app.db", isolation_level=None)) as data, renamed(data, "users"):
        yield "away", "/logs"


@contextmanager
def renamed(database: sqlite3.Connection, table: str) -> Iterator[None]:
    database.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    yield
    database.execute(f"ALTER TABLE elsewhere RENAME TO {table}")


def watch(page: Page, site: Site) -> list[str]:
    """Return a list of what the browser complains about from now on: errors, violations of the policy, other hosts."""
    complaints: list[str] = []
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective))"
    )
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if at_home(request.url, site) else complaints.append(request.url))
    return complaints


def at_home(url: str, site: Site) -> bool:
    return url.startswith((site.url, "data:", "about:")) or bool(re.match("blob:", url))
