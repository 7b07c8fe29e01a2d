"""What waits in all journals of the folder; the status and ``flask log flush`` ask for it."""

from contextlib import suppress
from dataclasses import dataclass

from .append import Journal
from .files import (
    QUARANTINE_BYTES,
    Segments,
    count_lines,
    journals,
    look_at_quarantine,
    pending_bytes,
    read_state,
    unshipped,
)
from .read import OwnReader, Reader


@dataclass(frozen=True)
class Waiting:
    """What the journals of a folder say about themselves.

    :param oldest: when the first of the records was logged, seconds since 1970; None if none waits
    :param unreported: how many of the dropped records no row of the log reports yet
    :param in_memory: records of processes whose journal cannot be written
    :param later: journals that a later version of the log wrote, which this one leaves alone
    :param unreadable: whether there may be more that this process cannot see
    :param error: what is wrong, in one sentence, or None
    :param quarantined: records that the database refused
    :param quarantined_since: when the first of them was logged, seconds since 1970
    :param partial: whether there was more to look at
    """

    pending_bytes: int
    oldest: float | None
    dropped: int
    unreported: int
    in_memory: int
    later: int
    unreadable: bool
    error: str | None
    quarantined: int
    quarantined_since: float | None
    partial: bool


def look(own: Journal, most_files: int | None = None) -> Waiting:
    """Return what waits in this process's journal, and in the others of its folder.

    :param most_files: look at no more than so many files, whatever they are, and only at a part of a large quarantine;
        None looks at everything
    """
    found: dict[str, Segments] = {}
    complete, unreadable, errors = True, [], [own.state.error]
    try:
        found, complete = journals(own.folder, most_files)
    except OSError as error:
        unreadable.append(error)
    found.pop(own.name, None)
    readers = {name: Reader(own.folder, name, read_state(own.folder, name, each), each) for name, each in found.items()}
    times = []
    for reader in [OwnReader(own), *readers.values()] if own.is_open else readers.values():
        try:
            times += [event["time"] for _, event in reader.read(1)]
        except OSError as error:
            unreadable.append(error)
    errors += [reader.state.error for reader in readers.values()]
    if unreadable:
        errors.append(f"journals cannot be read ({unreadable[0].strerror}): `flask log flush` as their user ships them")
    if later := sum(reader.later for reader in readers.values()):
        errors.append(f"a later version of the log wrote {later} of the journals; this one leaves them alone")
    quarantined, quarantined_since, counted = look_at_quarantine(
        own.folder, None if most_files is None else QUARANTINE_BYTES
    )
    states = [own.state, *(reader.state for reader in readers.values())]
    of_others = sum(pending_bytes(readers[name].state, segments) for name, segments in found.items())
    return Waiting(
        # The writer looks at all journals, but not at every moment.
        own.pending_bytes + max(of_others, 0 if complete else own.bytes_of_others),
        min(times, default=None),
        sum(sum(state.dropped.values()) for state in states),
        sum(sum(state.unreported().values()) for state in states),
        len(own.memory) + sum(reader.state.memory for reader in readers.values()),
        later,
        bool(unreadable),
        next(filter(None, errors), None),
        quarantined,
        quarantined_since,
        not (complete and counted),
    )


def waiting_records(own: Journal, most_files: int | None = None) -> int:
    """Return how many records are not in the database yet, as far as they can be read.

    :param most_files: see :func:`look`
    """
    waiting = len(own.memory)
    with suppress(OSError):
        for name, segments in journals(own.folder, most_files)[0].items():
            state = own.state if name == own.name else read_state(own.folder, name, segments)
            waiting += sum(count_lines(path, offset) for path, offset in unshipped(state, segments))
            waiting += state.memory if name != own.name else 0
    return waiting
