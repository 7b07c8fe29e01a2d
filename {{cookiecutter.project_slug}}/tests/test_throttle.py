"""Guesses are refused and logged; whoever does not guess logs in."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app import dblog
from app.accounts.models import User
from app.accounts.throttle import address, all_visitors_look_alike
from app.config import ConfigError
from app.database import db
from app.dblog.models import LogEntry
from app.extensions import limiter

from .conftest import PASSWORD, csrf_token, login

ELSEWHERE = "198.51.100.7"


@pytest.fixture
def site(app: Flask) -> Flask:
    """Return an application behind one proxy."""
    app.config |= {"PROXY_HOPS": 1, "WTF_CSRF_ENABLED": False}
    return app


def guess(client: FlaskClient, name: str = "ada", ip: str = ELSEWHERE, password: str = "wrong") -> int:
    form = {"username": name, "password": password}
    return client.post("/login", data=form, environ_overrides={"REMOTE_ADDR": ip}).status_code


def test_ten_failures_at_one_account_are_enough(site: Flask, user: User, admin: User) -> None:
    client = site.test_client()
    assert Counter(guess(client) for _ in range(150)) == {200: 10, 429: 140}
    assert guess(client, " ADA ") == 429
    assert guess(client, password=PASSWORD) == 429
    # Other accounts and other addresses can still log in.
    assert guess(site.test_client(), "grace", password=PASSWORD) == 302
    assert guess(site.test_client(), ip="203.0.113.9", password=PASSWORD) == 302


def test_a_refusal_says_when_to_come_back(site: Flask, user: User) -> None:
    client = site.test_client()
    for _ in range(10):
        guess(client)
    form = {"username": "ada", "password": PASSWORD}
    answer = client.post("/login", data=form, environ_overrides={"REMOTE_ADDR": ELSEWHERE})
    assert answer.status_code == 429
    assert 60 <= int(answer.headers["Retry-After"]) <= 181
    assert "Too many failures." in answer.text
    assert client.get("/login", environ_overrides={"REMOTE_ADDR": ELSEWHERE}).status_code == 200


def test_a_thousand_guesses_at_many_accounts_cost_few_hashes(
    site: Flask, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    scrypt, hashed = hashlib.scrypt, []

    def counted(password: bytes, **cost: Any) -> bytes:
        hashed.append(password)
        return scrypt(password, **cost)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    client = site.test_client()
    answers = Counter(guess(client, f"name{number}") for number in range(1000))
    assert answers == {200: 30, 429: 970}
    assert len(hashed) <= 40


@pytest.mark.parametrize(("names", "allowed"), [(1, 10), (40, 30)], ids=["one account", "many accounts"])
def test_guesses_at_once_are_counted_as_those_one_by_one(
    site: Flask, user: User, monkeypatch: pytest.MonkeyPatch, names: int, allowed: int
) -> None:
    scrypt, hashed, together = hashlib.scrypt, [], threading.Barrier(40)

    def slow(password: bytes, **cost: Any) -> bytes:
        hashed.append(password)
        # All guesses that are let in together wait here for the last of them.
        with suppress(threading.BrokenBarrierError):
            together.wait(0.5)
        return scrypt(password, **cost)

    monkeypatch.setattr(hashlib, "scrypt", slow)
    with ThreadPoolExecutor(40) as pool:
        answers = Counter(pool.map(lambda number: guess(site.test_client(), f"ada{number % names}"), range(40)))
    assert answers == {200: allowed, 429: 40 - allowed}
    assert len(hashed) == allowed


def test_whoever_logs_in_is_not_counted(site: Flask, user: User) -> None:
    for _ in range(40):
        assert guess(site.test_client(), password=PASSWORD) == 302


def test_an_ipv6_network_is_one_address(site: Flask, user: User) -> None:
    client = site.test_client()
    answers = [guess(client, f"name{number}", f"2001:db8::{number:x}") for number in range(31)]
    assert answers[-2:] == [200, 429]
    assert guess(client, "another", "2001:db8:0:1::1") == 200


def test_visitors_behind_an_unnamed_proxy_do_not_lock_each_other_out(site: Flask, user: User, admin: User) -> None:
    site.config["PROXY_HOPS"] = 0
    client = site.test_client()
    assert {guess(client, f"name{number}", "127.0.0.1") for number in range(40)} == {200}
    assert guess(client, password=PASSWORD, ip="127.0.0.1") == 302
    # The limit of ten for one account still holds.
    assert Counter(guess(site.test_client(), "grace", "127.0.0.1") for _ in range(12)) == {200: 10, 429: 2}


@pytest.mark.parametrize(
    ("ip", "counted_as", "is_local"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.8.9.10", "127.8.9.10", True),
        ("::1", "::/64", True),
        ("", "None", True),
        ("192.0.2.7", "192.0.2.7", False),
        ("::ffff:192.0.2.7", "192.0.2.7", False),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64", False),
    ],
)
def test_an_address_is_what_its_owner_cannot_change(app: Flask, ip: str, counted_as: str, is_local: bool) -> None:
    with app.test_request_context(environ_base={"REMOTE_ADDR": ip}):
        assert address() == counted_as
        assert all_visitors_look_alike() is is_local


def test_a_proxy_that_sends_no_address_locks_nobody_out(site: Flask, user: User) -> None:
    client = site.test_client()
    assert {guess(client, f"name{number}", "192.0.2.7:4711") for number in range(40)} == {200}
    assert guess(client, password=PASSWORD, ip="192.0.2.8:4712") == 302


def test_guesses_as_json_count_with_the_others(site: Flask, user: User) -> None:
    client, elsewhere = site.test_client(), {"REMOTE_ADDR": ELSEWHERE}

    def guess_as_json(name: object) -> int:
        sent = {"username": name, "password": "wrong"}
        return client.post("/login", json=sent, environ_overrides=elsewhere).status_code

    assert Counter(guess_as_json(" ADA ") for _ in range(12)) == {200: 10, 429: 2}
    assert guess(client) == 429
    assert guess_as_json("grace") == 200
    assert guess_as_json(7) == 400
    assert client.post("/login", json=["ada"], environ_overrides=elsewhere).status_code == 400


def test_guesses_are_in_the_log_and_nowhere_else(site: Flask, user: User) -> None:
    client = site.test_client()
    for _ in range(11):
        guess(client, "Ada")
    guess(client, "nobody")
    assert dblog.flush(30)
    with site.app_context():
        rows = db.session.execute(
            select(LogEntry.level, LogEntry.message, func.count())
            .where(LogEntry.logger == "app.accounts.throttle")
            .group_by(LogEntry.level, LogEntry.message)
        ).all()
    assert {tuple(row) for row in rows} == {
        (30, f"A login failed: ada from {ELSEWHERE}", 10),
        (30, f"A login was refused: ada from {ELSEWHERE} failed too often", 1),
        (30, f"A login failed: nobody from {ELSEWHERE}", 1),
    }


def test_a_refused_page_is_an_info(client: FlaskClient, user: User, caplog: pytest.LogCaptureFixture) -> None:
    login(client, user)
    assert client.get("/logs").status_code == 403
    assert [(record.levelname, record.getMessage()) for record in caplog.records if "Refused" in record.msg] == [
        ("INFO", "Refused: GET /logs")
    ]


def test_the_own_password_is_not_to_be_guessed_either(client: FlaskClient, user: User) -> None:
    login(client, user)
    token = csrf_token(client.get("/account/password").text)
    form = {"csrf_token": token, "password": "wrong", "new_password": PASSWORD[::-1]}
    answers = Counter(client.post("/account/password", data=form).status_code for _ in range(15))
    assert answers == {200: 10, 429: 5}


def test_the_throttle_can_be_turned_off(make_app: Callable[..., Flask], app: Flask, user: User) -> None:
    free = make_app(RATELIMIT_ENABLED=False, WTF_CSRF_ENABLED=False)
    assert {guess(free.test_client()) for _ in range(15)} == {200}


def test_a_store_that_is_away_locks_nobody_out(
    make_app: Callable[..., Flask], app: Flask, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("redis")
    # All applications of a process share one limiter, which for a while still believes that the store is away.
    monkeypatch.setattr(limiter, "_storage_dead", False)
    away = make_app(RATELIMIT_STORAGE_URI="redis://127.0.0.1:1", WTF_CSRF_ENABLED=False)
    client = away.test_client()
    assert Counter(guess(client) for _ in range(12)) == {200: 10, 429: 2}
    assert guess(client, ip="203.0.113.9", password=PASSWORD) == 302


@pytest.mark.parametrize("uri", ["banana", "banana://x", "redis//127.0.0.1"])
def test_a_store_that_is_unknown_is_a_mistake_in_the_configuration(make_app: Callable[..., Flask], uri: str) -> None:
    with pytest.raises(ConfigError, match="RATELIMIT_STORAGE_URI: expected memory:// or an address such as redis://"):
        make_app(RATELIMIT_STORAGE_URI=uri)


def test_several_processes_count_together(make_app: Callable[..., Flask], app: Flask, user: User) -> None:
    """Two applications stand for two processes; the test needs a Redis."""
    redis = pytest.importorskip("redis")
    uri = "redis://127.0.0.1:6379/15"
    try:
        redis.Redis.from_url(uri).flushdb()
    except redis.ConnectionError:
        pytest.skip("no Redis is running")
    answers: Counter[int] = Counter()
    for _ in range(2):
        client = make_app(RATELIMIT_STORAGE_URI=uri, WTF_CSRF_ENABLED=False, PROXY_HOPS=1).test_client()
        answers.update(guess(client) for _ in range(6))
    assert answers == {200: 10, 429: 2}
