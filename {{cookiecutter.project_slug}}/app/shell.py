"""`flask shell` knows `select` by name, besides `app`, `db` and every model."""

from flask import Flask
from sqlalchemy import select


def init_app(app: Flask) -> None:
    # Flask-SQLAlchemy adds `db` and the models.
    app.shell_context_processor(lambda: {"select": select})
