"""The log keeps a limited number of problems, and one that was deleted and is seen again is not new."""

import re
import time
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.database import hour_of, utcnow
from app.dblog.models import LogProblem, LogProblemUser
from app.dblog.store import retention
from app.dblog.store.retention import Retention, drop_problems, prune
from app.dblog.viewer import decisions
from app.dblog.viewer.decisions import Who, parse_change, parse_note

from ..conftest import login
from .log_rows import problem_id, put, row

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def problems(log: Engine) -> dict[str, LogProblem]:
    with Session(log, expire_on_commit=False) as session:
        return {each.fingerprint: each for each in session.scalars(select(LogProblem))}


OPERATOR = Who(account="operator")
#: The decisions that people make about a problem.
DECISIONS = {
    "resolved": parse_change("resolved"),
    "muted": parse_change("muted"),
    "reopened": parse_change("open"),
    "noted": parse_note("The supplier knows."),
}


def decide(app: Flask, action: str, fingerprint: str) -> int:
    """Decide as the pages do; return the decision's number."""
    with app.app_context():
        [number] = decisions.decide([problem_id(app, fingerprint)], DECISIONS[action], OPERATOR)
    return number


def test_the_fewest_rows_go_first_and_then_the_longest_unseen(app: Flask, log: Engine) -> None:
    put(
        app,
        *(row(fingerprint="2n-often", age=9 * DAY) for _ in range(3)),
        *(row(fingerprint="2n-twice", age=8 * DAY) for _ in range(2)),
        *(row(fingerprint=f"2n-once-{age}", age=age * HOUR) for age in range(1, 6)),
        row(fingerprint="2n-muted", age=9 * DAY),
    )
    decide(app, "muted", "2n-muted")
    assert drop_problems(log, 8) == 0
    assert drop_problems(log, 5) == 3
    assert {*problems(log)} == {"2n-often", "2n-twice", "2n-once-1", "2n-once-2", "2n-muted"}
    assert drop_problems(log, 5) == 0
    assert drop_problems(log, 2) == 3
    assert {*problems(log)} == {"2n-often", "2n-muted"}
    decide(app, "resolved", "2n-often")
    # Problems with a decision are kept, however many there are.
    assert drop_problems(log, 1) == 0


@pytest.mark.parametrize("action", DECISIONS)
def test_what_somebody_decided_about_is_not_dropped(app: Flask, log: Engine, action: str) -> None:
    put(app, row(fingerprint="2n-decided", age=9 * DAY), *(row(fingerprint="2n-often") for _ in range(3)))
    if action == "reopened":
        decide(app, "resolved", "2n-decided")
    number = decide(app, action, "2n-decided")
    assert drop_problems(log, 1) == 1
    assert {*problems(log)} == {"2n-decided"}
    put(app, *(row(fingerprint="2n-often") for _ in range(3)))
    with app.app_context():
        decisions.undo([number], OPERATOR)
    kept = {"2n-decided"} if action == "reopened" else {"2n-often"}
    assert drop_problems(log, 1) == 1
    assert {*problems(log)} == kept, "what is undone is no decision"


def test_a_flood_of_different_texts_drives_out_nothing_that_matters(
    app: Flask, log: Engine, client: FlaskClient, runner: FlaskCliRunner, admin: User
) -> None:
    real = [f"real {number}" for number in range(30)]
    put(app, *(row(name, fingerprint=f"2t-{name}", age=9 * DAY) for name in real for _ in range(2)))
    for batch in range(5):
        put(app, *(row(user_id=7, fingerprint=f"2n-flood-{batch}-{number}") for number in range(500)))
    login(client, admin)
    # The test looks before and after the problems beyond the limit are deleted.
    for seen_once in (2_500, 1_170):
        for order in ("seen", "rows", "users", "first"):
            page = client.get("/logs/problems", query_string={"sort": order}).text
            assert f"The list leaves out {seen_once:,} problems seen once" in page
            assert len({*re.findall("real [0-9]+", page)}) == 25
        lines = runner.invoke(args=["log", "problems"]).stdout.splitlines()
        assert {line.rpartition("\t")[2] for line in lines[:50]} == {*real}
        lines = runner.invoke(args=["log", "problems", "--status", "all"]).stdout.splitlines()
        assert len(lines) == 50
        own = Retention(log, days=0, max_rows=0, max_problems=1_200)
        end = time.monotonic() + 300
        while len(problems(log)) > 1_200 and time.monotonic() < end:
            own.due = own._problems_due = 0.0
            own.step()
    left = problems(log)
    assert len(left) == 1_200
    assert sum(name.startswith("2t-real") for name in left) == 30


