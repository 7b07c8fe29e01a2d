"""A developer gets from the first start to an error that is shown in the log."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import run
from running import Visitor, serve, wait_until

PASSWORD = "correct horse battery staple"
ON_PURPOSE = "This exception was raised on purpose"


def test_from_the_first_start_to_the_log(project: Path, venv: Path) -> None:
    flask = venv / "flask"
    with serve(flask, "run", cwd=project) as site:
        visitor = Visitor(site)
        assert visitor.see("/").status_code == 200
        assert visitor.see("/posts").status_code == 200

        visitor.submit("/login", token=site.first_admin_token(), username="ada", password=PASSWORD)
        assert visitor.see("/logs").status_code == 200
        visitor.submit("/", to="/logout")
        assert "/login" in visitor.see("/logs").url
        visitor.submit("/login", username="ada", password=PASSWORD)

        written = visitor.submit("/posts/new", title="First post", body="It was saved.")
        assert written.status_code == 200
        assert "First post" in Visitor(site).see("/posts").text

        assert visitor.submit("/demo", to="/demo/exception").status_code == 500
        wait_until(lambda: "/demo/exception" in visitor.see("/logs").text)
        listed = [json.loads(line) for line in run(flask, "log", "list", "--json", cwd=project).stdout.splitlines()]
        [entry] = [entry for entry in listed if "/demo/exception" in entry["message"]]
        assert ON_PURPOSE in visitor.see(f"/logs/{entry['id']}").text
    assert entry["exception"].endswith("RuntimeError")
    assert entry["level"] in {"ERROR", 40}


def test_eight_who_post_at_once_are_all_saved(project: Path, venv: Path) -> None:
    names = [f"writer{number}" for number in range(8)]
    start = threading.Barrier(len(names))

    with serve(venv / "flask", "run", cwd=project) as site:
        for name in names:
            run(venv / "flask", "user", "create", name, "--password-stdin", cwd=project, typed=PASSWORD)

        def write(name: str) -> int:
            visitor = Visitor(site)
            visitor.submit("/login", username=name, password=PASSWORD)
            visitor.see("/posts/new")
            start.wait(timeout=60)
            return visitor.submit("/posts/new", title=f"By {name}", body="All at once.").status_code

        with ThreadPoolExecutor(len(names)) as threads:
            assert set(threads.map(write, names)) == {200}
        page = Visitor(site).see("/posts").text
    assert [name for name in names if f"By {name}" not in page] == []


def test_half_way_through_a_transaction(project: Path, venv: Path) -> None:
    with serve(venv / "flask", "run", cwd=project) as site:
        visitor = Visitor(site)
        outcome = visitor.submit("/demo", to="/demo/transaction").text
    assert "the rollback took it back" in outcome
    assert "survived it" in outcome


def test_first_admin_only_for_whoever_reads_the_terminal(project: Path, venv: Path) -> None:
    with serve(venv / "flask", "run", cwd=project) as site:
        start = threading.Barrier(6)

        def make(number: int) -> str:
            visitor = Visitor(site)
            assert 'name="token"' in visitor.see("/login").text
            visitor.submit("/login", token="guessed", username=f"stranger{number}", password=PASSWORD)
            start.wait(timeout=60)
            token = site.first_admin_token()
            return visitor.submit("/login", token=token, username=f"admin{number}", password=PASSWORD).url

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(make, range(6)))
        listed = run(venv / "flask", "user", "list", cwd=project).stdout
    [only] = listed.splitlines()
    assert only.split("\t")[1].startswith("admin")
    with serve(venv / "flask", "run", cwd=project) as site:
        assert "token" not in site.output.read_text()


def test_gunicorn_in_the_same_folder_is_not_in_debug(project: Path, venv: Path) -> None:
    run(venv / "flask", "db", "upgrade", cwd=project)
    with serve(venv / "gunicorn", "--bind", "127.0.0.1:PORT", "app:create_app()", cwd=project) as site:
        visitor = Visitor(site)
        front = visitor.see("/")
        assert front.status_code == 200
        assert front.headers["X-Request-ID"]
        assert visitor.see("/demo").status_code == 404
        assert visitor.post(f"{site.url}/demo/exception", timeout=10).status_code in {400, 404}
        login = visitor.see("/login").text
        assert 'type="password"' not in login
        assert "flask user create" in login
        assert visitor.see("/readyz").json()["status"] == "ok"

        command = (venv / "flask", "user", "create", "ada", "--admin", "--password-stdin")
        made = f"echo '{PASSWORD}' | {' '.join(map(str, command))}"
        run("sh", "-c", made, cwd=project)
        visitor.submit("/login", username="ada", password=PASSWORD)
        assert visitor.see("/logs").status_code == 200


def test_records_wait_for_a_log_without_tables(project: Path, venv: Path) -> None:
    flask = venv / "flask"
    run(flask, "db", "upgrade", cwd=project)
    later = os.environ | {"LOG_DATABASE_URL": "sqlite:///later.db", "LOG_DB_LEVEL": "INFO"}
    command = (venv / "gunicorn", "--bind", "127.0.0.1:PORT", "app:create_app()")
    with serve(*command, cwd=project, env=later) as site:
        run("sh", "-c", f"echo '{PASSWORD}' | {flask} user create ada --password-stdin", cwd=project)
        visitor = Visitor(site)
        visitor.submit("/login", username="ada", password="wrong password")
        wait_until(lambda: visitor.see("/readyz").json()["status"] == "degraded")
        assert visitor.see("/").status_code == 200
    assert site.output.read_text().count("flask db upgrade") == 1

    run(flask, "db", "upgrade", cwd=project, env=later)
    run(flask, "log", "flush", cwd=project, env=later)
    listed = run(flask, "log", "list", "--json", "--logger", "app.accounts.throttle", cwd=project, env=later)
    messages = [json.loads(line)["message"] for line in listed.stdout.splitlines()]
    assert messages == ["A login failed: ada from 127.0.0.1"]


BROKEN = {
    "SECRET_KEY": "",
    "DATABASE_URL": "oracle://somewhere/db",
    "LOG_LEVEL": "LOUD",
    "LOG_RETENTION_DAYS": "a month",
    "PROXY_HOPS": "two",
}


@pytest.mark.parametrize("command", ["flask --no-debug run", "flask --no-debug routes", "gunicorn app:create_app()"])
def test_configuration_errors_are_told_once_and_together(project: Path, venv: Path, command: str) -> None:
    (project / ".env").unlink()
    program, *words = command.split()
    words += ["--bind", "127.0.0.1:0"] if program == "gunicorn" else []
    ended = run(venv / program, *words, cwd=project, check=False, env=os.environ | BROKEN)
    said = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert "Traceback" not in said
    for name in BROKEN:
        assert said.count(name) == 1, said


KEY = "SECRET_KEY=Vw3kq-Tn81sZbQ_x0LcR7uYpHd52mEaJ9fGo"


@pytest.mark.parametrize(
    "written",
    [f"{KEY}\n".encode("utf-16"), f"{KEY}\n".encode("utf-16-le"), f"# für\n{KEY}\n".encode("latin-1")],
    ids=["utf-16", "utf-16 without a mark", "latin-1"],
)
@pytest.mark.parametrize("command", ["gunicorn app:create_app()", "python -c __import__('app').create_app()"])
def test_env_in_another_encoding_is_named(project: Path, venv: Path, command: str, written: bytes) -> None:
    (project / ".env").write_bytes(written)
    program, *words = command.split()
    words += ["--bind", "127.0.0.1:0"] if program == "gunicorn" else []
    ended = run(venv / program, *words, cwd=project, check=False)
    assert ended.returncode != 0
    said = ended.stdout + ended.stderr
    assert f"{project / '.env'} is not in UTF-8: save it in this encoding." in said.splitlines()
    assert "Traceback" not in said


def test_env_as_windows_saves_it_is_read_from_its_first_line(project: Path, venv: Path) -> None:
    (project / ".env").write_bytes(f"{KEY}\r\nLOG_LEVEL=ERROR\r\n".encode("utf-8-sig"))
    show = "app = __import__('app').create_app(); print(app.secret_key, app.config['LOG_LEVEL'])"
    assert run(venv / "python", "-c", show, cwd=project).stdout == f"{KEY.split('=')[1]} ERROR\n"


def test_commands_of_the_project(project: Path, venv: Path) -> None:
    def flask(*words: str) -> str:
        return run(venv / "flask", *words, cwd=project).stdout

    flask("db", "upgrade")
    flask("db", "check")
    flask("db", "downgrade", "base")
    flask("db", "upgrade")
    assert "/logs" in flask("routes")
    shell = "print(app.name, db.session.scalars(select(User)).all(), Post, LogEntry)"
    assert "app []" in run("sh", "-c", f"echo '{shell}' | {venv}/flask shell", cwd=project).stdout
