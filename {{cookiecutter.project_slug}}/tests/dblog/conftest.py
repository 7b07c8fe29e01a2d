"""Fixtures for writers of journals beside the application's own."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.config import PROJECT
from app.database import db, hour_of, utcnow
from app.dblog.handler import DatabaseLogHandler
from app.dblog.journal.append import Journal
from app.dblog.store.writer import Writer

from .journals import MB


@pytest.fixture(autouse=True)
def _no_hour_ends() -> None:
    """Wait out an hour's last minute: rows are counted by the hour, and a test is to see one hour throughout."""
    while hour_of(utcnow()) != hour_of(utcnow() + timedelta(minutes=1)):
        time.sleep(0.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def make_writer(app: Flask, folder: Path) -> Iterator[Callable[..., Writer]]:
    """Return a function that makes writers beside the one of `app`, which gets none of their records."""
    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if not isinstance(each, DatabaseLogHandler)]

    made: list[Writer] = []

    def make(max_bytes: int = MB, storm_rows: int = 0) -> Writer:
        journal = Journal(folder, max_bytes, fsync=False)
        with app.app_context():
            made.append(Writer(db.engines["log"], journal, f"{PROJECT}/", storm_rows=storm_rows))
        return made[-1]

    yield make
    for writer in made:
        writer.close(timeout=0)


@pytest.fixture
def log(app: Flask) -> Engine:
    with app.app_context():
        return db.engines["log"]
