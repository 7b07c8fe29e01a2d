"""The pages work in a real browser, wide and narrow, light and dark, with JavaScript and without."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from browsing import OTHER_WIDTHS, RELEASE, WIDTHS, addresses, chromium, hardships, serve_shop, signed_in, watch
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect
from running import Site, serve

pytestmark = pytest.mark.slow

LOOKS: dict[str, Any] = {
    "light": {"media": {"color_scheme": "light"}, "widths": (*WIDTHS, *OTHER_WIDTHS)},
    "dark": {"media": {"color_scheme": "dark"}, "widths": WIDTHS},
}
#: The results of these rules depend on the style; the other rules check the markup, which is the same in every look.
RULES_OF_STYLE = ["color-contrast", "target-size", "link-in-text-block", "scrollable-region-focusable"]

#: Returns what is wider than the page, and tables with a column without cells, as after a cell was hidden.
OVERFLOWS = """() => {
  const wide = document.documentElement.scrollWidth > innerWidth ? ["the page"] : [];
  for (const table of document.querySelectorAll("table:has(tbody > tr)")) {
    const cells = [...table.querySelectorAll(":scope > tbody > tr:last-child > *")];
    const end = Math.max(...cells.map((cell) => cell.getBoundingClientRect().right));
    if (end < table.getBoundingClientRect().right - 2) wide.push(table.className);
  }
  return wide;
}"""

#: Returns the selected tabs and chips that look like their neighbours, the bars, marks and lights that look like the
#: page, and the number of bars and marks.
LOST_IN_FORCED_COLOURS = """() => {
  const style = (element) => getComputedStyle(element);
  const probe = document.body.appendChild(document.createElement("p"));
  probe.style.backgroundColor = "Canvas";
  const page = style(probe).backgroundColor;
  probe.remove();
  const isSeen = (colour) => colour !== page && colour !== "none" && !/^rgba.*, 0\\)$/.test(colour);
  const lost = [];
  for (const here of document.querySelectorAll(".ui-tabs [aria-current], .ui-chips [aria-current]")) {
    const other = here.parentElement.querySelector(":scope > a:not([aria-current])");
    if (other && style(here).borderBottomColor === style(other).borderBottomColor) lost.push(here.textContent);
  }
  const drawn = document.querySelectorAll(".ui svg :is(rect, path, line):not([class*=slot])");
  for (const bar of drawn) {
    if (!isSeen(style(bar).fill) && !isSeen(style(bar).stroke)) lost.push(bar.outerHTML);
  }
  for (const light of document.querySelectorAll(".ui-dot")) {
    if (!isSeen(style(light).backgroundColor)) lost.push(light.outerHTML);
  }
  return [lost, drawn.length];
}"""

#: The pages with a chart.
CHARTS = {"rows", "filtered", "problems", "back", "muted", "everything", "problem"}

#: Returns controls, which are of no use on paper, and texts that the paper cuts off.
PRINTED_IN_VAIN = """() => {
  const pressed = document.querySelectorAll("body > header, .ui-tabs, .ui-pager, .ui :is(button, input, select)");
  const cut = document.querySelectorAll(".ui-clip, .ui-code");
  return [
    ...[...pressed].filter((element) => element.checkVisibility()),
    ...[...cut].filter((element) => element.scrollWidth > element.clientWidth + 1),
  ].map((element) => element.outerHTML.slice(0, 200));
}"""

#: Numbers the elements that the keyboard must reach, a group of radio buttons as one, and returns how many there are.
FOCUSABLE = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
  const reachable = all.filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled
    && element.tabIndex >= 0 && element.type !== "hidden" && !(element.type === "radio" && !element.checked));
  reachable.forEach((element, number) => { element.dataset.number = number; });
  return reachable.length;
}"""

#: Returns the number of the focused element, whether its focus is visible, and its markup.
FOCUSED = """() => {
  const element = document.activeElement;
  const ringed = (style) => (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0)
    || style.boxShadow !== "none";
  const shown = ringed(getComputedStyle(element)) || ringed(getComputedStyle(element, "::after"));
  return [element.dataset.number, shown, element.outerHTML.slice(0, 200)];
}"""


