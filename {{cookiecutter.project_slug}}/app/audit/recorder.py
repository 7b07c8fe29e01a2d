"""This writes the trail: each change that the ORM makes gets its entry in the same transaction.

During a flush, mapper events collect the changes, because `session.dirty` does not know about orphans. `after_flush`
writes them, because primary keys are known only then. Statements on many rows do not pass the mappers: see bulk.py.
Once this module is imported, it records every session of the process, with Flask or without.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, event, inspect
from sqlalchemy.orm import InstanceState, LoaderCallableStatus, Mapper, PassiveFlag, Session

from .bulk import on_execute
from .entries import DELETE, INSERT, UPDATE, Changes, differences, entry, write
from .models import AuditEntry
from .options import is_audited, options
from .snapshot import Identity, Row, read

# Values in memory that do not tell the old value: they are not loaded, or may have been changed in place since then.
UNSURE = (LoaderCallableStatus, dict, list, set, bytearray)
IN_MEMORY = PassiveFlag.PASSIVE_NO_INITIALIZE | PassiveFlag.INCLUDE_PENDING_MUTATIONS


def listen() -> None:
    event.listen(Mapper, "mapper_configured", watch)
    event.listen(Session, "before_flush", before_flush)
    event.listen(Session, "after_flush", after_flush)
    event.listen(Session, "do_orm_execute", on_execute)


def watch(mapper: Mapper[Any], _model: type) -> None:
    """Record the model from now on, if it asks for a trail. Raises ValueError if its options are wrong."""
    if is_audited(mapper):
        options(mapper)
        for listener in (before_insert, before_update, before_delete):
            event.listen(mapper, listener.__name__, listener, raw=True)


def before_flush(session: Session, *_rest: object) -> None:
    session.info["audit"] = []  # a flush that failed may have left changes in it


def session_of(state: InstanceState[Any]) -> Session:
    assert state.session is not None  # it is flushing
    return state.session


def collect(state: InstanceState[Any], action: str, old: Row) -> None:
    session_of(state).info["audit"].append((state, action, old))


def before_insert(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> None:
    old: Row = {}
    if state.dict.keys() >= set(options(mapper).key):
        # If an object of the same key is deleted in this flush, SQLAlchemy turns both into one UPDATE.
        key = mapper.identity_key_from_instance(state.obj())
        old = read_one(connection, mapper, key[1]) if key in session_of(state).identity_map else {}
    collect(state, UPDATE if old else INSERT, old)


def before_update(_mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> None:
    collect(state, UPDATE, row_before(connection, state, state.committed_state))


def before_delete(_mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> None:
    collect(state, DELETE, row_before(connection, state, state.dict | state.committed_state))


def after_flush(session: Session, *_rest: object) -> None:
    if changes := session.info.pop("audit"):
        connection = session.connection({"mapper": AuditEntry.__mapper__})
        write(connection, (recorded(connection, *change) for change in changes))


def recorded(connection: Connection, state: InstanceState[Any], action: str, old: Row) -> dict[str, Any]:
    new = {} if action == DELETE else row_after(connection, state, old)
    changes = differences(state.mapper, old, new) | links(state, action)
    return entry(action, state.mapper, identity(state), changes)


def row_before(connection: Connection, state: InstanceState[Any], leaving: Mapping[str, Any]) -> Row:
    """Return the object's row before the flush, from memory if all of it is there.

    :param leaving: the values that the object loses in this flush
    """
    columns, known = options(state.mapper).columns, state.dict | state.committed_state
    if columns.keys() <= known.keys() and not any(
        isinstance(leaving[field], UNSURE) for field in columns.keys() & leaving.keys()
    ):
        return known
    return read_one(connection, state.mapper, identity(state))


def row_after(connection: Connection, state: InstanceState[Any], old: Row) -> Row:
    """Return the row after the flush; columns that the database filled in are read back."""
    if state.expired_attributes and options(state.mapper).columns.keys() & state.expired_attributes:
        return read_one(connection, state.mapper, identity_now(state))
    return {**old, **state.dict} if old else state.dict


def read_one(connection: Connection, mapper: Mapper[Any], identity: Identity) -> Row:
    return next(iter(read(connection, mapper, [identity]).values()), {})


def links(state: InstanceState[Any], action: str) -> Changes:
    """Return for each many-to-many relationship the keys of the members that left, and of those that came."""
    changes: Changes = {}
    for field in options(state.mapper).links:
        come, stay, gone = state.get_history(field, IN_MEMORY)
        if action == DELETE:
            come, gone = [], [*gone, *stay]
        if come or gone:
            changes[field] = [members(gone), members(come)]
    return changes


def members(objects: Iterable[Any]) -> list[Any]:
    keys = [identity(inspect(each)) for each in objects]
    return [key[0] if len(key) == 1 else key for key in keys]


def identity(state: InstanceState[Any]) -> Identity:
    """Return the primary key from before the flush; for a new object the one from after it."""
    return state.key[1] if state.key else identity_now(state)


def identity_now(state: InstanceState[Any]) -> Identity:
    """Return the primary key after the flush; a field of it that is not in memory has not changed."""
    fields = options(state.mapper).key
    known = dict(zip(fields, state.key[1], strict=True)) if state.key else {}
    values = known | state.dict
    return tuple(values[field] for field in fields)
