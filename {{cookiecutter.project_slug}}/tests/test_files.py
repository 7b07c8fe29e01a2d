"""What the application writes is for its own user, from the first byte on, and links lead nowhere."""

import os
import subprocess
from pathlib import Path

import pytest
from flask import Flask

from app import dblog
from app.config import ConfigError, load_config
from app.private_files import make_file

from .conftest import SERVER, Command

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="about users and modes of POSIX")


@pytest.mark.skipif(not SERVER.startswith("sqlite"), reason="about files only")
def test_no_other_user_can_read_what_is_written(command: Command, tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    settings = {"LOG_FILE": str(instance / "app.log"), "LOG_JOURNAL_DIR": str(instance / "journal")}
    settings |= {name: f"sqlite:///{instance / name.lower()}.db" for name in ("DATABASE_URL", "LOG_DATABASE_URL")}
    write = "import os; os.umask(0); from app import create_app; create_app().logger.error('secret'); os._exit(0)"
    assert command("flask", "db", "upgrade", **settings).returncode == 0
    assert command("-c", write, **settings).returncode == 0
    made = [instance, *instance.rglob("*")]
    names = {path.name for path in made}
    assert {"app.log", "database_url.db", "log_database_url.db", ".__app.lock"} <= names
    assert any(name.endswith(".jsonl") for name in names)
    assert {(path.name, oct(path.stat().st_mode & 0o777)) for path in made} == {
        (path.name, "0o700" if path.is_dir() else "0o600") for path in made
    }
    if os.geteuid() == 0:
        for path in made:
            read = ["setpriv", "--reuid=65534", "--clear-groups", "cat" if path.is_file() else "ls", str(path)]
            assert subprocess.run(read, capture_output=True, check=False).returncode != 0, path


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
    with pytest.raises(FileNotFoundError):
        make_file(link)
    assert not (tmp_path / "elsewhere").exists()
