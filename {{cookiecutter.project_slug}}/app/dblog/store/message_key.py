"""What a message has in common with the others of its problem, by the first rule that fits the message."""

from functools import lru_cache
from typing import NamedTuple

import orjson

from .. import grouping
from ..journal.files import Event
from .source_templates import find_template

#: The keys under which a line of JSON may have its message.
_JSON_KEYS = ("event", "message", "msg")


class MessageKey(NamedTuple):
    """A rule of :data:`app.dblog.grouping.RULES`, the text that it makes of the message, and a title for people."""

    rule: str
    text: str
    title: str


def find_key(event: Event) -> MessageKey:
    """Return what the event's message has in common with those of its problem."""
    template = event.get("template")
    if template and (of_template := _of_template(template)):
        return of_template
    message = _of_json(event["message"])
    # The source is "module:line function", see docs/journal.md.
    place, _, function = (event.get("source") or "").partition(" ")
    line = place.rpartition(":")[2]
    if (
        (file := event.get("file"))
        and line.isdecimal()
        and (found := find_template(file, int(line), function, message))
    ):
        return MessageKey(grouping.SOURCE, *found)
    normalised = grouping.normalise(message)
    return MessageKey(grouping.NORMALISED, normalised, normalised or message)


# A program has few templates, since they are written in its code.
@lru_cache(maxsize=256)
def _of_template(template: str) -> MessageKey | None:
    return MessageKey(grouping.TEMPLATE, template, template) if grouping.has_word(template) else None


def own_key(event: Event) -> str | None:
    """Return the key that the application gave as ``extra={"problem": …}``, None if it gave none."""
    extra = event.get("extra")
    key = extra.get("problem") if extra else None
    return key if isinstance(key, str) and key else None


def _of_json(message: str) -> str:
    """Return the message inside a line of JSON, such as structlog makes; any other message as it is."""
    if message.startswith("{"):
        try:
            said = orjson.loads(message)
        except orjson.JSONDecodeError:
            return message
        return next((said[key] for key in _JSON_KEYS if isinstance(said.get(key), str)), message)
    return message
