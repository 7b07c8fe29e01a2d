"""Run by cron: forget the mood of old messages. Needs neither application nor context."""

import sys
from datetime import timedelta

from sqlalchemy import create_engine, update
from sqlalchemy.orm import Session

from app.database import utcnow
from app.social.models import Message, Mood

with Session(create_engine(sys.argv[1])) as session:
    old = Message.created_at < utcnow() - timedelta(days=int(sys.argv[2]))
    print(session.execute(update(Message).where(old).values(mood=Mood.CALM)).rowcount)  # type: ignore[attr-defined]  # a CursorResult
    session.commit()
