"""`flask doctor` says what a deployment lacks."""

from ..conftest import KEY, Command

READY = {
    "SECRET_KEY": KEY,
    "TRUSTED_HOSTS": "example.org",
    "PROXY_HOPS": "1",
    "PROXY_HEADERS": "host",
}


def test_a_new_project_lacks_much(command: Command) -> None:
    # `.flaskenv` turns debug on for commands; a server starts without it.
    ended = command("flask", "doctor", SECRET_KEY="", FLASK_DEBUG="1", SESSION_COOKIE_SECURE="0", HSTS_SECONDS="0")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    lines = ended.stdout.splitlines()
    for name in ("SECRET_KEY", "TRUSTED_HOSTS", "SESSION_COOKIE_SECURE", "HSTS_SECONDS", "PROXY_HOPS"):
        assert [line.startswith(name) for line in lines].count(True) == 1, (name, lines)
    assert len([line for line in lines if "run `flask db upgrade`" in line]) == 2


def test_a_deployment_may_lack_nothing(command: Command) -> None:
    assert command("flask", "db", "upgrade").returncode == 0
    ended = command("flask", "doctor", **READY)
    assert (ended.returncode, ended.stdout) == (0, "Nothing is missing.\n")


def test_each_lack_is_one_line(command: Command) -> None:
    command("flask", "db", "upgrade")
    for changes, said in (
        ({"SECRET_KEY": "changeme" * 8}, "SECRET_KEY: can be guessed"),
        ({"PROXY_HOPS": "0", "BIND_HOST": "0.0.0.0"}, "PROXY_HEADERS has no effect"),
        ({"RATELIMIT_ENABLED": "0"}, "RATELIMIT_ENABLED is off"),
        ({"WEB_CONCURRENCY": "2"}, "RATELIMIT_STORAGE_URI is memory://, so each of the 2 workers"),
        ({"DATABASE_URL": "sqlite:////dev/null/app.db"}, "DATABASE_URL: the database does not answer"),
    ):
        ended = command("flask", "doctor", **{**READY, "FLASK_DEBUG": "1"} | changes)
        assert ended.returncode == 1
        [line] = ended.stdout.splitlines()
        assert line.startswith(said)
