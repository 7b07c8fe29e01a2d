"""What commands share: errors as one sentence, text without control characters, counts, tables, and two options."""

import codecs
import io
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import NamedTuple

import click
from sqlalchemy.exc import OperationalError, ProgrammingError

from .database import database_error
from .listing import BadFilter

# Characters that a terminal would obey rather than show, and those that turn the direction of text or hide in it.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if code not in (0x09, 0x0A)}
_HIDDEN = (0x061C, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
_CONTROLS |= {code: f"\\u{code:04x}" for code in _HIDDEN}
_IN_JSON = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *_HIDDEN)}

_COLOR = re.compile(r"\x1b\[[0-9;:]*m")


def without_colors(text: str) -> str:
    """Return the text without the escape sequences that colour it; other sequences stay, for :func:`inert` to show."""
    return _COLOR.sub("", text) if "\x1b" in text else text


def inert(text: object) -> str:
    """Return the text with all characters escaped that move a cursor, set a colour, hide or turn the direction."""
    return str(text).translate(_CONTROLS)


def inert_json(line: str) -> str:
    """Return a line of JSON that a terminal shows as it is: this escapes the characters that JSON itself does not."""
    return line.translate(_IN_JSON)


def _escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


# Unlike Python's own "backslashreplace", this keeps JSON valid.
codecs.register_error("as_in_json", _escape)


def how_many(number: int, noun: str, nouns: str | None = None) -> str:
    """Return the number with its noun: "1 row", "2,000 rows".

    :param nouns: the plural if it is not the noun with an s
    """
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def prepare_terminal() -> None:
    """Let stdout show ``\\u2192`` for a character that its encoding lacks, and no colour if NO_COLOR is set."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="as_in_json")
    if os.environ.get("NO_COLOR"):
        click.get_current_context().color = False


def local_time(moment: datetime) -> str:
    """Return the moment to the second in this machine's zone."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


json_option = click.option("--json", "as_json_lines", is_flag=True, help="One JSON object a line.")
limit_option = click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many to show at most."
)


@contextmanager
def plain_errors(*refusals: type[Exception]) -> Iterator[None]:
    """Turn expected errors in the block into one sentence on stderr, without a traceback; it is a decorator, too.

    :param refusals: exceptions whose own text is that sentence
    """
    try:
        yield
    except BadFilter as mistake:
        raise click.UsageError(inert(mistake)) from None
    except refusals as error:
        raise click.ClickException(inert(error)) from None
    except (OperationalError, ProgrammingError) as error:
        raise click.ClickException(inert(database_error(error))) from None


# Tables

GAP = "  "
#: How many rows are read before the first is printed; they decide the widths of the columns.
MEASURED_ROWS = 100


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, whether it is a number, and whether it may be cut where room is short."""

    title: str
    is_number: bool = False
    may_be_cut: bool = False


class Colored(NamedTuple):
    """A cell in one of click's colours."""

    text: str
    color: str


Cell = object | Colored


def print_table(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, empty: str, measured: int = MEASURED_ROWS
) -> None:
    """Print a table that fits the terminal: a title for each column, and long texts cut.

    A pipe gets every row whole, its cells separated by tabs, and no titles: so ``cut -f``, ``wc -l`` and ``sort`` need
    no options. No cell can move the cursor or begin another line or column.

    :param empty: the sentence that is printed on stderr if there is no row
    :param measured: how many rows are read before the first is printed; 0 prints rows as they arrive, without titles
    """
    rows = iter(rows)
    first = list(islice(rows, max(measured, 1)))
    if not first:
        click.echo(empty, err=True)
        return
    room = terminal_width()
    if room is None:
        for row in chain(first, rows):
            click.echo("\t".join(_text(cell) for cell in row))
        return
    natural = [0] * len(columns)
    if measured:
        titles = [Colored(column.title, "bright_black") for column in columns]
        _widen(natural, [titles, *first])
        click.echo(_line(columns, titles, _fitted(columns, natural, room)))
    for row in chain(first, rows):
        _widen(natural, [row])
        click.echo(_line(columns, row, _fitted(columns, natural, room)))


def terminal_width() -> int | None:
    """Return how many characters a line of the terminal holds, None if the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _widen(widths: list[int], rows: Iterable[Sequence[Cell]]) -> None:
    for row in rows:
        widths[:] = (max(width, _width(_text(cell))) for width, cell in zip(widths, row, strict=True))


def _fitted(columns: Sequence[Column], natural: Sequence[int], room: int) -> list[int]:
    """Return widths that fit: columns that may be cut share what the others leave, and none has more than it needs."""
    left = room - len(GAP) * (len(columns) - 1)
    left -= sum(width for column, width in zip(columns, natural, strict=True) if not column.may_be_cut)
    narrowest_first = sorted((width, number) for number, width in enumerate(natural) if columns[number].may_be_cut)
    widths = list(natural)
    for done, (width, number) in enumerate(narrowest_first):
        widths[number] = max(1, min(width, left // (len(narrowest_first) - done)))
        left -= widths[number]
    return widths


def _line(columns: Sequence[Column], row: Sequence[Cell], widths: Sequence[int]) -> str:
    cells = []
    for column, cell, width in zip(columns, row, widths, strict=True):
        text = _cut(_text(cell), width)
        padding = " " * (width - _width(text))
        shown = click.style(text, fg=cell.color) if isinstance(cell, Colored) else text
        cells.append(padding + shown if column.is_number else shown + padding)
    return GAP.join(cells).rstrip()


def _text(cell: Cell) -> str:
    text = cell.text if isinstance(cell, Colored) else "-" if cell is None else cell
    return inert(text).replace("\n", "\\n").replace("\t", "\\t")


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    kept, used = [], 1  # the ellipsis
    for character in text:
        used += _width(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + "…"


def _width(text: str) -> int:
    """Return how many places a text takes on a terminal: two for a Chinese character, none for an accent."""
    return len(text) if text.isascii() else sum(map(_places, text))


def _places(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
