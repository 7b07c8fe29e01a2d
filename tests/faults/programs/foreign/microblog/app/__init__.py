# mypy: ignore-errors
"""An application like microblog: it has a factory, blueprints, Flask-SQLAlchemy, Flask-Login, and a base.html."""

from flask import Flask
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

db = SQLAlchemy()
login = LoginManager()
login.login_view = "main.login"
csrf = CSRFProtect()


def create_app():
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "x"
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db.init_app(app)
    login.init_app(app)
    csrf.init_app(app)

    from app.main import bp

    app.register_blueprint(bp)
    with app.app_context():
        db.create_all()
    # The log comes here.
    return app


from app import models  # noqa: E402, F401  # as the Mega-Tutorial has it: the models need db above
