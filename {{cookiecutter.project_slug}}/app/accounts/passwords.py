"""How passwords are hashed, and which are too weak."""

from flask import current_app, has_app_context
from werkzeug.security import check_password_hash, generate_password_hash

MIN_PASSWORD = 8
#: OWASP's choice of 32 MiB: four logins at once take 128 MiB.
METHOD = "scrypt:32768:8:3"
METHOD_OF_TESTS = "scrypt:1024:8:1"
#: How many characters zxcvbn looks at: its search for patterns is slow on long passwords.
LOOKED_AT = 32
#: The least score on zxcvbn's scale of 0 to 4. Passwords below it, common ones and their variants, are found within a
#: million tries.
LEAST_SCORE = 2


def hash_password(password: str) -> str:
    return generate_password_hash(password, method=_method())


def matches(password_hash: str, password: str) -> bool:
    return check_password_hash(password_hash, password)


def is_outdated(password_hash: str) -> bool:
    """Return whether the hash was made by another method than that for new passwords."""
    return password_hash.partition("$")[0] != _method()


def weakness(password: str, username: str) -> str | None:
    """Return in a sentence why the password is too weak, None if it is not."""
    if len(password) < MIN_PASSWORD:
        return f"A password has at least {MIN_PASSWORD} characters."
    # zxcvbn is imported late, since its lists of common passwords take a tenth of a second and 12 MB.
    from zxcvbn import zxcvbn

    if zxcvbn(password[:LOOKED_AT], user_inputs=[username])["score"] < LEAST_SCORE:
        return "That password is too easy to guess: it is a common one, or a variant. A few words together are better."
    return None


def _method() -> str:
    """Return the method for new hashes; tests make many hashes, which need not be safe."""
    return METHOD_OF_TESTS if has_app_context() and current_app.testing else METHOD
