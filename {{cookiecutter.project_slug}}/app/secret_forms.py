"""Secrets that are known by their form alone: keys of vendors, tokens, hashes, credentials in addresses, cards.

As to the time that a search takes, :mod:`app.redaction` applies.
"""

import base64
import binascii
import re
from string import ascii_letters, digits

REDACTED = "[redacted]"

_SCHEME = re.compile(r"(?<![\w-])(bearer|basic) {1,4}+([\w.~+/=:-]{6,}+)", re.IGNORECASE)
_CREDENTIALS = re.compile(
    r"((?<!\S)(?:-u|--user|--proxy-user)[ =]?[^\s:]{1,128}+:"
    r"|(?<!\w)(?:mysql|mariadb|sshpass)[^\n]{0,200}?\s-p\s?)[^\s\"']++"
)
_USER_INFO = re.compile(
    r"""(://[^\s/:@"'<>]{0,256}+:) (?: (?:[^\s/?\#@"'<>]*+@)++ | (?!\d{1,5}(?:[/?\#]|\Z))[^\s"'<>@]{1,128}+@ )
    | (://)(?=[^\s/:@\d]{0,64}+\d)[\w~.%+-]{16,256}+@ """,
    re.VERBOSE,
)
# Of no use as a name outside of an address.
_PARAMETER = re.compile(r"([?&#](?:code|key|state|ticket|assertion)=)([\w~%+=-]{16,}+)", re.IGNORECASE)

# Keys that begin as their vendor wants, and have a number in them.
_TOKEN = re.compile(
    r"""(?<![A-Za-z0-9])(?=[\w./+=:-]{20}) (?:
      (?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])
    | (?:gh[pousr]|npm|hf|gsk|r8|sbp|shp(?:at|ca|pa|ss)|(?:sk|rk)_(?:live|test)|whsec|do[op]_v1|lin_api|glc|glsa
        |rubygems)_
      (?=[A-Za-z]{0,64}+\d)[A-Za-z0-9+/=_]{16,}+
    | (?:github_pat_|dckr_pat_|gl[a-z]{2,5}-|xox[a-z](?:-\d)?[.-]|xapp-|AIza|ya29\.|1//0|GOCSPX-|sk-|pypi-AgE
        |SG\.|hv[bs]\.|PMAK-|NRAK-|ATATT3|ATCTT3|ATBB|AGE-SECRET-KEY-1|sq0[a-z]{3}-|rzp_live_|xai-|pplx-|nvapi-|figd_|EAA[AC]|PRIVATE-)
      (?=[A-Za-z_-]{0,64}+\d)[\w.-]{16,}+
    | (?:key-|dapi|SK)[0-9a-f]{32}(?!\w) | \d{8,10}:AA[\w-]{32,36}
    )""",
    re.VERBOSE,
)
_JWT = re.compile(r"(?<![\w-])(?:eyJ[\w-]{8,}+\.[\w-]{4,}+(?:\.[\w-]*+){0,3}|\.eJ[\w-]{16,}+\.[\w-]{5,8}\.[\w-]{20,}+)")
_WEBHOOK = re.compile(
    r"(hooks\.slack\.com/(?:services|workflows|triggers)/|/api/webhooks/\d{1,24}/|api\.telegram\.org/bot)[\w:/-]++"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,16}+ ){0,3}?PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]|-(?!----END))*+(?:-----END[^-\n]{0,40}+-----)?+"
)
_HASH = re.compile(
    r"""(?:scrypt|pbkdf2|bcrypt|argon2|sha1|md5)[\w:-]{0,64}+\$[^\s'",)]{8,}+
    | \$argon2\w{0,8}\$[^\s'"):]{8,}+
    | \$(?:2[abxy]?|scrypt|[1567y]|gy|sha1|sm3|apr1|pbkdf2[\w-]{0,16}+|bcrypt-sha256)\$[^\s'",):]{8,}+
    | \$[PHS]\$[\w./]{20,}+
    | \{(?:S?SHA\d{0,3}|S?MD5|CRYPT|PBKDF2[\w-]{0,16}+|ARGON2|x-issha)[^{}\s]{0,16}\}[\w$./+=,-]{8,}+
    | SCRAM-SHA-\d{1,3}\$[^\s'",]{16,}+ | (?<!\w)\*[0-9A-F]{40}(?!\w) | (?<!\w)md5[0-9a-f]{32}(?!\w)""",
    re.VERBOSE | re.IGNORECASE,
)
# PostgreSQL quotes the whole row, password hash included, when a constraint refuses it.
_FAILING_ROW = re.compile(r"(Failing row contains )\(.*+", re.DOTALL)

