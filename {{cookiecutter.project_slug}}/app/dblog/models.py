"""The log's tables, all on the bind ``log``: rows, problems and their history, releases, counts, places in journals."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import BigId, JSONText, LongText, Model, UTCDateTime, exact_text

OPEN, RESOLVED, MUTED = "open", "resolved", "muted"
#: The actions that the writer adds to a problem's history.
CAME_BACK, MUTE_ENDED = "came back", "mute ended"
#: How many users of a problem are kept.
MAX_USERS = 1_000

# Counts are added up in the order of their keys. Without row ids SQLite stores them in this order and needs a third of
# the time.
_COUNTS = {"mysql_charset": "utf8mb4", "sqlite_with_rowid": False}
#: How much of a text is searched, from its beginning: a long text that nearly matches would take minutes.
SEARCH_CHARACTERS = 4_000


class LogEntry(Model):
    """One logged record."""

    __tablename__ = "log_entry"
    __bind_key__ = "log"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[str] = mapped_column(exact_text(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    level: Mapped[int] = mapped_column(SmallInteger)
    logger: Mapped[str] = mapped_column(exact_text(200))
    message: Mapped[str] = mapped_column(LongText)
    exception: Mapped[str | None] = mapped_column(String(500))
    #: The beginning of the exception's text, as much as is searched.
    exception_text: Mapped[str | None] = mapped_column(LongText)
    trace: Mapped[str | None] = mapped_column(LongText)
    frames: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONText)
    fingerprint: Mapped[str] = mapped_column(exact_text(40))
    request_id: Mapped[str | None] = mapped_column(exact_text(128))
    method: Mapped[str | None] = mapped_column(String(32))
    path: Mapped[str | None] = mapped_column(LongText)
    query: Mapped[str | None] = mapped_column(LongText)
    user_agent: Mapped[str | None] = mapped_column(LongText)
    endpoint: Mapped[str | None] = mapped_column(String(255))
    ip: Mapped[str | None] = mapped_column(String(64))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    is_admin: Mapped[bool | None]
    host: Mapped[str | None] = mapped_column(String(255))
    pid: Mapped[int | None] = mapped_column(BigInteger)
    thread: Mapped[str | None] = mapped_column(String(255))
    source: Mapped[str | None] = mapped_column(String(255))
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSONText)
    release: Mapped[str | None] = mapped_column(exact_text(64))

    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "level", "created_at", "id"),
        Index(None, "logger", "created_at"),
        Index(None, "fingerprint", "created_at"),
        Index(None, "user_id", "created_at", "id"),
        Index(None, "request_id"),
        # Without AUTOINCREMENT SQLite gives a pruned row's id to a new row, to which old permalinks would lead.
        {"sqlite_autoincrement": True, "mysql_charset": "utf8mb4"},
    )


class LogProblem(Model):
    """All records of one fingerprint: how many there were since the first, when, and what was decided about them.

    ``place`` and ``last_seen`` are those of the newest record. ``users`` stops at :data:`MAX_USERS`. ``came_back_at``
    is the time of the record that opened a resolved problem again, ``decided_at`` that of the last decision or note.
    """

    __tablename__ = "log_problem"
    __bind_key__ = "log"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(exact_text(40), unique=True)
    level: Mapped[int] = mapped_column(SmallInteger)
    title: Mapped[str] = mapped_column(LongText)
    place: Mapped[str] = mapped_column(String(500))
    count: Mapped[int] = mapped_column(BigInteger)
    users: Mapped[int] = mapped_column(default=0)
    first_seen: Mapped[datetime] = mapped_column(UTCDateTime)
    last_seen: Mapped[datetime] = mapped_column(UTCDateTime)
    status: Mapped[str] = mapped_column(String(16), default=OPEN)
    came_back_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: Whether it is resolved in the next deploy: records of releases that were there before do not open it.
    in_next_deploy: Mapped[bool] = mapped_column(default=False)
    muted_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    muted_until_count: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index(None, "status", "last_seen", "id"),
        # The tabs of every page count by these two.
        Index(None, "status", "level"),
        # The problems that were seen once may be ten times as many as the others, which are found without them.
        Index("ix_log_problem_seen_once", "status", "count", "decided_at", "level", "first_seen"),
        # Without AUTOINCREMENT SQLite gives a deleted problem's number to a new one, to which old links would lead.
        {"sqlite_autoincrement": True, "mysql_charset": "utf8mb4"},
    )


class LogProblemUser(Model):
    """How many records of a problem a user had, for the first thousand users of a problem."""

    __tablename__ = "log_problem_user"
    __bind_key__ = "log"

    fingerprint: Mapped[str] = mapped_column(exact_text(40), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(BigInteger)


class LogDecision(Model):
    """One line of a problem's history: who decided what and when, or that it came back.

    ``account`` is the system account that ran the command. ``before`` has the problem's earlier columns, for an undo.
    """

    __tablename__ = "log_decision"
    __bind_key__ = "log"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(exact_text(40))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    action: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str | None] = mapped_column(LongText)
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    account: Mapped[str | None] = mapped_column(String(255))
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONText)

    __table_args__ = (
        Index(None, "fingerprint", "id"),
        # Without AUTOINCREMENT SQLite gives an old number to a new decision, and an undo could take back the wrong one.
        {"sqlite_autoincrement": True, "mysql_charset": "utf8mb4"},
    )


class LogRelease(Model):
    """What was deployed, and when a process or a record of it was first seen."""

    __tablename__ = "log_release"
    __bind_key__ = "log"

    release: Mapped[str] = mapped_column(exact_text(64), primary_key=True)
    first_seen: Mapped[datetime] = mapped_column(UTCDateTime)


class LogHour(Model):
    """How many records of a level a logger made in one hour (its start, UTC), and how many of them have no row."""

    __tablename__ = "log_hour"
    __bind_key__ = "log"

    hour: Mapped[datetime] = mapped_column(UTCDateTime, primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    logger: Mapped[str] = mapped_column(exact_text(200), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    without_row: Mapped[int] = mapped_column(BigInteger, server_default="0")

    __table_args__ = _COUNTS


class LogDay(Model):
    """The counts of :class:`LogHour` by the day (its start, UTC): the hours of a month take too long to add up."""

    __tablename__ = "log_day"
    __bind_key__ = "log"

    day: Mapped[datetime] = mapped_column(UTCDateTime, primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    logger: Mapped[str] = mapped_column(exact_text(200), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    without_row: Mapped[int] = mapped_column(BigInteger, server_default="0")

    __table_args__ = _COUNTS


class LogProblemHour(Model):
    """How many records of a problem, a level and a logger were made in one hour (its start, UTC), and how many of them
    have no row.
    """

    __tablename__ = "log_problem_hour"
    __bind_key__ = "log"

    fingerprint: Mapped[str] = mapped_column(exact_text(40), primary_key=True)
    hour: Mapped[datetime] = mapped_column(UTCDateTime, primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    logger: Mapped[str] = mapped_column(exact_text(200), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    without_row: Mapped[int] = mapped_column(BigInteger, server_default="0")

    __table_args__ = (Index(None, "hour", "fingerprint"), _COUNTS)


class LogProblemDay(Model):
    """The counts of :class:`LogProblemHour` by the day (its start, UTC).

    Charts of problems add them up, and charts of a month subtract those of muted problems.
    """

    __tablename__ = "log_problem_day"
    __bind_key__ = "log"

    fingerprint: Mapped[str] = mapped_column(exact_text(40), primary_key=True)
    day: Mapped[datetime] = mapped_column(UTCDateTime, primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    logger: Mapped[str] = mapped_column(exact_text(200), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    without_row: Mapped[int] = mapped_column(BigInteger, server_default="0")

    __table_args__ = (Index(None, "day", "fingerprint"), _COUNTS)


class LogPosition(Model):
    """The place of a journal's last record in a batch of which some records were only counted, for a replay."""

    __tablename__ = "log_position"
    __bind_key__ = "log"

    journal: Mapped[str] = mapped_column(exact_text(32), primary_key=True)
    segment: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger)
    written_at: Mapped[datetime] = mapped_column(UTCDateTime)
