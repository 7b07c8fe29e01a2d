# mypy: ignore-errors
# It becomes app/__init__.py of a small application that knows nothing of the generated project.
"""An application of somebody else's, with a database of its own and the log carried into it."""

import logging

from app import database, dblog
from app.actor import Guard, forbid
from app.database import Model, db
from flask import Flask
from flask_migrate import Migrate
from sqlalchemy.orm import Mapped, mapped_column


class Thing(Model):
    __tablename__ = "thing"

    id: Mapped[int] = mapped_column(primary_key=True)


def create_app(guard: Guard = forbid) -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{app.instance_path}/things.db"
    app.config["SQLALCHEMY_BINDS"] = {"log": f"sqlite:///{app.instance_path}/log.db"}
    database.init_app(app)
    Migrate(app, db)
    dblog.init_app(app, guard=guard)

    @app.get("/fail")
    def fail() -> str:
        db.session.add(Thing())
        db.session.flush()
        logging.getLogger("foreign").error("half-way with %s", "a thing")
        raise RuntimeError("and lost")

    @app.get("/things")
    def things() -> str:
        return str(db.session.query(Thing).count())

    return app
