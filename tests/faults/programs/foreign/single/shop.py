# mypy: ignore-errors
"""An application in a single file: it has plain SQLAlchemy, answers in JSON and text, and no templates."""

from flask import Flask, session
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

app = Flask(__name__)
app.config["SECRET_KEY"] = "x"
engine = create_engine("sqlite:///shop.db")


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "thing"

    id: Mapped[int] = mapped_column(primary_key=True)


Base.metadata.create_all(engine)


@app.get("/")
def index():
    return {"hello": "world"}


@app.post("/login")
def login():
    session["is_admin"] = True
    return "welcome"


@app.get("/fail")
def fail():
    with Session(engine) as db:
        db.add(Thing())
        db.flush()
        app.logger.error("half-way of %s", "susan")
        raise RuntimeError("and lost")


@app.get("/kept")
def kept():
    with Session(engine) as db:
        return str(db.scalar(select(func.count()).select_from(Thing)) + 1)


# The log comes here.