# Issuers by prefix and length; Luhn alone would take one in ten long numbers.
_CARD = re.compile(
    r"""(?<![\w.+-]) (?:
      4\d{3}([ -]?)\d{4}\1\d{4}\1\d{4}
    | (?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)([ -]?)\d{4}\2\d{4}\2\d{4}
    | 3[47]\d\d([ -]?)\d{6}\3\d{5}
    | (?:6011|64[4-9]\d|65\d\d|62\d\d|35(?:2[89]|[3-8]\d)|50[1-3]8|6304|67(?:59|6[123]))([ -]?)\d{4}\4\d{4}\4\d{4}
    | (?:30[0-5]\d|3095|3[689]\d\d)([ -]?)\d{6}\5\d{4}
    ) (?![\w-]|\.\d)""",
    re.VERBOSE,
)
# For the shortest text that may hold one: a run of so many characters of a key, and of a card's digits.
_IN_KEYS = bytes(0x61 if chr(code) in ascii_letters + digits + "_-./+=~" else 0x20 for code in range(256))
_IN_CARDS = bytes(0x30 if chr(code) in digits else 0x78 for code in range(256))
_KEY_RUN, _CARD_RUN = b"a" * 20, b"0" * 14


def hide_forms(text: str, low: str) -> str:
    """Return the text without the secrets that have a form of their own; ``low`` is the text in lower case."""
    if "@" in text and "://" in text:
        text = _USER_INFO.sub(rf"\1\2{REDACTED}@", text)
    if "-----BEGIN" in text:
        text = _PRIVATE_KEY.sub(REDACTED, text)
    if "$" in text or "*" in text or "md5" in low or ("{" in text and _has_scheme(low)):
        text = _HASH.sub(REDACTED, text)
    if "Failing row" in text:
        text = _FAILING_ROW.sub(rf"\1({REDACTED})", text)
    characters = text.encode("utf-8", "replace")
    if _KEY_RUN in characters.translate(_IN_KEYS):
        text = _TOKEN.sub(REDACTED, text)
        if "eyJ" in text or ".eJ" in text:
            text = _JWT.sub(REDACTED, text)
        if "hooks" in low or "telegram" in low:
            text = _WEBHOOK.sub(rf"\1{REDACTED}", text)
        if "=" in text:
            text = _PARAMETER.sub(_hide_code, text)
    if _CARD_RUN in characters.translate(_IN_CARDS, b" -"):
        text = _CARD.sub(_hide_card, text)
    if " -u" in text or " -p" in text or " --" in text:
        text = _CREDENTIALS.sub(rf"\1{REDACTED}", text)
    if "bearer " in low or "basic " in low:
        text = _SCHEME.sub(_hide_scheme, text)
    return text


def _has_scheme(low: str) -> bool:
    return "{s" in low or "{c" in low or "{p" in low


def _hide_code(found: re.Match[str]) -> str:
    return f"{found[1]}{REDACTED}" if any(map(str.isdecimal, found[2])) else found[0]


def _hide_card(found: re.Match[str]) -> str:
    numbers = [int(each) for each in found[0] if each.isdecimal()]
    doubled = (sum(divmod(2 * each, 10)) for each in numbers[-2::-2])
    return found[0] if (sum(numbers[::-2]) + sum(doubled)) % 10 else REDACTED


def _hide_scheme(found: re.Match[str]) -> str:
    scheme, value = found.groups()
    if scheme.lower() == "basic":
        try:
            is_one = b":" in base64.b64decode(value + "==")
        except binascii.Error:
            is_one = False
    else:
        is_one = any(map(str.isdecimal, value)) or (len(value) >= 16 and not value.islower() and not value.istitle())
    return f"{scheme} {REDACTED}" if is_one else found[0]
