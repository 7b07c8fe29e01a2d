# mypy: ignore-errors
# It becomes app/mails/jobs.py of the generated project.
"""A worker's jobs: one changes an account and logs, the other changes an account and raises."""

import logging

from app import dblog
from app.accounts.models import User
from app.database import db

logger = logging.getLogger(__name__)


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code} {text}")


def add(name):
    db.session.add(User(username=name, password_hash="none"))
    db.session.commit()


@dblog.job
def send_mail(address):
    add(address)
    logger.warning("Nobody reads what is sent to %s", address)


@dblog.job
def fail(address):
    add(address)
    # Pickle cannot restore this exception, so Celery logs a copy of it.
    raise Refused(550, address)
