"""The names of users, for the log and the trail, which store only their numbers."""

from collections.abc import Collection, Mapping

from sqlalchemy import BigInteger, select, type_coerce
from sqlalchemy.exc import SQLAlchemyError

from app.actor import Names
from app.database import db

from .models import User
from .users import find_user


def _names_of(user_ids: Collection[int]) -> Mapping[int, str]:
    """Return the names by number, without those of deleted accounts; none while the database is away."""
    if not user_ids:
        return {}
    try:
        # The log may have larger numbers than an account can have; PostgreSQL refuses to compare them with an INTEGER.
        chosen = select(User.id, User.username).where(type_coerce(User.id, BigInteger).in_(user_ids))
        return {user.id: user.username for user in db.session.execute(chosen)}
    except SQLAlchemyError:
        return {}


def _find_number(name: str) -> int | None:
    """Return the number of the account of this name, None if there is none or the database is away."""
    try:
        user = find_user(name)
    except SQLAlchemyError:
        return None
    return user.id if user else None


names = Names(of=_names_of, find=_find_number)
