"""These functions turn the text of an environment variable into its value; a ValueError says what was expected."""

import logging
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
OFF = "OFF"

LEAST_KEY_BYTES, LEAST_KEY_CHARACTERS = 32, 5
MAKE_A_KEY = (
    'expected a long random text, such as the output of python -c "import secrets; print(secrets.token_urlsafe(32))"'
)
# Keys in documentation are made of these words, once or repeatedly, and of little else.
WORDS_OF_DOCUMENTATION = re.compile(
    r"development|something|production|changeme|generate|insecure|password|default|example|replace|testing|unsafe|"
    r"change|django|please|random|sample|secret|secure|string|super|flask|guess|never|value|easy|hard|here|long|only|"
    r"some|test|text|that|this|very|will|with|your|any|app|dev|for|key|not|the|use|you|be|do|in|is|me|my|on|to|"
    r"0?1234567890?|abcdefghijklmnopqrstuvwxyz|qwertyuiop|asdfghjkl|zxcvbnm|\b[ai]\b|[\W_]",
    re.IGNORECASE,
)
# Flask's own documentation prints this key as the output of `secrets.token_hex()`.
PRINTED_KEY = "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf"

PROXY_HEADERS = ("host", "port", "prefix")
HOST_NAME = re.compile(r"([a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63}", re.IGNORECASE)


def any_secret(value: str) -> str:
    if not value:
        raise ValueError(f"is not set; {MAKE_A_KEY}")
    return value


def strong_secret(value: str) -> str:
    """Return the key if nobody can guess it or look it up. A person who knows it can log in as anybody."""
    key = any_secret(value)
    if len(key.encode()) < LEAST_KEY_BYTES:
        raise ValueError(f"is shorter than {LEAST_KEY_BYTES} bytes; {MAKE_A_KEY}")
    if len(set(key)) < LEAST_KEY_CHARACTERS:
        raise ValueError(f"has fewer than {LEAST_KEY_CHARACTERS} different characters; {MAKE_A_KEY}")
    repeated = key in f"{key}{key}"[1:-1]
    if repeated or key == PRINTED_KEY or len(WORDS_OF_DOCUMENTATION.sub("", key)) < LEAST_KEY_BYTES // 4:
        raise ValueError(f"can be guessed, since it repeats itself or stands in documentation; {MAKE_A_KEY}")
    return key


def level(value: str | int) -> str:
    name = logging.getLevelName(value) if isinstance(value, int) else value.upper()
    if name not in LEVELS:
        raise ValueError(f"expected one of {', '.join(LEVELS)}")
    return name


def level_or_off(value: str | int) -> str:
    try:
        return OFF if str(value).upper() == OFF else level(value)
    except ValueError as mistake:
        raise ValueError(f"{mistake}, or OFF") from None


def integer(least: int = 0, most: int | None = None) -> Callable[[str | int], int]:
    """Return a parser for whole numbers within these bounds."""

    def parse(value: str | int) -> int:
        with suppress(ValueError):
            if least <= (found := int(value)) and (most is None or found <= most):
                return found
        expected = f"{least} or more" if most is None else f"{least} to {most:,}"
        raise ValueError(f"expected a whole number, {expected}")

    return parse


def boolean(value: str | bool) -> bool:
    answers = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
    if (found := answers.get(str(value).lower())) is None:
        raise ValueError("expected 1 or 0 (true or false, yes or no, on or off)")
    return found


def release(value: str) -> str:
    if len(value) > 64:
        raise ValueError("expected at most 64 characters, a commit or a version")
    return value


def comma_separated(value: str | Iterable[str]) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else [*value]


def proxy_headers(value: str | Iterable[str]) -> list[str]:
    names = [name.lower() for name in comma_separated(value)]
    if set(names) - set(PROXY_HEADERS):
        raise ValueError(f"expected some of {', '.join(PROXY_HEADERS)}, separated by commas")
    return names


def trusted_hosts(value: str | Iterable[str]) -> list[str]:
    hosts = comma_separated(value)
    for host in hosts:
        if not HOST_NAME.fullmatch(host.removeprefix(".")) and not is_address(host.strip("[]")):
            raise ValueError(f"expected names such as example.org, or .example.org for its subdomains too, not {host}")
    return hosts


def bind_host(value: str) -> str:
    """Return the address as gunicorn takes it: an IPv6 address in brackets."""
    if is_address(bare := value.strip("[]")):
        return f"[{bare}]" if ":" in bare else bare
    if not HOST_NAME.fullmatch(value):
        raise ValueError("expected an address such as 127.0.0.1, or 0.0.0.0 for all of this machine's")
    return value


def limits_storage(value: str) -> str:
    """Return the address of the storage in which Flask-Limiter counts."""
    if value != "memory://":
        from limits.errors import ConfigurationError
        from limits.storage import storage_from_string

        try:
            storage_from_string(value)  # makes no connection yet
        except (ConfigurationError, ValueError) as mistake:
            raise ValueError(f"expected memory:// or an address such as redis://127.0.0.1:6379 ({mistake})") from None
    return value


def is_address(text: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(text))
    return False
