"""Pages name a browser if they know it, and otherwise show what it sent."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import User
from app.dblog.viewer.browsers import name_browser

from ..conftest import login
from .log_rows import problem_id, put, row

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "(iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
MAC = "(Macintosh; Intel Mac OS X 10_15_7)"
WINDOWS = "(Windows NT 10.0; Win64; x64)"
NAMES = {
    "(Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0": "Firefox 131 · Windows",
    "(X11; Ubuntu; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0": "Firefox 131 · Linux",
    "(Macintosh; Intel Mac OS X 10.15; rv:131.0) Gecko/20100101 Firefox/131.0": "Firefox 131 · macOS",
    "(Android 14; Mobile; rv:131.0) Gecko/131.0 Firefox/131.0": "Firefox 131 · Android",
    f"{IPHONE} FxiOS/131.0 Mobile/15E148 Safari/605.1.15": "Firefox 131 · iOS",
    f"{WINDOWS} {WEBKIT} Chrome/131.0.0.0 Safari/537.36": "Chrome 131 · Windows",
    f"(X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/131.0.0.0 Safari/537.36": "Chrome 131 · ChromeOS",
    f"(Linux; Android 10; K) {WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36": "Chrome 131 · Android",
    f"{IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1": "Chrome 131 · iOS",
    f"{WINDOWS} {WEBKIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.2903.51": "Edge 131 · Windows",
    f"{MAC} {WEBKIT} Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0": "Opera 115 · macOS",
    f"(Linux; Android 10; K) {WEBKIT} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36": (
        "Samsung Internet 27 · Android"
    ),
    f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15": "Safari 18 · macOS",
    f"{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1": "Safari 18 · iOS",
}
BOT = "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
OTHERS = (
    *("python-requests/2.31", "curl/8.5.0", "", "Mozilla/5.0", "Mozilla/5.0 ()", f"Mozilla/5.0 {BOT}"),
    f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) {WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36 {BOT}",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Chrome/116.0.1938.76 Safari/537.36",
    f"Mozilla/5.0 {WINDOWS} {WEBKIT} HeadlessChrome/131.0.0.0 Safari/537.36",
    f"Mozilla/5.0 {WINDOWS} {WEBKIT} Chrome/131.0.0.0 Safari/537.36 Vivaldi/7.0",
    f"Mozilla/5.0 {WINDOWS} {WEBKIT} Chrome/131.0.0.0 Safari/537.36 Bot",
    f"Mozilla/5.0 (Linux; Android 14; K; wv) {WEBKIT} Version/4.0 Chrome/131.0.0.0 Mobile Safari/537.36",
    f"Mozilla/5.0 (PlayStation 5) {WEBKIT} Chrome/131.0.0.0 Safari/537.36",
    f"Mozilla/5.0 {WINDOWS} {WEBKIT} Chrome/x Safari/537.36",
    f"Mozilla/5.0 {WINDOWS} {WEBKIT} Chrome/131.0.0.0 Safari/537.36\n",
)


@pytest.mark.parametrize(("sent", "name"), NAMES.items())
def test_the_usual_browsers_have_their_names(sent: str, name: str) -> None:
    assert name_browser(f"Mozilla/5.0 {sent}") == name


@pytest.mark.parametrize("sent", OTHERS)
def test_what_is_not_sure_stays_as_it_was_sent(sent: str) -> None:
    assert name_browser(sent) == sent


def test_pages_have_the_name_and_in_its_title_what_was_sent(app: Flask, client: FlaskClient, admin: User) -> None:
    login(client, admin)
    sent = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
    [number] = put(app, row(user_agent=sent, method="GET", path="/", request_id="r-1"))
    [other] = put(app, row(user_agent='curl/8 "<b>\x1b', method="GET", path="/", request_id="r-2"))
    for address in ("/logs/{}", f"/logs/problems/{problem_id(app)}?row={{}}"):
        shown = client.get(address.format(number)).text
        assert f'<dt>Browser</dt><dd><span title="{sent}"><bdi>Firefox 131 · Linux</bdi></span></dd>' in shown
        assert "curl/8 &#34;&lt;b&gt;\\x1b</bdi>" in client.get(address.format(other)).text
