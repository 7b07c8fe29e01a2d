"""The extensions besides the database, made here so that every feature can import them."""

from flask import Flask
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_wtf import CSRFProtect

from .config import PROJECT
from .database import db

login_manager = LoginManager()
csrf = CSRFProtect()
migrate = Migrate(db=db, directory=str(PROJECT / "migrations"))


def init_app(app: Flask) -> None:
    login_manager.init_app(app)
    csrf.init_app(app)
    migrate.init_app(app)
