# mypy: ignore-errors
# It runs in the environment of the generated project.
"""gunicorn serves the project with one more page, which logs."""

import logging

from app import create_app
from app.database import db
from sqlalchemy import text

app = create_app()


@app.get("/say/<name>")
def say(name: str) -> str:
    db.session.execute(text("SELECT 1"))
    logging.getLogger("served").error("%s", name)
    return name


# With --preload this is logged before the server forks.
logging.getLogger("served").error("loaded")
