"""Secrets are hidden and other texts are not; redaction_texts.py has both kinds."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from app import redaction, secret_commands, secret_forms, secret_stems
from app import secret_names as names_of_secrets
from app.redaction import is_secret, redact, redact_code, redact_trace, secret_names

from .redaction_texts import HARMLESS, ORDINARY, REPEATED, SECRETS

MODULES = (redaction, secret_commands, secret_forms, secret_stems, names_of_secrets)


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


def spelled(part: str) -> Iterator[str]:
    """Yield the names that one part of the list of names stands for, with what may be between their words."""
    pieces = [
        each.strip("(?:)").split("|") for each in re.findall(r"\(\?:[^)]+\)|\w+", part.strip("^$").replace("s?", ""))
    ]
    for name in product(*pieces):
        yield from ("".join(name), "_".join(name), "-".join(name))


def test_every_name_has_a_stem() -> None:
    """The search for stems, which ends the work for most texts, misses no name."""
    names = [name for part in names_of_secrets._PARTS.split() for name in spelled(part)]
    names += [*names_of_secrets._WHOLE_NAMES, *names_of_secrets._LAST_WORDS]
    assert len(names) > 250
    for name in names:
        assert is_secret(name, secret_names()), name
        assert secret_stems.STEM.search(f"{name}=x"), name
        assert re.search(secret_stems.STEM_OF_OPTION, f"--{name} x"), name


def test_ordinary_texts_are_left_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is searched for names and values where the word behind a name says that no value follows."""
    looked_at: list[str] = []
    names_at = redaction._names_at

    def watched(text: str, *rest: Any) -> Any:
        looked_at.append(text)
        return names_at(text, *rest)

    monkeypatch.setattr(redaction, "_names_at", watched)
    assert len(ORDINARY) >= 40
    assert [text for text in ORDINARY if redact(text) != text] == []
    assert looked_at == []
    redact("password: x")
    assert looked_at == ["password: x"]


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
    constants = [each for module in MODULES for name, each in vars(module).items() if name.isupper()]
    patterns = [each for each in constants if type(each) is re.Pattern]
    patterns += [re.compile(each) for each in constants if type(each) is str and "(?" in each]
    patterns += map(re.compile, secret_commands._PROGRAMS.values())
    assert len(patterns) > 50
    for pattern in patterns:
        if pattern not in (
            re.compile(redaction._PLACEHOLDER),
            redaction._GROUPS,
            redaction._BY_PART,
            names_of_secrets._NO_SECRET,
        ):  # they see short texts only
            assert [most for most in repeats(parser.parse(pattern.pattern, pattern.flags)) if most > 512] == [], pattern
