"""Lists have clock times in UTC, which components/static/times.js turns into the reader's own zone."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import components
from app.accounts.models import User
from app.components import clock, day

from ..conftest import login
from .log_rows import put, row

MOMENT = datetime(2026, 11, 27, 6, 46, 2, 114_999, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "utcnow", lambda: MOMENT + timedelta(minutes=3))


def test_a_clock_time_is_in_utc_with_the_age_in_its_title() -> None:
    expected = (
        '<time datetime="2026-11-27T06:46:02.114Z" title="3 min ago\n2026-11-27 06:46:02.114 UTC" data-clock="{}">'
        "{}</time>"
    )
    assert clock(MOMENT) == expected.format("time", "06:46:02.114")
    assert clock(MOMENT, dated=True) == expected.format("dated", "2026-11-27 06:46:02.114 UTC")
    assert clock(MOMENT.astimezone(timezone(timedelta(hours=9)))) == clock(MOMENT)
    assert clock(None) == ""


def test_a_day_has_its_year_unless_it_is_this_one() -> None:
    assert day(MOMENT) == '<time datetime="2026-11-27" data-day>Friday 27 November</time>'
    assert ">Friday 1 January 1999<" in day(datetime(1999, 1, 1, tzinfo=UTC))


def test_a_day_stands_above_its_first_row(app: Flask, client: FlaskClient, admin: User) -> None:
    login(client, admin)
    ages = [timedelta(hours=hours) for hours in (0, 6, 7, 30)]
    put(app, *(row(f"m{age}", created_at=MOMENT - age) for age in ages))
    page = client.get("/logs?since=all").text
    found = re.findall(r"data-day>([^<]*)<|data-clock=\"time\">([^<]*)<", page)
    assert ["".join(each) for each in found] == [
        *("Friday 27 November", "06:46:02.114", "00:46:02.114"),
        *("Thursday 26 November", "23:46:02.114", "00:46:02.114"),
    ]
    assert page.count("times are UTC") == 1
    assert "times.js" in page
