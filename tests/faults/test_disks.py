"""The journal works again after its disk was read-only or full."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import absent

from .conftest import Site
from .test_outages import speaker

NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


def mount(*words: str | Path) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=128k", "tmpfs", folder):
        # The test skips only for this reason: it needs root and the right to mount.
        pytest.skip("a small tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk(site: Site, small_disk: Path) -> None:
    """Records that do not fit wait in memory; when there is room again, later ones go to the journal again."""
    ballast = small_disk / "ballast"
    with speaker(site, LOG_JOURNAL_DIR=str(small_disk / "journal")) as process:
        process.say("before", 20)
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 512):
                    pass
            except OSError:
                pass
        process.say("full", 300)
        ballast.unlink()
        process.say("after", 300)
    counts = site.counts()
    assert {each: counts.messages.get(each) for each in process.said} == dict.fromkeys(process.said, 1)
    assert counts.agree()


@pytest.mark.parametrize("storm_rows", [0, 50])
def test_a_full_disk_and_no_database(site: Site, small_disk: Path, storm_rows: int) -> None:
    """No log call raises or waits; the next process ships the records that were written before."""
    site.env["LOG_STORM_ROWS"] = str(storm_rows)
    journal = str(small_disk / "journal")
    with speaker(site, LOG_JOURNAL_DIR=journal, LOG_DATABASE_URL=NOWHERE) as process:
        process.say("journal", 20)
        process.say("x" * 1_000, 300)
    site.flush(LOG_JOURNAL_DIR=journal)
    counts = site.counts()
    assert {f"journal {number}" for number in range(20)} <= counts.messages.keys()
    (loss,) = (each for each in counts.messages if "dropped" in each)
    assert counts.problems == len(process.said) - int(loss.split()[0]) + 1
    assert (counts.without_row > 0) is (storm_rows > 0)
    assert counts.agree()


def test_a_full_disk_and_a_kill(site: Site, small_disk: Path) -> None:
    """Records in memory are lost with the process, and the log reports how many they were."""
    journal = str(small_disk / "journal")
    with speaker(site, LOG_JOURNAL_DIR=journal, LOG_DATABASE_URL=NOWHERE) as process:
        process.say("x" * 1_000, 300)
        process.process.kill()
    site.flush(LOG_JOURNAL_DIR=journal)
    messages = site.counts().messages
    (loss,) = (each for each in messages if "dropped" in each)
    assert loss.endswith("records dropped: they waited in the memory of a process that ended")
    assert len(messages.keys() & set(process.said)) + int(loss.split()[0]) == 300


NO_LOCKS = """
#include <errno.h>
int flock(int fd, int operation) { errno = ENOLCK; return -1; }
"""


def test_a_file_system_without_locks(site: Site, tmp_path: Path) -> None:
    """On a network file system whose server knows no locks, a log call returns and its record arrives."""
    if not (compiler := shutil.which("cc")):
        absent("a C compiler is not here")
    library = tmp_path / "no_locks.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=NO_LOCKS.encode(), check=True)
    done = site.program("end", "normally", LD_PRELOAD=str(library))
    assert done.stderr.count("the journal cannot be written") == 1
    assert "No locks available" in done.stderr
    assert site.counts().rows == 50
    assert list((site.folder / "instance" / "journal").iterdir()) == []


def test_a_read_only_disk(site: Site, small_disk: Path) -> None:
    assert mount("-o", "remount,ro", small_disk)
    with speaker(site, LOG_JOURNAL_DIR=str(small_disk / "journal")) as process:
        process.say("read-only", 200)
    counts = site.counts()
    assert {each for each in counts.messages if "read-only" in each} == set(process.said)


def test_a_folder_that_cannot_be_made_is_named_once(site: Site) -> None:
    (site.folder / "a-file").write_text("")
    done = site.program("end", "normally", LOG_JOURNAL_DIR=str(site.folder / "a-file" / "journal"))
    assert done.stderr.count("the journal cannot be written") == 1
    assert site.counts().rows == 50
