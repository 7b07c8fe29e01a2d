# mypy: ignore-errors
"""An application like flaskr: it has a factory, plain sqlite3, and a base.html without a block for styles."""

import os
import sqlite3

from flask import Flask, current_app, g, render_template, session


def get_db():
    if "db" not in g:
        g.db = sqlite3.connect(current_app.config["DATABASE"])
        g.db.execute("CREATE TABLE IF NOT EXISTS post (title TEXT)")
    return g.db


def create_app(test_config=None):
    app = Flask(__name__, instance_relative_config=True)
    app.config.from_mapping(SECRET_KEY="dev", DATABASE=os.path.join(app.instance_path, "flaskr.sqlite"))
    if test_config is not None:
        app.config.update(test_config)
    os.makedirs(app.instance_path, exist_ok=True)

    @app.teardown_appcontext
    def close_db(_error=None):
        if (db := g.pop("db", None)) is not None:
            db.close()

    @app.get("/")
    def index():
        return render_template("blog/index.html")

    @app.post("/login")
    def login():
        session["is_admin"] = True
        return "welcome"

    @app.get("/fail")
    def fail():
        get_db().execute("INSERT INTO post VALUES ('half')")
        current_app.logger.error("half-way of %s", "susan")
        raise RuntimeError("and lost")

    @app.get("/kept")
    def kept():
        return str(get_db().execute("SELECT COUNT(*) FROM post").fetchone()[0] + 1)

    # The log comes here.
    return app
