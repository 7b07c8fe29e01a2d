"""After a SIGKILL at any moment, each record whose call had returned is in the table once."""

import random
import threading

import pytest

from .conftest import Site

PROCESSES = 4
KILLS = 20


class Victim:
    """A process that logs, and the list of records whose calls have returned."""

    def __init__(self, site: Site, name: str, *records: str, **changes: str) -> None:
        self.ledger: list[str] = []
        self.enough = threading.Semaphore(0)
        self.process = site.start("storm", name, *records, **changes)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            # The process died while it wrote a line without an end.
            if line.endswith("\n"):
                self.ledger.append(line.rstrip("\n"))
                self.enough.release()

    def kill(self, after: int) -> list[str]:
        for _ in range(after):
            assert self.enough.acquire(timeout=60)
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()
        return self.ledger


@pytest.mark.slow
def test_killed_under_load(any_site: Site) -> None:
    chance = random.Random(3)
    victims = [Victim(any_site, f"process-{number}") for number in range(PROCESSES)]
    ledger: list[str] = []
    for kill in range(KILLS):
        ledger += victims.pop(0).kill(after=chance.randrange(1, 400))
        if kill < KILLS - PROCESSES:
            victims.append(Victim(any_site, f"process-{PROCESSES + kill}"))
    assert victims == []
    any_site.flush()
    counts = any_site.counts()
    assert len(ledger) == len(set(ledger)) > KILLS
    assert [key for key in ledger if key not in counts.messages] == []
    assert {count for key, count in counts.messages.items() if key.startswith("process-")} == {1}
    assert counts.agree()
    assert any_site.journal() == []


@pytest.mark.slow
def test_killed_in_a_storm(any_site: Site) -> None:
    """A record that is only counted has no row, so the process is killed after all calls have returned."""
    storm, records = {"LOG_STORM_ROWS": "100"}, 4 * 300
    ledger: list[str] = []
    for _ in range(4):
        victims = [Victim(any_site, f"process-{number}", str(records // 4), **storm) for number in range(PROCESSES)]
        for victim in victims:
            ledger += victim.kill(after=records)
    any_site.flush(**storm)
    counts = any_site.counts()
    ours = sum(count for key, count in counts.messages.items() if key.startswith("process-"))
    others = counts.rows - ours
    assert len(ledger) == 4 * PROCESSES * records
    assert counts.agree()
    assert counts.problems == len(ledger) + others
    assert 0 < ours < len(ledger) / 2
    assert any_site.journal() == []
