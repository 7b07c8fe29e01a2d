"""The application knows its host, port, prefix and scheme, whether visitors, servers or proxies name them."""

import re
from collections.abc import Callable
from functools import partial
from http.cookies import SimpleCookie

import pytest
from flask import Flask, request, url_for
from werkzeug.test import TestResponse

from app.accounts.models import User
from app.proxies import NO_TRUSTED_HOSTS

from .conftest import KEY, PASSWORD, csrf_token

EVIL = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
}


def add_facts(app: Flask) -> Flask:
    """Give the application a page that shows its own address and its visitor's, as it knows them."""

    @app.get("/facts")
    def facts() -> list[str | None]:
        return [url_for("facts", _external=True), request.remote_addr]

    return app


@pytest.mark.parametrize(
    ("config", "headers", "expected"),
    [
        ({}, EVIL, ["http://localhost/facts", "127.0.0.1"]),
        ({"PROXY_HEADERS": "host,port,prefix"}, EVIL, ["http://localhost/facts", "127.0.0.1"]),
        ({"PROXY_HOPS": 1}, EVIL, ["https://localhost/facts", "203.0.113.7"]),
        (
            {"PROXY_HOPS": 1, "PROXY_HEADERS": "Host, prefix"},
            {"X-Forwarded-Host": "example.org:8443", "X-Forwarded-Port": "1", "X-Forwarded-Prefix": "/shop/"},
            ["http://example.org:8443/shop/facts", "127.0.0.1"],
        ),
        (
            {"PROXY_HOPS": 1, "PROXY_HEADERS": ["port"]},
            {"X-Forwarded-Port": "8443", "X-Forwarded-Proto": "https"},
            ["https://localhost:8443/facts", "127.0.0.1"],
        ),
        # With two proxies the visitor's own values come before those that the proxies add.
        ({"PROXY_HOPS": 2}, {"X-Forwarded-For": "evil, 192.0.2.1, 10.0.0.1"}, ["http://localhost/facts", "192.0.2.1"]),
        ({"PROXY_HOPS": 1}, {"X-Forwarded-Proto": "javascript"}, ["http://localhost/facts", "127.0.0.1"]),
    ],
)
def test_what_is_believed_of_a_proxy(
    make_app: Callable[..., Flask], config: dict[str, object], headers: dict[str, str], expected: list[str]
) -> None:
    client = add_facts(make_app(**config)).test_client()
    assert client.get("/facts", headers=headers).json == expected


@pytest.mark.parametrize(
    "prefix",
    ["//evil.example", "/shop//evil.example", "evil", "/..", "/a/../b", "/a?b", "/a b", "/\\evil.example", "/é"],
)
def test_a_prefix_is_segments_of_a_path_or_refused(app: Flask, make_app: Callable[..., Flask], prefix: str) -> None:
    client = make_app(PROXY_HOPS=1, PROXY_HEADERS="prefix").test_client()
    for path in ("/logs", "/", "/absent"):
        answer = client.get(path, headers={"X-Forwarded-Prefix": prefix})
        assert answer.status_code == 400
        assert "/shop" in answer.text
        assert 'href="/"' in answer.text
        # The server names the prefix instead.
        assert client.get(path, environ_overrides={"SCRIPT_NAME": prefix}).status_code == 400


