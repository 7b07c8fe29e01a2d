"""Everyday jobs with the log of a small shop's month each take at most three clicks.

Each job begins at /logs, one also at the problems, where "Log" leads, with nothing focused, and ends when the answer is
on the page. These count as a click: a click of the mouse (two for a choice from a list, which opens first), a key that
does something, and Enter after a text. Typing or pasting a text into a focused box does not count. A listener in the
page counts the clicks, not this file.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import afternoon, chromium, serve_month, signed_in
from playwright.sync_api import Page, expect
from running import Site

pytestmark = pytest.mark.slow

#: small_shop/month.py gives a request this id.
REQUEST = "7d1f3c0a9b2e4f58a1c6d0e7b3f29a41"
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
def offset() -> int:
    """Return the hours by which the shop's time is ahead of UTC, the same for all tests even if an hour ends."""
    return afternoon()


@pytest.fixture(scope="module")
def site(default_project: Path, venv: Path, offset: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    project = shutil.copytree(default_project, tmp_path_factory.mktemp("jobs") / "my_flask_app")
    with serve_month(project, venv, offset) as site:
        yield site


@pytest.fixture(scope="module")
def page(site: Site, offset: int) -> Iterator[Page]:
    """Return a page of ada, who lives in the shop's zone."""
    with chromium() as browser:
        # The zone's name has the sign that POSIX uses: it is negative for zones ahead of UTC.
        context = browser.new_context(
            storage_state=signed_in(browser, site),
            viewport={"width": 1280, "height": 900},
            timezone_id=f"Etc/GMT{-offset:+}",
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(10_000)
        context.add_init_script(COUNT)
        yield context.new_page()
        context.close()


@contextmanager
def job(page: Page, site: Site, clicks: int, begin: str = "/logs") -> Iterator[None]:
    """Begin a job at a page; at the end check that it took no more clicks than allowed."""
    page.goto(site.url + begin)
    page.evaluate("sessionStorage.clicks = 0")
    yield
    assert page.evaluate("Number(sessionStorage.clicks)") == clicks <= MOST_CLICKS


@pytest.mark.parametrize("begin", ["/logs", "/logs/problems"])
def test_request_of_yesterday(page: Page, site: Site, begin: str) -> None:
    """A customer has sent the id of a request that failed yesterday."""
    with job(page, site, clicks=2, begin=begin):
        page.locator("#log-search").click()
        page.keyboard.insert_text(REQUEST)
        page.keyboard.press("Enter")
        rows = page.locator(".ui-row")
        expect(rows).to_have_count(3)
        for row, said in zip(
            range(3), ("BankUnreachable https://api.sparkbank.example", "The bank took 9.7 s", "Order"), strict=True
        ):
            expect(rows.nth(row)).to_contain_text(said)


def test_what_happened_at_14_05(page: Page, site: Site) -> None:
    with job(page, site, clicks=2):
        page.locator("#log-search").click()
        page.keyboard.insert_text("14:05")
        page.keyboard.press("Enter")
        row = page.locator("tr:has(.ui-row)", has_text="JSONDecodeError")
        expect(row).to_contain_text("14:05:12.0")
        expect(row).to_contain_text("guido")


def test_new_since_the_deploy(page: Page, site: Site) -> None:
    with job(page, site, clicks=2):
        page.get_by_role("link", name="Problems").click()
        page.get_by_role("link", name="New since").click()
        rows = page.locator("tr:has(.ui-row)")
        expect(rows).to_have_count(3)
        for place in ("checkout ·", "redeem ·"):
            alike = rows.filter(has_text="AttributeError: 'NoneType' object has no attribute 'split'")
            expect(alike.filter(has_text=place)).to_have_count(1)
        expect(rows.filter(has_text="ValueError: not enough values to unpack (expected 2, got 1)")).to_have_count(1)


def test_which_problem_hits_most_users(page: Page, site: Site) -> None:
    with job(page, site, clicks=2):
        page.get_by_role("link", name="Problems").click()
        page.get_by_role("link", name="Most users").click()
        first = page.locator("tr:has(.ui-row)").first
        expect(first).to_contain_text("BankUnreachable")
        expect(first.locator("[data-label=users]")).to_have_text("51")


def test_still_there_after_the_fix(page: Page, site: Site) -> None:
    """Of the resolved problems one came back and one did not."""
    with job(page, site, clicks=2):
        page.get_by_role("link", name="Problems").click()
        page.get_by_role("link", name=re.compile("^Came back")).click()
        expect(page.locator("tr:has(.ui-row)")).to_have_count(1)
        expect(page.locator("tr:has(.ui-row)")).to_contain_text("Connection refused")


def test_send_a_problem_to_a_colleague(page: Page, site: Site) -> None:
    with job(page, site, clicks=2):
        page.locator(".ui-row", has_text="ValueError").first.click()
        page.get_by_role("button", name="Copy as Markdown").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert "not enough values to unpack (expected 2, got 1)" in copied
        assert "small_shop/views.py" in copied
        assert f"{site.url}/logs/" in copied
        assert "9f2c1ab" in copied


def test_mute_a_bot(page: Page, site: Site) -> None:
    """No list and no count has the bot's rows any more, and the page says so."""
    refused, total = "Refused API call", page.locator(".log-bar strong")
    with job(page, site, clicks=3):
        before = int(total.inner_text())
        page.locator("tr:has(.ui-row)", has_text=refused).first.locator(".ui-number a").click()
        page.get_by_text("Mute …").click()
        page.get_by_role("button", name="for good").click()
        expect(page.get_by_text("Muted 1 problem")).to_be_visible()
    page.goto(f"{site.url}/logs")
    expect(page.locator(".ui-row").first).to_be_visible()
    expect(page.locator(".ui-row", has_text=refused)).to_have_count(0)
    hidden = re.search(r"(\d+) rows of 1 problem", page.get_by_role("link", name="Hide muted").inner_text())
    assert hidden
    assert before - int(total.inner_text()) == int(hidden[1]) > 0


def test_who_changed_this_email(page: Page, site: Site) -> None:
    with job(page, site, clicks=3):
        page.get_by_role("link", name="Audit").click()
        page.get_by_label("Field").click()
        page.keyboard.insert_text("email")
        page.keyboard.press("Enter")
        change = page.locator("tr:has(.audit-who)", has_text="linus@workshop.example")
        expect(change).to_contain_text("linus@mail.example → linus@workshop.example")
        expect(change.locator(".audit-who")).to_have_text("grace")


def test_is_the_log_healthy(page: Page, site: Site) -> None:
    with job(page, site, clicks=1):
        page.get_by_role("link", name="Status").click()
        expect(page.locator(".ui-chip").first).to_have_text("Ok")
        for fact, value in (("Rows", r"^4,\d{3}$"), ("Newest row", "(s|min|h) ago$"), ("Dropped", "^0$")):
            expect(page.locator("dl > div", has_text=fact).first.locator("dd")).to_have_text(re.compile(value))
