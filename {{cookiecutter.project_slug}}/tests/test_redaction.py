"""What is hidden and what is not, by the texts of redaction_texts.py."""

from app.redaction import redact

from .redaction_texts import HARMLESS, SECRETS


def left() -> list[str]:
    return [text for text, secret in SECRETS if secret in redact(text.replace("§", secret))]


def test_secrets_are_hidden() -> None:
    assert len(SECRETS) >= 115
    assert left() == []


def test_harmless_texts_stay() -> None:
    assert len(HARMLESS) >= 200
    assert [redact(text) for text in HARMLESS if redact(text) != text] == []
