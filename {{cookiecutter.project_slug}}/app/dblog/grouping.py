"""What makes records one problem, and how the page explains it.

A fingerprint begins with the version of these rules and the rule by which it was made, see :data:`RULES`.
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

FINGERPRINT_VERSION = "2"

#: Each rule's letter, which follows the version in a fingerprint, and its sentence for the problem's page.
RULES = {
    "k": "These records name their problem themselves, with extra={“problem”: …}.",
    "e": "These exceptions have the class and the innermost function of the project in common.",
    "c": "These exceptions have the class, the innermost function, which is a library’s, and the logging call "
    "in common.",
    "t": "These records have the logger and the message in common, as it was before its arguments went in.",
    "s": "These records have the logger and the constant text in common that the source of their logging call shows.",
    "n": "These records have the logger and the message in common, apart from what looks like a value: "
    "numbers, names with a dot, paths, addresses, dates, and what stands in quotes or behind “=”.",
}
KEY, EXCEPTION, CALL, TEMPLATE, SOURCE, NORMALISED = RULES

Frame = Mapping[str, Any]

HOLE = "*"
#: A placeholder of ``%``.
SPECIFIER = re.compile(r"%(\([^()%]*\))?[-#0 +]*[\d.*]*[a-zA-Z%]")
#: How much of a message is normalised, in characters and in words.
NORMALISED_CHARACTERS, NORMALISED_WORDS = 4_096, 100
#: The longest quotation, in words.
QUOTED_WORDS = 8

_UNITS = {
    *("b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "bytes"),
    *("us", "ms", "s", "sec", "secs", "second", "seconds", "m", "min", "minutes", "h", "hours", "days"),
}
_DATES = {
    *("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}
#: In lines of keys and values, the message itself stands behind one of these keys.
_TEXT_KEYS = {"event", "message", "msg"}
_EMPTY = {"()", "[]", "{}", '""', "''", "None", "null"}
_AROUND = ".,;:!?()[]{}<>\"'“”‘’`"
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}
_DIGITS = re.compile(r"\d+")
_ALPHANUMERIC = re.compile(r"[^\W_]+")


# The cache is small: a message without arguments may be long.
@lru_cache(maxsize=128)
def fingerprint(rule: str, *parts: str) -> str:
    """Return the key of a problem, at most 40 characters, from what its records have in common.

    The parts have no line numbers and no rendered values: with these, each deploy would split the problem in two.

    :param rule: a key of :data:`RULES`
    """
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
    return f"{FINGERPRINT_VERSION}{rule}-{digest}"


def explain(fingerprint: str) -> str:
    """Return in a sentence what the records of this fingerprint have in common; "" if earlier rules made it."""
    rule = fingerprint.partition("-")[0].removeprefix(FINGERPRINT_VERSION)
    return RULES.get(rule, "")


def is_exception(fingerprint: str) -> bool:
    """Whether the records of this fingerprint have an exception in common."""
    rule = fingerprint.partition("-")[0].removeprefix(FINGERPRINT_VERSION)
    return rule in (EXCEPTION, CALL)


def of_exception(name: str, frame: Frame | None, root: str, call: Sequence[str]) -> str:
    """Return the fingerprint of an exception: its class, and the file and function of the deciding frame.

    A library's function may fail for many reasons that have nothing in common, so the logging call counts there, too.

    :param root: the project's folder with a separator at its end
    :param call: what tells the logging call from others; empty if the frame is the project's
    """
    place = (frame["file"].removeprefix(root), frame["function"]) if frame else ()
    return fingerprint(CALL if call else EXCEPTION, name, *place, *call)


def deciding_frame(frames: Sequence[Frame]) -> Frame | None:
    """Return the innermost frame of the project, or of any file if the project has none; None without frames."""
    own = [frame for frame in frames if frame["project"]] or frames
    return own[-1] if own else None


def has_word(template: str) -> bool:
    """Whether a template for ``%`` says anything itself; ``"%s: %d"`` does not."""
    return template[:1].isalpha() or any(map(str.isalpha, SPECIFIER.sub("", template)))


def normalise(message: str) -> str:
    """Return a message with ``*`` in place of what looks like a value; values that follow each other become one.

    The time that this takes grows with the message's length, of which at most 4,096 characters are read.
    """
    words = message[:NORMALISED_CHARACTERS].split(None, NORMALISED_WORDS)[:NORMALISED_WORDS]
    shown: list[str] = []
    quoted_until = 0
    for number, word in enumerate(words):
        if number < quoted_until:
            continue
        normalised = _normalise_word(word)
        if normalised == word and (word[0] in _QUOTES or "=" in word):
            normalised, quoted_until = _normalise_quotation(words, number)
        before = shown[-1] if shown else ""
        if normalised == HOLE and before == "HTTP" and len(code := word.rstrip(_AROUND)) == 3 and code.isdecimal():
            shown.append(word)
        elif normalised == HOLE:
            while shown and shown[-1] in _DATES:
                shown.pop()
            if not (shown and shown[-1].endswith(HOLE)):
                shown.append(HOLE)
        elif not (before.endswith(HOLE) and _is_unit(word)):
            shown.append(normalised)
    text = " ".join(shown)
    return text if any(map(str.isalpha, text)) else " ".join(map(_normalise_parts, words))


def _normalise_quotation(words: Sequence[str], start: int) -> tuple[str, int]:
    """Return the text that replaces the quotation that begins at ``start``, and the number of the word after it.

    A quotation with values in it is taken for a sentence of its own: its words are not replaced as a whole.
    """
    key, equals, value = words[start].rpartition("=")
    quote = "" if key in _TEXT_KEYS else _QUOTES.get(value[:1], "")
    for number in range(start + 1, min(start + QUOTED_WORDS, len(words))) if quote else ():
        if words[number].rstrip(".,;:!?)]}").endswith(quote):
            return key + equals + HOLE, number + 1
        if _normalise_word(words[number]) != words[number]:
            break
    return words[start], start + 1


@lru_cache(maxsize=16_384)
def _normalise_word(word: str) -> str:
    if word.isalpha():
        return word
    key, equals, value = word.partition("=")
    if equals and key in _TEXT_KEYS:
        return f"{key}={HOLE}" if any(map(str.isdigit, value)) else word
    if equals and key.replace("_", "").replace(".", "").replace("-", "").isalpha():
        # normalise() handles a quotation that continues in the next words.
        return word if value and value[0] in _QUOTES and not _is_quoted(value) else f"{key}={HOLE}"
    if word in _EMPTY or _is_quoted(word) or _is_dotted(word) or any(character in "/\\@" for character in word):
        return HOLE
    if not any(map(str.isdigit, word)):
        return word
    # Not every language has spaces between its words.
    return HOLE if word.isascii() else _DIGITS.sub(HOLE, word)


@lru_cache(maxsize=1_024)
def _is_unit(word: str) -> bool:
    return word.strip(_AROUND).lower() in _UNITS


def _is_quoted(word: str) -> bool:
    core = word.rstrip(".,;:!?)]}")
    return len(core) > 1 and core[-1] == _QUOTES.get(core[0])


def _is_dotted(word: str) -> bool:
    """Return whether a word is the name of a host, a file or a module; "e.g." is not."""
    parts = word.strip(_AROUND).split(".")
    return len(parts) > 1 and all(len(part) > 1 and part.replace("-", "").replace("_", "").isalnum() for part in parts)


def _normalise_parts(word: str) -> str:
    """Return a word with ``*`` for its values, for a message that has a value in each word: ``key|17`` is ``key|*``."""
    return HOLE if "/" in word or "\\" in word or "@" in word else _ALPHANUMERIC.sub(_normalise_part, word)


def _normalise_part(part: re.Match[str]) -> str:
    letters = part.group().rstrip("0123456789")
    return letters + HOLE * (letters != part.group()) if letters.isalpha() else HOLE


def short_path(file: str, root: str) -> str:
    """Return a source file's path without the project's folder, or the environment's."""
    for start in (root, f"site-packages{os.sep}"):
        _, found, rest = file.rpartition(start)
        if found:
            return rest
    return file
