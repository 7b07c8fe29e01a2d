"""Several processes at once: on the same groups, on the same file."""

import re
import subprocess
from contextlib import ExitStack

import pytest

from .conftest import Site


def run_together(site: Site, program: str, count: int, **changes: str) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(site.start(program, str(number), **changes)) for number in range(count)]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            assert process.wait(timeout=200) == 0


@pytest.mark.slow
def test_four_writers_on_the_same_groups(any_site: Site) -> None:
    run_together(any_site, "contend", 4)
    any_site.flush()
    counts = any_site.counts()
    assert counts.rows == len(counts.messages) == 8_000
    assert counts.agree()
    assert not (any_site.folder / "instance/journal/quarantine.ndjson").exists()


def test_a_journal_is_locked_as_long_as_its_process_lives(site: Site) -> None:
    def locked(process: "subprocess.Popen[str]") -> bool:
        assert process.stdout
        return process.stdout.readline() == "locked\n"

    with site.start("lock") as holder:
        assert locked(holder)
        with site.start("lock") as other:
            assert not locked(other)
        holder.kill()
    with site.start("lock") as heir:
        assert locked(heir)


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
