"""The names of secrets: which keys hold a value that must not be shown."""

import re
from collections.abc import Iterable
from functools import lru_cache

# "API key" and "backup code" are names of secrets, "sort key" and "status code" are not.
OF_KEYS = (
    "api|private|access|sign|signing|signature|encryption|encrypt|decryption|master|server|fernet|account|shared"
    "|preshared|subscription|auth|app|license|ssh|hmac|service|deploy|storage|aes|rsa|admin|function|root|integration"
    "|webhook|unseal|wpa|wifi"
)
OF_CODES = "recovery|backup|verification|security|onetime|otp|totp|mfa|2fa|sms|pin|login|unlock|device|user"

# Parts of names, without case and separators, see :func:`fold`.
_PARTS = rf"""
    passw passphrase passcode passkey passe$ passord pwd
    (?:db|user|smtp|ldap|mysql|pg|root|admin|sql|mail|ftp|redis)pass$
    contrase senha kennwort wachtwoord parola losenord salasana adgangskode jelszo lozinka heslo$ haslo$ geslo$ ^clave$
    secret token authorization cookie credential (?:registry|http|basic|proxy|smtp|npm|git)auth$
    csrf xsrf sessionid sessid sessionkey jwt saml(?:response|request) codeverifier clientassertion
    connectionstring connstr sharedaccesssignature webhookurl mnemonic seedphrase
    snmpcommunity communitystring
    creditcard cardnumber ccnumber socialsecurity
    (?:{OF_KEYS})key (?:{OF_CODES})codes?
"""
STRONG = "|".join(_PARTS.split())
_WHOLE_NAMES = ("auth", "session", "creds")
# These words mean a secret as a whole name and as its last word: "user_pin", but not "opinion".
_LAST_WORDS = (
    "pin",
    "otp",
    "totp",
    "cvv",
    "cvc",
    "ssn",
    "bearer",
    "dsn",
    "pass",
    "pw",
    "sig",
    "signature",
    "psk",
    "session",
)
_LAST_WORD = re.compile(rf"(?:^|[\W_]|(?<=[a-z])(?=[A-Z]))(?i:{'|'.join(_LAST_WORDS)})(?:[-_]?\d{{1,3}})?$")
# Names that speak of a secret without being one: "token_type", "max_tokens", "passwords.py", "CSRFError".
_NO_SECRET = re.compile(
    "secretar|cookiecutter|passwordless|tokeni[sz]"
    "|^(?:max|min|num|total|prompt|completion|input|output|cached|reasoning|used)(?:new|of|completion)?tokens$"
    "|(?:edat|esat|sentat|setat|age|length|type|policy|ttl|timeout|lifetime|expiry|expires|expiresin|expiration|count|limit"
    "|field|file|path|uri|endpoint|name|error|exception|warning|expired|failed|failure|missing|required|invalid"
    "|mismatch|notfound|tooshort|enabled|secure|httponly|samesite|algorithm|method|strength|status|validator|form"
    r"|manager|middleware|hasher|\.py|\.js|\.html|\.css|\.json|\.toml|\.txt|\.md|\.ya?ml)$"
)


def secret_names(names: Iterable[str] = ()) -> re.Pattern[str]:
    """Return a pattern of the keys to redact: the built-in list and ``names``; case, ``-`` and ``_`` do not matter."""
    own = "|".join(re.escape(fold(name)) for name in names) or "(?!)"
    return re.compile(f"^(?P<own>{own})$|{STRONG}|^(?:{'|'.join(_WHOLE_NAMES)})$")


@lru_cache(maxsize=4_096)
def is_secret(key: str, secret: re.Pattern[str]) -> bool:
    """Return whether the value under this key must not be shown; ``secret`` comes from :func:`secret_names`."""
    folded = fold(key)
    found = secret.search(folded)
    if found is not None and found["own"] is not None:
        return True
    return bool(found or _LAST_WORD.search(key)) and not _NO_SECRET.search(folded)


def fold(key: str) -> str:
    """Return the name without case and separators; in this form names are compared."""
    return key.lower().replace("-", "").replace("_", "").replace(" ", "")


BUILT_IN = secret_names()
