"""flask social counts messages from the command line."""

import click
from flask.cli import AppGroup
from sqlalchemy import func, select

from app.database import db

from .models import Message

social_cli = AppGroup("social", help="Profiles and messages.")


@social_cli.command("count")
def count() -> None:
    """Say how many messages there are."""
    click.echo(f"{db.session.scalar(select(func.count(Message.id)))} messages")
