"""This makes a person's entries anonymous: they still say what changed, but not who did it and from where."""

from typing import Any

from sqlalchemy import literal, or_, select, type_coerce, update
from sqlalchemy.exc import DBAPIError

from ..actor import FORGOTTEN, CannotForget, any_of, may_name
from ..database import LongText, database_error
from ..terminal import how_many
from .entries import TABLE
from .queries import session

BATCH_ROWS = 200


def forget(user_id: int, names: list[str]) -> str:
    """Take a person out of the trail; commits. Raises :class:`app.actor.CannotForget`.

    :param user_id: the account's number, which is in the entries of what the person did
    :param names: what the person is called in old and new values
    """
    try:
        count = _forget(user_id, names)
    except DBAPIError as error:
        session().rollback()
        raise CannotForget(f"The trail keeps what it has of {names[0]}: {database_error(error)}") from error
    return f"The trail has made {how_many(count, 'entry', 'entries')} anonymous."


def _forget(user_id: int, names: list[str]) -> int:
    pattern, changes = any_of(names), type_coerce(TABLE.c.changes, LongText)
    theirs = or_(TABLE.c.user_id == user_id, may_name(changes, names))
    last = count = 0
    while rows := session().execute(_page(changes, theirs, last)).all():
        last = rows[-1].id
        for row in rows:
            own = {"user_id": None, "ip": None} if row.user_id == user_id else {}
            text = pattern.sub(FORGOTTEN, row.text)
            if own or text != row.text:
                count += 1
                session().execute(
                    update(TABLE).where(TABLE.c.id == row.id).values(changes=literal(text, LongText), **own)
                )
        session().commit()
    return count


def _page(changes: Any, theirs: Any, last: int) -> Any:
    page = select(TABLE.c.id, TABLE.c.user_id, changes.label("text"))
    return page.where(theirs, TABLE.c.id > last).order_by(TABLE.c.id).limit(BATCH_ROWS)
