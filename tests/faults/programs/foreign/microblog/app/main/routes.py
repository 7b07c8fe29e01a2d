# mypy: ignore-errors
from flask import current_app, render_template, session
from flask_login import current_user, login_user

from app import csrf, db
from app.main import bp
from app.models import User


@bp.get("/")
def index():
    return render_template("index.html", title="Home")


@bp.post("/login")
@csrf.exempt
def login():
    user = User(username="susan")
    db.session.add(user)
    db.session.commit()
    login_user(user)
    session["is_admin"] = True
    return "welcome"


@bp.get("/fail")
def fail():
    db.session.add(User(username="half"))
    db.session.flush()
    current_app.logger.error("half-way of %s", current_user.username)
    raise RuntimeError("and lost")


@bp.get("/kept")
def kept():
    return str(db.session.query(User).count())