HOSTS = [
    "a..b",
    "x" * 64,
    f"{'x' * 64}.org:80",
    "..",
    ".a",
    "a@localhost",
    "localhost:99999",
    "[::1",
    "é",
    "-",
    "",
    "a b",
    "localhost@evil.example",
    "evil.example/..",
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("trusted", ["", "localhost"])
def test_no_host_is_an_error_of_the_server(
    app: Flask, make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture, host: str, trusted: str
) -> None:
    client = make_app(TRUSTED_HOSTS=trusted, DEBUG=True).test_client()
    for path in ("/", "/login", "/absent", "/account//password", "/absent.json"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code < 500
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if trusted:
            assert answer.status_code == 400
        assert "evil" not in answer.headers.get("Location", "")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_probes_are_answered_by_address(make_app: Callable[..., Flask]) -> None:
    client = make_app(TRUSTED_HOSTS=".example.org,example.com").test_client()
    for path in ("/healthz", "/readyz"):
        assert client.get(path, headers={"Host": "10.0.0.7:8000"}).json
    assert client.get("/login", headers={"Host": "10.0.0.7:8000"}).status_code == 400


@pytest.mark.parametrize(
    ("config", "count"),
    [({}, 1), ({"TRUSTED_HOSTS": "localhost"}, 0), ({"DEBUG": True}, 0), ({"TESTING": True}, 0)],
)
def test_missing_names_are_warned_of_once_outside_debug_and_tests(
    make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture, config: dict[str, object], count: int
) -> None:
    settings = {"TESTING": False, "DEBUG": False, "SECRET_KEY": KEY, "LOG_FILE": ""} | config
    make_app(**settings).test_cli_runner().invoke(args=["user", "list"])
    assert caplog.messages.count(NO_TRUSTED_HOSTS) == 0
    app = make_app(**settings)
    for _ in range(3):
        app.test_client().get("/healthz")
    assert caplog.messages.count(NO_TRUSTED_HOSTS) == count


# A site at https://shop.example:8443/shop, as a browser sees it


@pytest.fixture(params=["the server's SCRIPT_NAME", "X-Forwarded-Prefix and -Port", "X-Forwarded-Prefix and -Host"])
def below(request: pytest.FixtureRequest, app: Flask, make_app: Callable[..., Flask]) -> Callable[..., TestResponse]:
    """Return a client that opens pages of the site below its prefix; it is given their paths without the prefix."""
    settings = {"TRUSTED_HOSTS": "shop.example", "PROXY_HOPS": 1, "SESSION_COOKIE_SECURE": True}
    proxy = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_HOST": "shop.example:8443"}
    if request.param == "the server's SCRIPT_NAME":
        proxy |= {"SCRIPT_NAME": "/shop"}
    elif "Port" in request.param:
        settings["PROXY_HEADERS"] = "port,prefix"
        proxy |= {"HTTP_HOST": "shop.example", "HTTP_X_FORWARDED_PORT": "8443", "HTTP_X_FORWARDED_PREFIX": "/shop"}
    else:
        settings["PROXY_HEADERS"] = "host,prefix"
        proxy |= {
            "HTTP_HOST": "10.0.0.7",
            "HTTP_X_FORWARDED_HOST": "shop.example:8443",
            "HTTP_X_FORWARDED_PREFIX": "/shop",
        }
    client = make_app(**settings).test_client(use_cookies=False)
    return partial(client.open, environ_overrides=proxy)


def test_a_site_below_a_prefix(below: Callable[..., TestResponse], admin: User) -> None:
    sent = below("/logs?level=ERROR")
    assert (sent.status_code, sent.headers["Location"]) == (302, "/shop/login?next=/shop/logs?level%3DERROR")

    page = below("/login")
    addresses = re.findall(r'(?:href|src|action)="([^"]*)"', page.text)
    assert addresses
    assert [address for address in addresses if not address.startswith(("/shop/", "#"))] == []
    assert 'href="/shop/login" aria-current="page"' in page.text
    cookie = SimpleCookie(page.headers["Set-Cookie"])
    [(name, session)] = cookie.items()
    assert "/shop/login".startswith(session["path"])
    assert session["secure"]

    form = {"csrf_token": csrf_token(page.text), "username": admin.username, "password": PASSWORD}
    headers = {"Cookie": f"{name}={session.value}", "Referer": "https://shop.example:8443/shop/login"}
    entered = below("/login?next=/shop/logs", method="POST", data=form, headers=headers)
    assert (entered.status_code, entered.headers["Location"]) == (302, "/shop/logs")
    [(name, session)] = SimpleCookie(entered.headers["Set-Cookie"]).items()
    inside = below("/logs", headers={"Cookie": f"{name}={session.value}"})
    assert inside.status_code == 200
    assert 'action="/shop/logs"' in inside.text
    moved = below("/account//password")
    assert moved.headers["Location"] == "https://shop.example:8443/shop/account/password"


def test_a_cookie_may_be_kept_below_the_prefix(make_app: Callable[..., Flask], app: Flask, user: User) -> None:
    """Other sites on the same host do not get it then."""
    client = make_app(APPLICATION_ROOT="/shop").test_client(use_cookies=False)
    page = client.get("/login", base_url="http://localhost/shop")
    [session] = SimpleCookie(page.headers["Set-Cookie"]).values()
    assert session["path"] == "/shop"
