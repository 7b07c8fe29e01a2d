# mypy: ignore-errors
from flask_login import UserMixin
from sqlalchemy.orm import Mapped, mapped_column

from app import db, login


class User(UserMixin, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str]


@login.user_loader
def load_user(id):
    return db.session.get(User, int(id))
