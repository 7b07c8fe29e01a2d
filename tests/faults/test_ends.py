"""However a process ends, the log has its records, at the latest after the next start."""

import pytest

from .conftest import Site

RECORDS = {f"record {number}" for number in range(50)}
UNREACHABLE = "postgresql://nobody@127.0.0.1:9/nothing"
# Each way to end a process, with the records that it logs in addition.
ENDS = {
    "normally": set(),
    "sys.exit": set(),
    "os._exit": set(),
    "SIGTERM": set(),
    "abort": set(),
    "exception": {"Uncaught exception"},
    "thread": {"Uncaught exception in thread unlucky"},
    "command": {"Uncaught exception"},
}


def test_ends(site: Site) -> None:
    before: dict[str, int] = {}
    for end, besides in ENDS.items():
        site.program("end", end, check=False)
        site.flush()
        messages = site.counts().messages
        new = {message for message, count in messages.items() if count > before.get(message, 0)}
        assert new == RECORDS | besides, end
        assert all(messages[message] == before.get(message, 0) + 1 for message in RECORDS), end
        before = messages
    assert site.counts().agree()


def test_a_normal_end_ships_at_once(site: Site) -> None:
    site.program("end", "normally")
    assert site.journal() == []
    assert site.counts().messages.keys() == RECORDS


@pytest.mark.slow
@pytest.mark.parametrize("end", ["normally", "exception", "os._exit"])
def test_an_end_while_the_database_is_away(any_site: Site, end: str) -> None:
    done = any_site.program("end", end, check=False, LOG_DATABASE_URL=UNREACHABLE)
    assert "logged" in done.stdout
    assert done.stderr.count("cannot be reached") <= 1
    assert any_site.journal() != []
    any_site.flush()
    assert any_site.counts().messages.keys() - {"Uncaught exception"} == RECORDS
    assert any_site.counts().agree()
