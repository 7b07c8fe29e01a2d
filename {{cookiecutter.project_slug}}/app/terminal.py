"""What commands share: errors as one sentence, text that a terminal shows instead of obeying, two options."""

import codecs
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import OperationalError, ProgrammingError

from .database import database_error
from .listing import BadFilter

# What a terminal would obey rather than show, and what turns the direction of text or hides in it.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if code not in (0x09, 0x0A)}
_HIDDEN = (0x061C, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
_CONTROLS |= {code: f"\\u{code:04x}" for code in _HIDDEN}
_IN_JSON = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *_HIDDEN)}


def inert(text: object) -> str:
    """Return the text so that nothing in it moves a cursor, sets a colour, hides or turns the direction."""
    return str(text).translate(_CONTROLS)


def inert_json(line: str) -> str:
    """Return a line of JSON, whose strings have no controls left, so that a terminal shows all the rest of it too."""
    return line.translate(_IN_JSON)


def _escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


# Unlike Python's own "backslashreplace", this keeps JSON valid.
codecs.register_error("as_in_json", _escape)


def escape_what_the_terminal_lacks() -> None:
    """Let stdout show ``\\u2192`` for a character that its code page does not have, instead of raising."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="as_in_json")


json_option = click.option("--json", "as_json_lines", is_flag=True, help="One JSON object a line.")
limit_option = click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many."
)


@contextmanager
def plain_errors(*refusals: type[Exception]) -> Iterator[None]:
    """Within, what goes wrong is one sentence on stderr and no traceback; serves as a decorator, too.

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
