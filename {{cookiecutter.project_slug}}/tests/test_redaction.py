"""Secrets are hidden and other texts are not; redaction_texts.py has both kinds."""

import re
from collections.abc import Iterator
from typing import Any

from app import redaction, secret_commands, secret_forms
from app import secret_names as names_of_secrets
from app.redaction import is_secret, redact, redact_code, redact_trace, secret_names

from .redaction_texts import HARMLESS, REPEATED, SECRETS

MODULES = (redaction, secret_commands, secret_forms, names_of_secrets)


def test_secrets_are_hidden() -> None:
    assert len(SECRETS) >= 200
    assert [text for text, secret in SECRETS if secret in redact(text.replace("§", secret))] == []


def test_harmless_texts_stay() -> None:
    assert len(HARMLESS) >= 300
    assert [redact(text) for text in HARMLESS if redact(text) != text] == []


def test_no_text_is_refused() -> None:
    """The search works in every script: once it raised at "Basic" in front of letters that base64 does not have."""
    cyrillic = str.maketrans("aceopxyBKMH", "асеорхуВКМН")
    for text in (*HARMLESS, *REPEATED, *(text for text, _ in SECRETS)):
        for each in (text.translate(cyrillic), text.upper(), f"{text}İ\ud800", f"Basic {text.translate(cyrillic)}"):
            redact(each)
            redact_trace(each)
    assert redact("Basic ключключ") == "Basic ключключ"


def test_names() -> None:
    names = secret_names(["tax-file"])
    for name in (
        "user_pin",
        "userPin",
        "otp",
        "cvv",
        "ssn",
        "jwt",
        "DSN",
        "connection_string",
        "Signing-Key",
        "tax_file",
    ):
        assert is_secret(name, names), name
    for name in ("opinion", "shipping", "max_tokens", "token_type", "author", "keyboard", "passwords.py", "tax_file_2"):
        assert not is_secret(name, names), name


def test_source_lines() -> None:
    """Code stays; a secret in it is hidden."""
    stays = "    user = login(password=form.password.data, token=make_token(user))"
    assert redact_code(stays) == stays
    assert "hunter" not in redact_code('    connect(password="hunter", dsn=f"host=db password=hunter")')
    frame = f'  File "/srv/app.py", line 5, in view\n{stays}\n'
    assert redact_trace(f"{frame}ValueError: password=hunter2") == f"{frame}ValueError: password=[redacted]"


def repeats(parsed: Any) -> Iterator[int]:
    """Yield the upper limit of each repetition that may backtrack."""
    for operation, argument in parsed:
        if str(operation) in ("MAX_REPEAT", "MIN_REPEAT"):
            yield argument[1]
        for part in argument if isinstance(argument, (list, tuple)) else (argument,):
            for each in part if isinstance(part, list) else (part,):
                if type(each).__name__ == "SubPattern":
                    yield from repeats(each)


def test_the_time_grows_with_the_length() -> None:
    """Every repetition that may backtrack is short; those of any length are possessive."""
    parser = re._parser  # type: ignore[attr-defined]  # the standard library's own, public as sre_parse until 3.11
    patterns = [each for module in MODULES for each in vars(module).values() if type(each) is re.Pattern]
    assert len(patterns) > 15
    for pattern in patterns:
        if pattern not in (
            redaction._PLACEHOLDER,
            redaction._GROUPS,
            redaction._BY_PART,
            names_of_secrets._NO_SECRET,
        ):  # they see short texts only
            assert [most for most in repeats(parser.parse(pattern.pattern, pattern.flags)) if most > 512] == [], pattern
