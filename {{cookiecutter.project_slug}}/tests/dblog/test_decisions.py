"""People decide about problems, and new records may reopen them; the writer counts users and releases."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import db
from app.dblog import models
from app.dblog.models import LogDecision, LogEntry, LogProblem, LogProblemUser, LogRelease
from app.dblog.store import affected
from app.dblog.viewer.decisions import Who, decide, history, of_numbers, parse_change, parse_note, undo
from app.listing import BadFilter
from app.release import find_commit

from .log_rows import problem_id, put, row

SECOND = timedelta(seconds=1)
ADA = Who(user_id=7)


def problem(app: Flask, fingerprint: str = "1-shop") -> LogProblem:
    with app.app_context(), Session(db.engines["log"]) as log:
        return log.scalars(select(LogProblem).where(LogProblem.fingerprint == fingerprint)).one()


def lines(app: Flask) -> list[tuple[str, str | None, int | None]]:
    """Return the history, oldest first."""
    with app.app_context(), Session(db.engines["log"]) as log:
        found = history(log, problem(app))
        return [(each.action, each.detail, each.user_id) for each in reversed(found)]


def do(app: Flask, status: str, until: str = "") -> list[int]:
    with app.app_context():
        return decide([problem_id(app)], parse_change(status, until), ADA)


def test_only_a_newer_record_brings_a_problem_back(app: Flask) -> None:
    put(app, row())
    do(app, "resolved")
    put(app, row(age=timedelta(hours=1)))
    assert (problem(app).status, problem(app).count) == ("resolved", 2)
    put(app, row(age=-SECOND, release="b"))
    found = problem(app)
    assert (found.status, found.count, found.came_back_at) == ("open", 3, found.last_seen)
    assert lines(app) == [("resolved", None, 7), ("came back", "b", None)]
    do(app, "open")
    assert problem(app).came_back_at is None


def test_resolved_in_the_next_deploy(app: Flask) -> None:
    put(app, row())
    with pytest.raises(BadFilter, match="RELEASE"):
        do(app, "next")
    put(app, row(release="old"))
    do(app, "next")
    put(app, row(age=-SECOND, release="old"), row(age=-SECOND))
    assert problem(app).status == "resolved", "the old release does what it did"
    put(app, row(age=-SECOND, release="new"))
    assert (problem(app).status, lines(app)[-1]) == ("open", ("came back", "new", None))


@pytest.mark.parametrize("rows", [[2, 1], [1, 2], [3]])
def test_a_mute_ends_after_so_many_rows(app: Flask, rows: list[int]) -> None:
    put(app, row())
    do(app, "muted", "+3")
    *before, last = rows
    for count in before:
        put(app, *(row() for _ in range(count)))
        assert problem(app).status == "muted"
    put(app, *(row() for _ in range(last)))
    assert problem(app).status == "open"
    assert lines(app) == [("muted", "until 3 more rows", 7), ("mute ended", None, None)]


def test_a_mute_ends_after_its_time(app: Flask) -> None:
    put(app, row())
    do(app, "muted", "24h")
    put(app, row(age=-timedelta(hours=23)))
    assert problem(app).status == "muted"
    put(app, row(age=-timedelta(hours=25)))
    assert problem(app).status == "open"
    assert problem(app).muted_until is None


def test_an_undo_restores_what_was(app: Flask) -> None:
    put(app, row())
    do(app, "muted", "+3")
    muted = problem(app)
    numbers = do(app, "resolved")
    with app.app_context(), Session(db.engines["log"]) as log:
        assert [each.id for each in of_numbers(log, numbers)] == numbers
    with app.app_context():
        assert len(undo(numbers, ADA)) == 1
        assert undo(numbers, ADA) == [], "it is undone"
    found = problem(app)
    assert (found.status, found.muted_until_count) == ("muted", muted.muted_until_count)
    assert [action for action, *_ in lines(app)] == ["muted", "resolved", "undone"]
    with app.app_context():
        noted = decide([problem_id(app)], parse_note(" see the wiki "), ADA)
    assert lines(app)[-1] == ("noted", "see the wiki", 7)
    with app.app_context():
        assert undo(noted, ADA) == noted
    assert lines(app)[-1][0] == "undone"


def test_what_happened_since_cannot_be_undone(app: Flask) -> None:
    put(app, row())
    numbers = do(app, "resolved")
    put(app, row(age=-SECOND))
    with app.app_context():
        assert undo(numbers, ADA) == []
    assert problem(app).status == "open"


@pytest.mark.parametrize("terms", [("gone",), ("muted", "soon"), ("muted", "+"), ("muted", "٣d")])
def test_a_decision_that_is_none(terms: tuple[str, ...]) -> None:
    with pytest.raises(BadFilter, match="not “"):
        parse_change(*terms)


def test_users_are_counted_up_to_a_bound(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affected, "MAX_USERS", 3)
    assert models.MAX_USERS == 1_000
    put(app, row(user_id=1), row(user_id=1), row(user_id=2), row(), row(user_id=1, fingerprint="1-tea"))
    assert (problem(app).users, problem(app, "1-tea").users) == (2, 1)
    put(app, row(user_id=1), row(user_id=3), row(user_id=4), row(user_id=5))
    assert problem(app).users == 3
    with app.app_context(), Session(db.engines["log"]) as log:
        of_problem = select(LogProblemUser).where(LogProblemUser.fingerprint == "1-shop")
        assert {each.user_id: each.count for each in log.scalars(of_problem)} == {1: 3, 2: 1, 3: 1}


def test_a_problem_is_where_its_newest_record_was(app: Flask) -> None:
    put(app, row(place="a · x.py:1"))
    put(app, row(place="a · x.py:2", age=timedelta(0)))
    put(app, row(place="a · x.py:0", age=timedelta(days=1)))
    assert problem(app).place == "a · x.py:2"


def test_rows_name_their_release(make_app: Any, app: Flask) -> None:
    """The log notes a release once, even if the release logs nothing."""
    released = make_app(RELEASE="9f2c1ab")
    writer = released.extensions["dblog"].writer
    assert writer.flush(20)
    with app.app_context(), Session(db.engines["log"]) as log:
        [noted] = log.scalars(select(LogRelease)).all()
    released.logger.error("cold")
    assert writer.flush(20)
    with app.app_context(), Session(db.engines["log"]) as log:
        assert log.scalars(select(LogEntry.release)).all() == ["9f2c1ab"]
        assert [each.first_seen for each in log.scalars(select(LogRelease))] == [noted.first_seen]
        assert log.scalars(select(LogDecision)).all() == []


def test_the_commit_is_read_without_git(tmp_path: Any) -> None:
    commit, other = "9f2c1ab" + "0" * 33, "1" * 40
    project = tmp_path / "project"
    git = project / ".git"
    (git / "refs/heads").mkdir(parents=True)
    assert find_commit(project) == ""
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{other} refs/heads/x\n{commit} refs/heads/main\n")
    assert find_commit(project) == commit
    (git / "refs/heads/main").write_text(f"{other}\n")
    assert find_commit(project / "inner") == other
    (git / "HEAD").write_text(f"{commit}\n")
    assert find_commit(project) == commit
    worktree = git / "worktrees/w"
    worktree.mkdir(parents=True)
    (worktree / "HEAD").write_text("ref: refs/heads/main\n")
    (worktree / "commondir").write_text("../..\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w/.git").write_text(f"gitdir: {worktree}\n")
    assert find_commit(tmp_path / "w") == other
    (git / "HEAD").write_text("no commit\n")
    assert find_commit(project) == ""
