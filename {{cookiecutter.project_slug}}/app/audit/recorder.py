"""Writes the trail: what the ORM changes gets its entries on the same connection, in the same transaction.

During a flush mapper events collect, because `session.dirty` does not know the orphans, and `after_flush` writes,
when primary keys are known. Statements on many rows do not pass the mappers: see bulk.py. Imported once, this
holds for every session of the process, with Flask or without.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Table, event, inspect
from sqlalchemy.orm import InstanceState, LoaderCallableStatus, Mapper, PassiveFlag, Session

from .bulk import on_execute
from .entries import DELETE, INSERT, UPDATE, Changes, Identity, differences, entry, mask, write
from .marks import is_audited, marks
from .plain import plain
from .reading import read

NOT_LOADED = LoaderCallableStatus.NO_VALUE
# What is not in memory, or may have changed there unnoticed since it was loaded.
UNSURE = (LoaderCallableStatus, dict, list, set, bytearray)
IN_MEMORY = PassiveFlag.PASSIVE_NO_INITIALIZE | PassiveFlag.INCLUDE_PENDING_MUTATIONS


@dataclass(slots=True)
class Change:
    """An object that is being flushed, and what was there before."""

    action: str
    mapper: Mapper[Any]
    state: InstanceState[Any]
    connection: Connection
    old: dict[str, Any]


@dataclass
class Flush:
    """What the mappers report until the flush is done."""

    session: Session
    changes: list[Change] = field(default_factory=list)

    @cached_property
    def deleted(self) -> set[Any]:
        return {inspect(each).key for each in self.session.deleted}


def watch(mapper: Mapper[Any], model: type) -> None:
    """Begin to record a model that asks for it. Raises ValueError if its trail could not be kept with its data."""
    if not is_audited(mapper):
        return
    table = mapper.local_table
    if isinstance(table, Table) and table.metadata.info.get("bind_key"):
        raise ValueError(f"{model.__name__} is on another database: its trail would not roll back with it.")
    for column in marks(mapper).columns:
        # Loads the old value of an expired attribute before it takes a new one.
        event.listen(getattr(model, column), "set", ignore, active_history=True, raw=True)
    for listener in (before_insert, before_update, before_delete):
        event.listen(mapper, listener.__name__, listener, raw=True)


def ignore(*_event: object) -> None:
    """Listens only for the sake of the history."""


def before_flush(session: Session, *_rest: object) -> None:
    session.info["audit"] = Flush(session)  # in the place of what a failed flush has left


def flush_of(state: InstanceState[Any]) -> Flush:
    assert state.session is not None  # it is flushing
    flush: Flush = state.session.info["audit"]
    return flush


def before_insert(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> None:
    flush = flush_of(state)
    if flush.deleted and (key := mapper.identity_key_from_instance(state.obj())) in flush.deleted:
        # It takes the place of an object that is deleted in the same flush: SQLAlchemy makes that one UPDATE.
        old = read(connection, mapper, [key[1]])[key[1]]
        flush.changes.append(Change(UPDATE, mapper, state, connection, old))
    else:
        flush.changes.append(Change(INSERT, mapper, state, connection, {}))


def before_update(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> None:
    fields = marks(mapper).columns.keys() & state.committed_state.keys() | marks(mapper).given_on_update
    old = values_before(state, connection, fields)
    flush_of(state).changes.append(Change(UPDATE, mapper, state, connection, old))


def before_delete(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> None:
    old = values_before(state, connection, marks(mapper).columns)
    flush_of(state).changes.append(Change(DELETE, mapper, state, connection, old))


def after_flush(session: Session, *_rest: object) -> None:
    flush: Flush = session.info.pop("audit")
    entries: dict[Connection, list[dict[str, Any]]] = {}
    for change in flush.changes:
        changes = differences(change.mapper, change.old, values_after(change))
        if marks(change.mapper).links:
            changes |= links(change)
        if changes or change.action != UPDATE:
            found = entry(change.action, change.mapper, identity(change.state), changes)
            entries.setdefault(change.connection, []).append(found)
    for connection, rows in entries.items():
        write(connection, rows)


def values_before(state: InstanceState[Any], connection: Connection, fields: Iterable[str]) -> dict[str, Any]:
    """What the database holds in these fields of an object that is about to change."""
    old = {field: state.committed_state.get(field, state.dict.get(field, NOT_LOADED)) for field in fields}
    if unsure := [field for field, value in old.items() if isinstance(value, UNSURE)]:
        row = read(connection, state.mapper, [identity(state)]).get(identity(state), {})
        old |= {field: row.get(field) for field in unsure}
    return old


def values_after(change: Change) -> dict[str, Any]:
    """What it holds now, in the fields that matter; what it chose by itself is asked for."""
    state, columns = change.state, marks(change.mapper).columns.keys()
    if change.action == DELETE:
        return {}
    if change.action == INSERT:
        fields = columns & (state.dict.keys() | state.expired_attributes)
    else:
        fields = change.old.keys() | columns & state.committed_state.keys()
    new = {field: state.dict[field] for field in fields if field in state.dict}
    if chosen := fields - new.keys():
        key = tuple(change.mapper.primary_key_from_instance(state.obj()))
        row = read(change.connection, change.mapper, [key]).get(key, {})
        new |= {field: row.get(field) for field in chosen}
    return new


def links(change: Change) -> Changes:
    """Many-to-many relationships: the keys of the members that left, and of those that came."""
    changes: Changes = {}
    masked = marks(change.mapper).masked
    for link in marks(change.mapper).links:
        added, unchanged, deleted = change.state.get_history(link, IN_MEMORY)
        gone, come = ([*deleted, *unchanged], []) if change.action == DELETE else (deleted, added)
        if gone or come:
            sides = members(gone), members(come)
            changes[link] = [list(map(mask, side)) if link in masked else side for side in sides]
    return changes


def members(objects: Iterable[Any]) -> list[Any]:
    keys = [identity(inspect(each)) for each in objects]
    return [plain(key[0] if len(key) == 1 else key) for key in keys]


def identity(state: InstanceState[Any]) -> Identity:
    """The primary key; that of a new object is known after its INSERT only."""
    return state.key[1] if state.key else tuple(state.mapper.primary_key_from_instance(state.obj()))


def listen() -> None:
    event.listen(Mapper, "mapper_configured", watch)
    event.listen(Session, "before_flush", before_flush)
    event.listen(Session, "after_flush", after_flush)
    event.listen(Session, "do_orm_execute", on_execute)
