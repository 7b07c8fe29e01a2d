"""The extensions besides the database; they are made here so that every feature can import them."""

import flask_migrate
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_wtf import CSRFProtect

from .config import PROJECT
from .database import db


class AlembicConfig(flask_migrate.Config):
    """A configuration that takes a path with a `%`, which begins a placeholder in an .ini file."""

    def set_main_option(self, name: str, value: str) -> None:
        super().set_main_option(name, value.replace("%", "%%"))  # type: ignore[misc]  # its stubs name no base class


# Flask-Migrate makes its configurations itself, from this name.
flask_migrate.Config = AlembicConfig  # type: ignore[misc]  # a class that is replaced by its own subclass

login_manager = LoginManager()
csrf = CSRFProtect()
# While its store is away, the limiter counts in memory: it would be worse if nobody could log in.
limiter = Limiter(get_remote_address, strategy="moving-window", in_memory_fallback_enabled=True, swallow_errors=True)
migrate = Migrate(db=db, directory=str(PROJECT / "migrations"))


def init_app(app: Flask) -> None:
    login_manager.init_app(app)
    csrf.init_app(app)
    limiter.init_app(app)
    migrate.init_app(app)
