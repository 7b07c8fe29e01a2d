"""Several processes work at once on the same problems, the same file, and the journals of the same dead processes."""

import json
import re
from contextlib import ExitStack

import pytest

from .conftest import Site, hear, tell
from .test_ends import UNREACHABLE


def run_together(site: Site, program: str, count: int, **changes: str) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(site.start(program, str(number), **changes)) for number in range(count)]
        for process in processes:
            assert hear(process) == "ready"
        for process in processes:
            tell(process)
        for process in processes:
            assert process.wait(timeout=200) == 0


@pytest.mark.slow
def test_four_writers_on_the_same_problems(any_site: Site) -> None:
    run_together(any_site, "contend", 4)
    any_site.flush()
    counts = any_site.counts()
    assert counts.rows == len(counts.messages) == 8_000
    assert counts.agree()
    assert not (any_site.folder / "instance/journal/quarantine.ndjson").exists()


def test_a_journal_is_locked_as_long_as_its_process_lives(site: Site) -> None:
    with site.start("lock") as holder:
        assert hear(holder) == "locked"
        with site.start("lock") as other:
            assert hear(other) == "refused"
        holder.kill()
    with site.start("lock") as heir:
        assert hear(heir) == "locked"


@pytest.mark.slow
def test_adopters_that_overlap_ship_each_record_once(any_site: Site) -> None:
    any_site.program("die", "9", LOG_DATABASE_URL=UNREACHABLE)
    journals = {path.name.partition(".")[0] for path in any_site.journal()}
    assert len(journals) == 9
    with ExitStack() as stack:
        heirs = [stack.enter_context(any_site.start("heir")) for _ in range(3)]
        assert [hear(heir) for heir in heirs] == ["ready"] * 3
        for heir in heirs:
            tell(heir)
        # Each process now holds one journal, and has skipped those of the others.
        held = [hear(heir) for heir in heirs]
        assert len(set(held)) == 3
        for heir in heirs:
            tell(heir)
        shipped: list[dict[str, int]] = [json.loads(hear(heir)) for heir in heirs]
        assert [heir.wait(timeout=60) for heir in heirs] == [0, 0, 0]
    assert all(first in own for first, own in zip(held, shipped, strict=True))
    # Only one process has adopted each journal.
    everything = [record for own in shipped for record in own.items()]
    assert sorted(everything) == sorted((name, 2_000) for name in journals)
    assert list((any_site.folder / "instance/journal").iterdir()) == []
    counts = any_site.counts()
    assert counts.rows == len(counts.messages) == 18_000
    assert counts.agree()


def test_four_processes_rotate_one_file(site: Site) -> None:
    file = site.folder / "instance" / "many.log"
    run_together(site, "rotate", 4, LOG_FILE=str(file), LOG_FILE_MAX_MB="1", LOG_FILE_COUNT="20")
    written = [path.read_text() for path in file.parent.glob("many.log*") if not path.name.endswith(".lock")]
    assert len(written) > 2
    found = re.findall(r"(\d/\d+) x{200}$", "".join(written), re.MULTILINE)
    assert sorted(found) == sorted(f"{process}/{number}" for process in range(4) for number in range(3_000))


def test_a_file_that_cannot_be_written_stops_nothing(site: Site) -> None:
    (site.folder / "a-file").write_text("")
    done = site.run("-m", "flask", "routes", changes={"LOG_FILE": str(site.folder / "a-file" / "app.log")})
    assert "/logs" in done.stdout
    assert done.stderr.count("LOG_FILE") == 1