@pytest.fixture(scope="module")
def site(default_project: Path, venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    project = shutil.copytree(default_project, tmp_path_factory.mktemp("browser") / "my_flask_app")
    with serve_shop(project, venv) as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def state(browser: Browser, site: Site) -> StorageState:
    return signed_in(browser, site)


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the source of axe-core, from the npm registry."""
    folder = tmp_path_factory.mktemp("axe")
    npm = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), "axe-core@4")
    subprocess.run(npm, check=True, capture_output=True)
    return (folder / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture
def context(browser: Browser, state: StorageState) -> Iterator[BrowserContext]:
    context = browser.new_context(storage_state=state, viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def test_from_the_demo_to_the_error(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/demo")
    complaints = watch(page, site)
    page.get_by_role("button", name="Fail half-way").click()
    page.get_by_role("link", name="log row").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Failed half-way through saving")
    expect(page.locator(".ui-here", has_text="raise RuntimeError")).to_be_visible()
    expect(page.get_by_text("library frame")).to_have_count(0)
    page.get_by_role("link", name="All of this request").click()
    expect(page.locator(".ui-row")).to_have_count(1)
    assert complaints == []

    page.goto(f"{site.url}/demo")
    with page.expect_response("**/demo/exception") as answer:
        page.get_by_role("button", name="Raise an exception").click()
    assert answer.value.status == 500
    page.goto(f"{site.url}/logs")
    page.locator(".ui-row", has_text="raised on purpose").first.click()
    expect(page.locator(".log-error", has_text="raised on purpose")).to_be_visible()
    folded = page.locator(".log-library").first
    expect(folded).not_to_have_attribute("open", "")
    folded.locator("summary").click()
    expect(folded.locator("li").first).to_be_visible()


def test_every_page(context: BrowserContext, site: Site, axe: str) -> None:
    for name, address in addresses(context, site).items():
        status = {"mistake": 400, "gone": 404}.get(name, 200)
        examine(context, site, name, address, axe, status)


def test_what_a_deploy_changes_is_on_the_pages_that_are_examined(page: Page, site: Site) -> None:
    found = addresses(page.context, site)
    page.goto(site.url + found["problems"])
    expect(page.locator(".problems-bar p")).to_contain_text(
        re.compile(rf"Deploy {RELEASE} .*\s+[1-9]\d* new, 1 came back")
    )
    new = page.locator(".problems-title", has_text="came without a table")
    expect(new.locator(".problems-mark", has_text="new")).to_have_count(1)
    expect(page.locator(".problems-mark", has_text="came back")).to_have_count(1)
    expect(page.get_by_role("button", name="Resolve in next deploy")).to_be_visible()
    assert page.locator(".problems-deploy").count() == page.locator(".problems-list .ui-row").count()
    page.goto(site.url + found["back"])
    expect(page.locator(".problems-mark", has_text="came back")).to_be_visible()
    expect(page.locator(".log-deploy")).not_to_have_count(0)
    expect(page.get_by_role("button", name="Resolve in the next deploy")).to_be_visible()
    expect(page.locator(".log-history")).to_contain_text(re.compile(rf"came back in {RELEASE}, \d+ (s|min) later"))
    expect(page.locator(".log-side dd", has_text="Firefox 131 · Linux")).to_be_visible()


def test_what_is_logged_reads_from_left_to_right(page: Page, site: Site) -> None:
    """The page around it may have either direction."""
    found = addresses(page.context, site)
    for name, *selectors in (
        ("rows", ".log-rows .ui-row"),
        ("problems", ".problems-list td.ui-main"),
        ("detail", "main h1", "pre"),
        ("hostile", "main h1", ".log-request a"),
        ("long", "main h1", "pre"),
        ("problem", "main h1", "pre", ".log-rows .ui-row"),
    ):
        page.goto(site.url + found[name])
        page.evaluate("document.documentElement.dir = 'rtl'")
        assert page.locator("main").evaluate("element => getComputedStyle(element).direction") == "rtl"
        for selector in selectors:
            lines = page.locator(selector)
            turned = lines.evaluate_all("all => all.map(each => getComputedStyle(each).direction)")
            assert set(turned) == {"ltr"}, f"{name}: {selector}"


def examine(context: BrowserContext, site: Site, name: str, address: str, axe: str, status: int) -> None:
    """Check a page in every respect; the checks that depend only on the style run again in each look."""
    page = context.new_page()
    complaints = watch(page, site)
    answer = page.goto(site.url + address)
    assert answer
    assert answer.status == status, name
    # A browser reports the page if it is itself an error page, and nothing else that belongs to the page.
    assert complaints == [each for each in complaints if f"with a status of {status}" in each][:1], name
    page.evaluate(axe)
    options: dict[str, Any] = {"rules": {"target-size": {"enabled": True}}}
    for look, settings in LOOKS.items():
        # Otherwise the colours would still be changing for a moment.
        page.emulate_media(reduced_motion="reduce", **settings["media"])
        for width in settings["widths"]:
            page.set_viewport_size({"width": width, "height": 900})
            where = f"{name}, {look}, {width} pixels wide"
            assert page.evaluate(OVERFLOWS) == [], where
            if width == 1920 and status == 200 and address.startswith(("/logs", "/audit")):
                used = page.locator("main").evaluate("element => element.getBoundingClientRect().width")
                assert used > 1900, f"{where}, of which {used} are used"
            if width in WIDTHS:
                found = page.evaluate("options => axe.run(options)", options | {"resultTypes": ["violations"]})
                assert found["violations"] == [], f"{where}: {json.dumps(found['violations'], indent=1)[:3000]}"
                options = {"runOnly": RULES_OF_STYLE}
    page.emulate_media(forced_colors="active")
    lost, drawn = page.evaluate(LOST_IN_FORCED_COLOURS)
    assert lost == [], f"{name}, forced colours"
    assert drawn or name not in CHARTS, f"{name} has no chart"
    page.emulate_media(forced_colors="none", media="print")
    assert page.evaluate(PRINTED_IN_VAIN) == [], f"{name}, printed"
    page.close()


def test_pages_with_little_to_show(
    browser: Browser, default_project: Path, venv: Path, tmp_path: Path, axe: str
) -> None:
    project = shutil.copytree(default_project, tmp_path / "my_flask_app")
    with serve(venv / "flask", "run", cwd=project) as site:
        context = browser.new_context(storage_state=signed_in(browser, site))
        for name, address in hardships(project):
            examine(context, site, name, address, axe, status=503 if name in ("tables-missing", "away") else 200)
        context.close()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(context: BrowserContext, site: Site) -> None:
    found = addresses(context, site)
    page = context.new_page()
    for name in ("filtered", "problems", "detail", "problem", "status", "trail", "account"):
        page.goto(site.url + found[name])
        reachable = page.evaluate(FOCUSABLE)
        reached = set()
        for _ in range(reachable):
            page.keyboard.press("Tab")
            number, is_shown, what = page.evaluate(FOCUSED)
            assert is_shown, f"{name}: nothing shows that {what} has the focus"
            reached.add(number)
        assert len(reached) == reachable, f"{name}: the keyboard reaches {len(reached)} of {reachable}"
    page.goto(site.url + found["problems"])
    page.get_by_role("link", name="Status").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/logs/status$"))


def test_nothing_is_offered_that_needs_a_script_which_is_not_there(
    browser: Browser, state: StorageState, site: Site
) -> None:
    context = browser.new_context(storage_state=state, java_script_enabled=False)
    page = context.new_page()
    for name, address in addresses(context, site).items():
        page.goto(site.url + address)
        assert page.locator("h1, .ui-facts").count() >= 1, name
        in_vain = page.locator("button:not(form button, [form])").filter(visible=True)
        assert in_vain.all_text_contents() == [], name
    context.close()


def test_keys(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/logs")
    rows = page.locator(".ui-row").filter(visible=True)
    first, second = rows.nth(0), rows.nth(1)
    page.keyboard.press("j")
    expect(first).to_be_focused()
    page.keyboard.press("j")
    expect(second).to_be_focused()
    page.keyboard.press("k")
    expect(first).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator("#log-search")).to_be_focused()
    page.keyboard.type("jk?")
    expect(page.locator("#log-search")).to_have_value("jk?")
    page.locator("h1").evaluate("element => document.activeElement.blur()")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/logs/\d+$"))


def test_keys_can_be_turned_off(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/logs")
    page.keyboard.press("?")
    page.get_by_label("Keys are off").check()
    page.get_by_role("button", name="Close").click()
    for address in ("/logs", "/logs/problems"):
        page.goto(site.url + address)
        page.keyboard.press("/")
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement === document.body")
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Keys are off").uncheck()
    page.get_by_role("button", name="Close").click()
    page.locator("h1").evaluate("element => document.activeElement.blur()")
    page.keyboard.press("j")
    expect(page.locator(".ui-row").first).to_be_focused()


@pytest.mark.parametrize("width", [640, 390])
def test_the_buttons_above_the_problems_begin_where_the_text_above_them_begins(
    page: Page, site: Site, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{site.url}/logs/problems")
    left = "element => element.getBoundingClientRect().left"
    assert page.locator(".problems-actions button").filter(visible=True).first.evaluate(left) == page.locator(
        ".problems-bar p"
    ).evaluate(left)


def test_keys_decide_about_problems(page: Page, site: Site) -> None:
    def listed() -> list[str]:
        found: list[str] = page.locator(".ui-row").evaluate_all("links => links.map(link => link.href)")
        return found

    page.goto(f"{site.url}/logs/problems?sort=rows")
    before = listed()
    for key in "jxjx":
        page.keyboard.press(key)
    expect(page.get_by_text("2 chosen")).to_be_visible()
    page.keyboard.press("e")
    expect(page.get_by_text("Resolved 2 problems.")).to_be_visible()
    assert listed()[0] == before[2]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: 2 problems are as before.")).to_be_visible()
    assert listed() == before
    page.keyboard.press("j")
    page.keyboard.press("m")
    expect(page.get_by_label("How long")).to_be_focused()
    page.get_by_label("How long").select_option("for 7 days")
    page.get_by_role("button", name="Mute", exact=True).click()
    expect(page.get_by_text("Muted 1 problem for 7 days.")).to_be_visible()
    assert listed()[0] == before[1]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: 1 problem is as before.")).to_be_visible()
    assert listed() == before


def test_going_back_shows_that_pages_filters(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/logs?q=order")
    page.fill("[name=find]", "14:05")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Remove the filter until")).to_be_visible()
    page.go_back()
    expect(page.locator("[name=find]")).to_have_value("order")
    page.goto(f"{site.url}/logs?logger=shop.mail&level=ERROR")
    page.get_by_role("link", name="Clear all").click()
    page.go_back()
    expect(page.locator("[name=logger]")).to_have_value("shop.mail")
    page.goto(f"{site.url}/logs/problems?level=ERROR")
    page.fill("[name=find]", "order")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}/logs/problems?level=ERROR&q=order")
    page.fill("[name=find]", "zebra")
    page.get_by_role("link", name="Warnings").click()
    expect(page).to_have_url(f"{site.url}/logs/problems?q=order")
    expect(page.locator("[name=find]")).to_have_value("order")
    page.go_back()
    expect(page.locator("[name=find]")).to_have_value("order")
    page.go_back()
    expect(page.locator("[name=find]")).to_have_value("")


def test_times_are_typed_and_picked_in_the_readers_zone(browser: Browser, state: StorageState, site: Site) -> None:
    context = browser.new_context(storage_state=state, timezone_id="Asia/Kolkata")
    page = context.new_page()
    page.goto(f"{site.url}/logs")
    page.fill("[name=find]", "2026-11-20 14:05")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"since=2026-11-20T08:30:00Z&until=2026-11-20T08:40:00Z"))
    expect(page.get_by_role("link", name="2026-11-20 14:00 UTC+5:30")).to_be_visible()
    page.get_by_text("Pick …").click()
    expect(page.get_by_text("in your time (UTC+5:30)")).to_be_visible()
    page.get_by_label("From").fill("2026-11-21T00:00")
    page.get_by_label("To", exact=True).fill("2026-11-22T00:00")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(f"{site.url}/logs?since=2026-11-20T18:30:00Z&until=2026-11-21T18:30:00Z")
    context.close()


def test_rows_of_one_problem_in_a_row_are_one_line(browser: Browser, state: StorageState, site: Site, axe: str) -> None:
    """It opens by a key or without JavaScript, shows what j and k go through, and is open on paper."""
    address = f"{site.url}/logs?logger=shop.mail"
    context = browser.new_context(storage_state=state, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(address)
    line = page.locator("tr:has(.log-like)").first
    rows = line.locator(".ui-row")
    folded = int((re.search(r"and (\d+) more like it until", line.inner_text()) or [""])[1])
    assert folded == rows.count() - 1 >= 3
    expect(rows.nth(1)).to_be_hidden()
    after = page.locator("tr:has(.log-like) + tr:not(.ui-day) .ui-row").first
    after.focus()
    page.keyboard.press("k")
    expect(rows.first).to_be_focused()
    page.keyboard.press("Tab")
    expect(line.locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    expect(rows.nth(1)).to_be_visible()
    page.evaluate(axe)
    rows.nth(1).evaluate("link => { link.querySelector('bdi').textContent = 'long '.repeat(99) }")
    for width in (*OTHER_WIDTHS, *WIDTHS):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(OVERFLOWS) == [], width
        found = page.evaluate('axe.run({rules: {"target-size": {enabled: true}}})')["violations"]
        assert found == [], f"{width} pixels wide: {json.dumps(found, indent=1)[:3000]}"
    rows.first.focus()
    for number in (1, 2):
        page.keyboard.press("j")
        expect(rows.nth(number)).to_be_focused()
    target = rows.nth(2).get_attribute("href")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}{target}")
    page.goto(address)
    page.emulate_media(media="print")
    expect(rows.nth(1)).to_be_visible()
    context.close()
    context = browser.new_context(storage_state=state, java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.locator(".log-like summary").first.click()
    item = page.locator(".log-like li").nth(1)
    target = item.locator("a").get_attribute("href")
    # All of its line is the link, as that of any row.
    item.click(position={"x": 5, "y": 5})
    expect(page).to_have_url(f"{site.url}{target}")
    context.close()


def test_a_folded_row_of_another_day_names_it(browser: Browser, state: StorageState, site: Site) -> None:
    """The days above the rows are the reader's, and a line may fold rows from both sides of a midnight there."""
    context = browser.new_context(storage_state=state, timezone_id="Asia/Tokyo")
    page = context.new_page()
    script = page.request.get(f"{site.url}/components/static/times.js").text()

    def time(clock: str, kind: str = "time") -> str:
        return f'<time datetime="2026-11-20T{clock}.000Z" data-clock="{kind}"></time>'

    page.set_content(
        '<div class="ui"><table><tbody><tr class="ui-day"><th><time data-day></time></th></tr>'
        f"<tr><td>{time('15:10:00')}</td><td><details open><summary>{time('14:30:00', 'short')}</summary>"
        f"<p>{time('15:05:00')}</p><p>{time('14:30:00')}</p></details></td></tr>"
        f"<tr><td>{time('14:20:00')}</td></tr></tbody></table></div>"
    )
    page.add_script_tag(content=script)
    assert page.locator("time").all_text_contents() == [
        "Saturday 21 November",
        "00:10:00.000",
        "2026-11-20 23:30",
        "00:05:00.000",
        "2026-11-20 23:30:00.000",
        "Friday 20 November",
        "23:20:00.000",
    ]
    context.close()


def test_around_a_moment_lands_on_the_row(page: Page, site: Site) -> None:
    page.goto(site.url + addresses(page.context, site)["detail"])
    page.get_by_role("link", name="Around this moment").click()
    row = page.locator("tr:target")
    expect(row).to_have_attribute("aria-current", "true")
    expect(row).to_be_in_viewport()


def test_news_are_said_and_nothing_moves(page: Page, site: Site) -> None:
    page.clock.install()
    page.goto(f"{site.url}/logs?level=WARNING")
    before = page.locator(".ui-row").first.bounding_box()
    other = page.context.new_page()
    other.goto(f"{site.url}/demo")
    other.get_by_role("button", name="Log a warning").click()
    page.clock.fast_forward(11_000)
    link = page.get_by_role("link", name="new row")
    expect(link).to_be_visible()
    assert page.locator(".ui-row").first.bounding_box() == before
    link.click()
    expect(page.locator(".ui-row").first).to_contain_text("coffee")


def test_copying(page: Page, site: Site) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(site.url + addresses(page.context, site)["detail"])
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "PaymentRefused: order 4712" in copied
    assert page.url in copied
    page.keyboard.press("y")
    expect(page.get_by_role("button", name="Copied")).to_have_count(2)
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_times_are_the_readers(browser: Browser, state: StorageState, site: Site) -> None:
    """Clock times and the days above them are in the reader's zone, titles in UTC; the page names the zone once."""
    context = browser.new_context(storage_state=state, timezone_id="Asia/Tokyo", locale="de-DE")
    page = context.new_page()
    # Around a row no rows are folded.
    middle = page.request.get(f"{site.url}/logs.json").json()["entries"][-1]["id"]
    moments = page.request.get(f"{site.url}/logs.json?around={middle}").json()["entries"]
    there = [datetime.fromisoformat(each["created_at"]).astimezone(ZoneInfo("Asia/Tokyo")) for each in moments]
    expected = []
    for day, group in groupby(there, lambda moment: f"{moment:%A} {moment.day} {moment:%B}"):
        expected += [day, *(f"{moment:%H:%M:%S.%f}"[:-3] for moment in group)]
    page.goto(f"{site.url}/logs?around={middle}")
    assert page.locator("tbody time").all_text_contents() == expected
    expect(page.get_by_text("times are yours (UTC+9), hover for UTC")).to_have_count(1)
    age, utc = (page.locator("[data-clock]").first.get_attribute("title") or "").split("\n")
    assert re.fullmatch(r"\d+ (s|min|h) ago", age)
    assert utc.endswith(f" {moments[0]['created_at'][11:19]}.{moments[0]['created_at'][20:23]} UTC")
    changes = page.request.get(f"{site.url}/audit.json").json()["entries"]
    page.goto(f"{site.url}/audit")
    times = page.locator("tbody time[data-clock]")
    there = [datetime.fromisoformat(each["created_at"]).astimezone(ZoneInfo("Asia/Tokyo")) for each in changes]
    assert times.all_text_contents() == [f"{moment:%H:%M:%S.%f}"[:-3] for moment in there]
    _, utc = (times.first.get_attribute("title") or "").split("\n")
    assert utc.startswith(f"{changes[0]['created_at'][:10]} {changes[0]['created_at'][11:19]}.")
    assert page.locator("tbody time[data-day]").first.text_content() == f"{there[0]:%A} {there[0].day} {there[0]:%B}"
    expect(page.get_by_text("times are yours (UTC+9), hover for UTC")).to_have_count(1)
    page.goto(f"{site.url}/logs/problems")
    assert " UTC+9" in (page.locator(".ui-rows time").first.get_attribute("title") or "")
    problem = page.request.get(f"{site.url}/logs/problems.json").json()["problems"][0]
    page.goto(f"{site.url}/logs/problems/{problem['id']}")
    since = datetime.fromisoformat(problem["first_seen"]).astimezone(ZoneInfo("Asia/Tokyo"))
    expect(page.locator(".log-figures dt", has_text="since").first).to_have_text(re.compile(f"{since: %H:%M}$"))
    context.close()


def test_without_javascript(browser: Browser, state: StorageState, site: Site) -> None:
    context = browser.new_context(storage_state=state, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/logs")
    expect(page.get_by_role("button", name="Keys")).to_be_hidden()
    expect(page.get_by_text("times are UTC")).to_have_count(1)
    page.fill("[name=find]", "payment")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(f"{site.url}/logs?q=payment")
    page.get_by_role("link", name="Errors").click()
    expect(page).to_have_url(f"{site.url}/logs?q=payment&level=ERROR")
    page.get_by_role("link", name="Remove the filter message").click()
    page.get_by_role("link", name="Clear all").click()
    page.get_by_role("link", name="Older").click()
    page.get_by_role("link", name="Newer").click()
    page.locator(".ui-row", has_text="Payment of order").first.click()
    expect(page.locator(".ui-here").first).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()
    page.get_by_role("link", name="As text").click()
    expect(page.get_by_text("ConnectionResetError: the bank closed the connection")).to_be_visible()
    page.go_back()
    page.locator(".log-place a").click()
    page.get_by_role("button", name="Resolve", exact=True).click()
    expect(page.locator(".ui-head .ui-chip")).to_have_text("Resolved")
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator(".ui-head .ui-chip")).to_have_text("Open")
    page.get_by_text("Hand over").click()
    expect(page.get_by_label("Markdown")).to_be_visible()
    page.get_by_text("Mute …").click()
    page.get_by_role("button", name="for 7 days").click()
    expect(page.get_by_role("status")).to_have_text("Muted 1 problem for 7 days.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".ui-head .ui-chip")).to_have_text("Open")
    page.get_by_label("Note").fill("The bank is told.")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator(".log-history blockquote")).to_have_text("The bank is told.")
    context.close()
