"""Jobs that take too long for a request."""

import json
import logging
from pathlib import Path

from sqlalchemy import select

from app import dblog
from app.database import db

from .models import Message

logger = logging.getLogger(__name__)


@dblog.job
def export_messages(profile_id: int, to: str) -> None:
    """Write a person's messages into a file."""
    texts = db.session.scalars(select(Message.text).where(Message.profile_id == profile_id).order_by(Message.id))
    Path(to).write_text(json.dumps([*texts]), "utf-8")
    logger.warning("The messages of profile %s are in %s", profile_id, to)
