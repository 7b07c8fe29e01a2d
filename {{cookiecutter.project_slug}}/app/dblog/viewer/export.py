"""The rows of a filter as a stream: JSON lines or CSV, with one page of rows in memory at a time."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain

from .filters import Filters
from .format import as_json, json_line
from .queries import ALL_COLUMNS, Entry, page, reading

EXPORT_ROWS = 500
FORMATS = {"jsonl": "application/x-ndjson", "csv": "text/csv"}
COLUMNS = [column.name for column in ALL_COLUMNS]

# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def entries(filters: Filters) -> Iterator[Entry]:
    """Yield all rows of the filter, newest first; raises :class:`app.dblog.errors.Unreadable`.

    A connection is held only while a page of rows is read: a slow download must not keep one from the log.
    """
    before: str | None = None
    while True:
        with reading() as log:
            found = page(log, filters, columns=ALL_COLUMNS, before=before, size=EXPORT_ROWS)
        yield from found.entries
        if found.older is None:
            return
        before = found.older


def begun(rows: Iterator[Entry]) -> Iterable[Entry]:
    """Return the same rows with the first one read already, so that an error of the database is raised now."""
    return chain([row for row in (next(rows, None),) if row is not None], rows)


def lines(rows: Iterable[Entry], form: str) -> Iterator[str]:
    """Return the lines of a file; ``form`` is one of :data:`FORMATS`."""
    if form == "jsonl":
        return (json_line(as_json(row)) + "\n" for row in rows)
    return (_csv_line(cells) for cells in chain([COLUMNS], map(_cells, rows)))


def _cells(row: Entry) -> list[object]:
    values = as_json(row)
    return [_cell(values[name]) for name in COLUMNS]


def _cell(value: object) -> object:
    if isinstance(value, (dict, list)):
        return json_line(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _csv_line(cells: list[object]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue()
