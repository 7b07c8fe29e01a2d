"""Secrets are hidden by the name of their key and by their form."""

import re
from collections.abc import Iterable

REDACTED = "[redacted]"

_PARTS_OF_NAMES = (
    "passw|passphrase|pwd|secret|token|apikey|authorization|cookie|credential|privatekey|accesskey|csrf|sessionid"
)
_WHOLE_NAMES = ("auth", "pass", "session", "signature")

# Visitors choose the text that is searched, so every repetition is bounded: otherwise the time would grow with the
# square of the text's length.
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s/]+@")
_URL_SECRET = re.compile(
    r"([?&][^\s=&?]{0,64}(?:passw|pwd|secret|token|key|auth|signature)[^\s=&?]{0,64}=)[^\s&#'\"]+", re.IGNORECASE
)
_PASSWORD_HASH = re.compile(r"(?:(?:scrypt|pbkdf2)[\w:-]{0,64}|\$2[abxy]|\$argon2\w{0,8}|\$[156])\$[^\s'\",)]+")
# PostgreSQL quotes the whole row, password hash included, when a constraint refuses it.
_FAILING_ROW = re.compile(r"(Failing row contains )\(.*", re.DOTALL)


def secret_names(names: Iterable[str] = ()) -> re.Pattern[str]:
    """Return a pattern of the keys to redact: the built-in list and ``names``; case, ``-`` and ``_`` do not matter."""
    whole = "|".join(re.escape(_fold(name)) for name in (*_WHOLE_NAMES, *names))
    return re.compile(f"{_PARTS_OF_NAMES}|^(?:{whole})$")


def is_secret(key: str, secret: re.Pattern[str]) -> bool:
    """Whether the value under this key must not be shown; ``secret`` comes from :func:`secret_names`."""
    return secret.search(_fold(key)) is not None


def redact(text: str) -> str:
    """Return the text with the secrets hidden that can be told by their form: passwords in URLs, password hashes."""
    if "://" in text:
        text = _URL_SECRET.sub(rf"\1{REDACTED}", _URL_PASSWORD.sub(rf"\1{REDACTED}@", text))
    if "$" in text:
        text = _PASSWORD_HASH.sub(REDACTED, text)
    if "Failing row" in text:
        text = _FAILING_ROW.sub(rf"\1({REDACTED})", text)
    return text


def _fold(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "").replace(" ", "")