def test_the_limit_is_the_configurations(app: Flask) -> None:
    writer = app.extensions["dblog"].writer
    assert (writer.keep_problems, writer._retention.max_problems) == (10_000, 10_000)


def test_a_problem_that_was_dropped_and_is_seen_again_goes_on(app: Flask, log: Engine) -> None:
    put(
        app,
        row(fingerprint="2n-old", age=9 * DAY, user_id=1, level=50),
        *(row(fingerprint="2n-old", age=age * DAY, user_id=age % 2) for age in range(4)),
        *(row(fingerprint="2n-often") for _ in range(9)),
    )
    before = problems(log)["2n-old"]
    assert (before.count, before.users, before.level) == (5, 2, 50)
    for count in (5, 8):
        assert drop_problems(log, 1) == 1 + (count > 5)
        assert {*problems(log)} == {"2n-often"}
        put(app, *(row(fingerprint="2n-old", user_id=user) for user in (None, 1, 2)), row(fingerprint="2n-new"))
        found = problems(log)
        old, new = found["2n-old"], found["2n-new"]
        assert (old.first_seen, old.count, old.users, old.level) == (before.first_seen, count + 3, 3, 50)
        assert new.first_seen > utcnow() - HOUR
        assert (new.users, new.level) == (0, 40)
    with Session(log) as session:
        users = session.execute(select(LogProblemUser.user_id, LogProblemUser.count)).all()
    assert dict(users) == {0: 2, 1: 5, 2: 2}
    assert problems(log)["2n-new"].count == 2


def test_the_usual_batch_asks_nothing_about_what_was_dropped(app: Flask, log: Engine) -> None:
    put(app, row())
    asked: list[str] = []
    event.listen(log, "before_cursor_execute", lambda *given: asked.append(given[2]))
    put(app, *(row() for _ in range(3)))
    known = len(asked)
    put(app, row(fingerprint="2n-new"))
    assert not [each for each in asked[:known] if each.startswith("SELECT") and "log_problem_day" in each]
    assert len([each for each in asked[known:] if each.startswith("SELECT") and "log_problem_day" in each]) == 1
    assert not [each for each in asked if "min(" in each], "what is new has no first row to look for"


def test_the_users_of_a_dropped_problem_go_with_its_counts(app: Flask, log: Engine) -> None:
    put(
        app,
        row(fingerprint="2n-old", age=40 * DAY, user_id=1),
        row(fingerprint="2n-again", age=40 * DAY, user_id=2),
        row(fingerprint="2n-again", age=DAY, user_id=3),
        *(row(fingerprint="2n-often", age=age * DAY, user_id=4) for age in (39, 2, 1)),
    )
    assert drop_problems(log, 1) == 2
    cutoff = hour_of(utcnow()) - 30 * DAY
    while prune(log, cutoff, retention.year_before(log)) is not None:
        pass
    with Session(log) as session:
        assert {*session.scalars(select(LogProblemUser.user_id))} == {2, 3, 4}
    put(app, row(fingerprint="2n-again", user_id=3), row(fingerprint="2n-old"))
    found = problems(log)
    assert (found["2n-again"].count, found["2n-again"].users) == (2, 2)
    assert (found["2n-old"].count, found["2n-old"].users) == (1, 0)


@pytest.mark.parametrize("action", [None, *DECISIONS])
def test_a_problem_with_a_decision_goes_a_year_after_it_was_last_seen(
    app: Flask, log: Engine, action: str | None
) -> None:
    put(app, row(fingerprint="2n-old", age=400 * DAY), row(fingerprint="2n-late", age=300 * DAY))
    if action:
        decide(app, action, "2n-old")
        decide(app, action, "2n-late")
    cutoff = hour_of(utcnow()) - 30 * DAY
    while prune(log, cutoff, retention.year_before(log)) is not None:
        pass
    assert {*problems(log)} == ({"2n-late"} if action else set())


def test_the_year_is_counted_by_the_clock_that_is_believed(log: Engine) -> None:
    now = datetime.fromisoformat("2030-01-01T00:00:00+00:00")
    assert retention.year_before(log, now) == now - timedelta(days=365)


def test_the_address_of_a_problem_that_is_gone_says_so(
    app: Flask, log: Engine, client: FlaskClient, admin: User
) -> None:
    put(app, row(fingerprint="2n-once"), *(row(fingerprint="2n-often") for _ in range(3)))
    address = f"/logs/problems/{problem_id(app, '2n-once')}"
    drop_problems(log, 1)
    login(client, admin)
    page = client.get(address)
    assert page.status_code == 404
    assert "not any more" in page.text
