"""Only the application's own user can read its files, from the first byte on, and it follows no links."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine

from app import dblog
from app.config import ConfigError, load_config
from app.dblog.journal.append import Journal
from app.dblog.journal.files import QUARANTINE
from app.doctor import lacking_rights
from app.private_files import make_file
from app.sqlite import set_up_sqlite

from .conftest import SERVER, Command

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="about users and modes of POSIX")


# Make every kind of file under a umask that lets everybody in, and report each file that is closed only later.
MAKE_FILES = """
import logging, os, stat, sys
from flask_migrate import upgrade
from app import create_app
from app.dblog.journal.files import quarantine

def note(event, args):
    if event == "os.chmod" and (before := stat.S_IMODE(os.stat(args[0]).st_mode)) != args[1]:
        print(f"{args[0]} was {before:o} first")

os.umask(0)
sys.addaudithook(note)
app = create_app()
with app.app_context():
    upgrade()
for _ in range(1_100):
    logging.getLogger("filler").info("%s", "x" * 1_000)
app.logger.error("secret")
quarantine(app.extensions["dblog"].journal.folder, "1", {"message": "secret"}, "because")
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.skipif(not SERVER.startswith("sqlite"), reason="about files only")
def test_no_other_user_can_read_what_is_written(command: Command) -> None:
    with tempfile.TemporaryDirectory() as name:  # only their user may enter pytest's own folders
        base, instance = Path(name), Path(name, "instance")
        settings = {"LOG_FILE": str(instance / "app.log"), "LOG_FILE_MAX_MB": "1", "LOG_DB_LEVEL": "ERROR"}
        settings |= {"LOG_JOURNAL_DIR": str(instance / "journal"), "LOG_LEVEL": "CRITICAL"}
        settings |= {name: f"sqlite:///{instance / name.lower()}.db" for name in ("DATABASE_URL", "LOG_DATABASE_URL")}
        ended = command("-c", MAKE_FILES, **settings)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == ""
        made = [instance, *instance.rglob("*")]
        names = {path.name for path in made}
        assert {"app.log", "app.log.1", "database_url.db", "log_database_url.db", ".__app.lock"} <= names
        assert QUARANTINE in names
        assert any(name.endswith(".jsonl") for name in names)
        assert {(path.name, oct(path.stat().st_mode & 0o777)) for path in made} == {
            (path.name, "0o700" if path.is_dir() else "0o600") for path in made
        }
        if os.geteuid() == 0:
            base.chmod(0o755)
            (base / "control").write_text("for all")
            (base / "control").chmod(0o644)
            assert [path for path in (base / "control", *made) if another_user_reads(path)] == [base / "control"]
            instance.chmod(0o755)
            (instance / "journal").chmod(0o755)
            assert not any(another_user_reads(path) for path in made if path.is_file())


def another_user_reads(path: Path) -> bool:
    command = ["cat" if path.is_file() else "ls", str(path)]
    read = subprocess.run(command, user=65534, group=65534, extra_groups=[], capture_output=True, check=False)
    return read.returncode == 0


def test_a_journal_folder_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    folder, link = tmp_path / "journal", tmp_path / "link"
    folder.mkdir(mode=0o700)
    link.symlink_to(folder)
    folder.chmod(0o770)
    for path, why in ((folder, "others can write to"), (link, "is a link")):
        with pytest.raises(ConfigError, match=why):
            load_config({"TESTING": True, "LOG_JOURNAL_DIR": str(path)})
    folder.chmod(0o700)
    assert load_config({"TESTING": True, "LOG_JOURNAL_DIR": str(folder)})["LOG_JOURNAL_DIR"] == str(folder)
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        with pytest.raises(ConfigError, match="belongs to another user"):
            load_config({"TESTING": True, "LOG_JOURNAL_DIR": str(folder)})


def test_the_journal_follows_no_link(app: Flask, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    app.logger.error("first")
    log = app.extensions["dblog"]
    state = Path(app.config["LOG_JOURNAL_DIR"]) / f"{log.journal.name}.state"
    assert dblog.flush(20)
    state.unlink()
    state.symlink_to(target)
    app.logger.error("second")
    dblog.flush(5)
    assert target.read_text() == "precious"


def test_a_link_to_nothing_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / "app.db"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="it is a link"):
        make_file(link)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_is_a_link_is_refused_and_a_folder_that_is_one_is_not(tmp_path: Path) -> None:
    target, folder, link = tmp_path / "target", tmp_path / "elsewhere", tmp_path / "link"
    target.write_bytes(b"")
    folder.mkdir()
    link.symlink_to(target)
    for name in ("DATABASE_URL", "LOG_DATABASE_URL"):
        with pytest.raises(ConfigError, match=f"{name}: {link}: it is a link; name the file that it leads to"):
            load_config({"TESTING": True, name: f"sqlite:///{link}"})
    with pytest.raises(ValueError, match="it is a link"):
        set_up_sqlite(create_engine(f"sqlite:///{link}"))
    link.unlink()
    link.symlink_to(folder)
    load_config({"TESTING": True, "DATABASE_URL": f"sqlite:///{link}/app.db"})
    make_file(link / "app.db")
    assert (folder / "app.db").exists()


def test_a_log_file_that_is_a_link_is_not_written_to(
    make_app: Callable[..., Flask], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target, link = tmp_path / "target", tmp_path / "app.log"
    target.write_text("precious")
    link.symlink_to(target)
    app = make_app(LOG_FILE=str(link))
    app.logger.error("secret")
    assert "is not written to: it is a link; name the file that it leads to" in caplog.text
    assert target.read_text() == "precious"


def test_a_journal_in_a_folder_that_became_somebody_elses_stays_in_memory(app: Flask, tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    folder.chmod(0o777)
    journal = Journal(folder, 1_000_000, fsync=False)
    journal.append(b"{}\n")
    assert len(journal.memory) == 1
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not SERVER.startswith("sqlite"), reason="about files only")
def test_doctor_names_what_others_can_read(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as name, app.app_context():
        instance, data = Path(name, "instance"), Path(name, "app.db")
        instance.mkdir(mode=0o755)
        data.touch(mode=0o644)
        monkeypatch.setattr(app, "instance_path", str(instance))
        config = app.config | {"DATABASE_URL": f"sqlite:///{data}"}
        assert list(lacking_rights(config)) == [], "the folder above them is of one user alone"
        Path(name).chmod(0o755)
        assert [line.partition(": ")[0] for line in lacking_rights(config)] == [str(instance), str(data)]
        instance.chmod(0o700)
        data.chmod(0o600)
        assert list(lacking_rights(config)) == []
