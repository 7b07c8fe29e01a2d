"""What people open a log for: nine everyday jobs on a month of a small shop, each done with at most three clicks.

Each begins at /logs, with nothing focused, and ends when the answer is on the page. A click is what a hand does to the
page: a click of the mouse (two for a choice from a list, which opens first), a key that does something, and Enter after
a text. To type or paste a text into a box that has the focus is none. A listener in the page counts, not this file.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import afternoon, chromium, serve_month, signed_in
from playwright.sync_api import Page, expect
from running import Site

pytestmark = pytest.mark.slow

MOST_CLICKS = 3
COUNT = """
const count = more => sessionStorage.clicks = Number(sessionStorage.clicks || 0) + more
addEventListener("click", event => event.isTrusted && event.detail && count(1), true)
addEventListener("change", event => event.target.matches("select") && count(2), true)
addEventListener("keydown", event => {
  const types = event.target.matches("input:not([type=checkbox], [type=radio]), textarea") && event.key != "Enter"
  if (!types && !["Shift", "Control", "Alt", "Meta"].includes(event.key)) count(1)
}, true)
"""


@pytest.fixture(scope="module")
def site(default_project: Path, venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    project = shutil.copytree(default_project, tmp_path_factory.mktemp("jobs") / "my_flask_app")
    with serve_month(project, venv, afternoon()) as site:
        yield site


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Page]:
    """The page of ada, who is where the shop is."""
    with chromium() as browser:
        # The zone's name has the sign of POSIX: where it is later than in UTC it is negative.
        context = browser.new_context(
            storage_state=signed_in(browser, site),
            viewport={"width": 1280, "height": 900},
            timezone_id=f"Etc/GMT{-afternoon():+}",
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(10_000)
        context.add_init_script(COUNT)
        yield context.new_page()
        context.close()


@contextmanager
def job(page: Page, site: Site, clicks: int) -> Iterator[None]:
    """Begin at /logs; at the end so many clicks have been made, and no more than are allowed."""
    page.goto(f"{site.url}/logs")
    page.evaluate("sessionStorage.clicks = 0")
    yield
    assert page.evaluate("Number(sessionStorage.clicks)") == clicks <= MOST_CLICKS


def test_who_changed_this_email(page: Page, site: Site) -> None:
    with job(page, site, clicks=1):
        page.get_by_role("link", name="Audit").click()
        change = page.locator("tr:has(.audit-who)", has_text="linus@workshop.example")
        expect(change).to_contain_text("linus@mail.example → linus@workshop.example")
        expect(change.locator(".audit-who")).to_have_text("grace")


def test_is_the_log_healthy(page: Page, site: Site) -> None:
    with job(page, site, clicks=1):
        page.get_by_role("link", name="Status").click()
        expect(page.locator(".ui-chip").first).to_have_text("Ok")
