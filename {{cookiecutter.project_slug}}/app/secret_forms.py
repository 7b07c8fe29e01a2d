"""Secrets that are known by their form alone: keys of vendors, tokens, hashes, credentials in addresses, cards.

What :mod:`app.redaction` says about the time of a search holds here, too.
"""

import base64
import re
from string import ascii_letters, digits

from .secret_commands import REDACTED, hide_after

_SCHEME = r"(?i)(?<![\w-])(bearer|basic) {1,4}+(?!\w{1,32}+=\w)([\w.~+/=:-]{6,}+)"
# "ada:pw@db1:5432". A word without a number in it is not taken for a password.
_AT_HOST = r"""(?x)
    ((?<![\w./:@-])[\w.+-]{1,64}+:)(?=[^\s@]{0,64}?\d)[^\s:/@"'<>=]{5,128}+
      (?=@[\w-]{1,64}+(?:\.[\w-]{1,64}+){0,8}+(?::\d{2,5}(?!\w)|/\w))
      | (\bsips?:[\w.+-]{1,64}+:)[^\s:/@"'<>]{1,128}+(?=@)"""
_HAS_PASSWORD_AT = re.compile(r""":[^\s:/@"'<>]{1,128}+@""")
_DIGEST = r"""(?i)(\bdigest\s[^\r\n]{0,400}?\bresponse=["']?)[0-9a-f]{16,}+"""
# Sentences of mails: "482913 is your code", "use 482913 to sign in".
_ONE_TIME = r"""(?ix)
    \d(?: (?<!\w\d)(?<![^\WG]-\d)(?<!\.\d)\d\d[ -]?\d{1,5}(?=\ (?:
          (?:is|as)\ (?:your|the)\ (?:[\w-]{1,24}+\ ){0,4}?(?:code|otp|pin|passcode|password|token)\b
          | to\ (?:log|sign|verify|confirm)\b)) )"""
_TO_SIGN_IN = re.compile(" to (?:log|sign|verify|confirm)")
# "Your code is 482913", in other languages too, and "wrong code: 482913". Six digits alone are no error's code.
_CODE = r"""(?ix)
    (\b(?:your|ihr|dein|votre|ton|su|tu|seu|tuo|uw)
        (?:\ (?!postal|zip|order|error|country|product|area|voucher|discount)[\w-]{1,24}+){0,2}
        \ (?:code|código|codice)(?:\ d[ei]\ \w{1,16}+)?(?:\ (?:is|ist|lautet|est|es|è|é):?|:)\ )\d{4,8}\b
      | ((?:\A|[,;(\[{"'|]\s?|\b(?:sent|enter|entered|wrong|invalid|incorrect|expired|use|sms|confirmation
          |activation|access)\ )code["']?(?:\s?[:=]\s?|\ )["']?)\d{6}(?![\w-])
      | ((?-i:\b[a-z]{0,4}TAN)(?:\s?[:=]\s?|\ ))\d{4,8}\b"""
_NEAR_CODE = re.compile(r"c[oó]d[\s\S]{0,40}?\d{4}")
# Names of passwords in other scripts. A value without a number is a sentence about the password.
_FOREIGN = re.compile(
    r"""((?:парол[а-я]{0,3}|токен[а-я]{0,3}|密[码碼钥]|口令|パスワード|暗証番号|비밀번호|암호|κωδικός|hasł[oa]|şifre|lösenord
        |mật\ khẩu|סיסמה|كلمة\ (?:المرور|السر))["'»]{0,2}\s?[:=：是は]\s?["'«]?)
      (?=[^\s"',;&]{0,128}\d)[^\s"',;&»]{4,128}+""",
    re.VERBOSE | re.IGNORECASE,
)
_USER_INFO = r"""(?x)
    (://[^\s/:@"'<>]{0,256}+:)(?!\*++@) (?: (?:[^\s/?\#@"'<>]*+@)++ | (?!\d{1,5}(?:[/?\#]|\Z))[^\s"'<>@]{1,128}+@ )
    | (://)(?=[^\s/:@\d]{0,64}+\d)[\w~.%+-]{16,256}+@ """
# Parameters of an address. Elsewhere these names say nothing about a secret.
_PARAMETER = r"(?i)([?&#](?:code|key|state|ticket|assertion)=(?:4/)?)([\w~%+=-]{16,}+)"

# Keys that begin with their vendor's letters, and have a number in them.
_TOKEN = r"""(?x)
    (?<![A-Za-z0-9])(?=[\w./+=:-]{20}) (?:
      (?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])
    | (?:gh[pousr]|npm|hf|gsk|r8|sbp|shp(?:at|ca|pa|ss)|(?:sk|rk)_(?:live|test)|whsec|do[op]_v1|lin_api|glc|glsa
        |rubygems)_
      (?=[A-Za-z]{0,64}+\d|[A-Za-z]{0,32}[a-z][A-Z])[A-Za-z0-9+/=_]{16,}+
    | (?:github_pat_|dckr_pat_|gl[a-z]{2,5}-|xox[a-z](?:-\d)?[.-]|xapp-|AIza|ya29\.|1//0|GOCSPX-|sk-|pypi-AgE
        |SG\.|hv[bs]\.|PMAK-|NRAK-|ATATT3|ATCTT3|ATBB|AGE-SECRET-KEY-1|sq0[a-z]{3}-|rzp_live_|xai-|pplx-|nvapi-|figd_|EAA[AC]|PRIVATE-|TlRMTVNTUA)
      (?=[A-Za-z_-]{0,64}+\d)[\w.-]{16,}+
    | (?:dapi|SK)[0-9a-f]{32}(?!\w) | key-(?=[a-z]{0,32}\d)[0-9a-z]{32}(?!\w) | \d{8,10}:AA[\w-]{32,36}
    )"""
_JWT = r"(?<![\w-])(?:eyJ[\w-]{8,}+\.[\w-]{4,}+(?:\.[\w-]*+){0,3}|\.eJ[\w-]{16,}+\.[\w-]{5,8}\.[\w-]{20,}+)"
# Texts that itsdangerous and Django have signed: the value, the time, the signature.
_SIGNED = re.compile(r"([.:])(?<=[\w-].)[\w-]{5,8}\1([\w-]{27,}+)")
# "/reset-password/…", "/login/magic/…": a person with the address is let in.
_IN_PATH = re.compile(r"/(?!\w{8}-\w{4}-)([\w~-]{16,}+)(?!\.)")
_OPENS = (
    r"(?i)(?:reset|verify|verification|confirm|activat|invit|magic|unsubscribe|unlock|recover|token|secret|private)"
    r"[\w-]{0,24}(?:/[\w-]{1,16})?\Z"
)
_WEBHOOK = (
    r"(hooks\.slack\.com/(?:services|workflows|triggers)/|/api/webhooks/\d{1,24}/|api\.telegram\.org/bot)[\w:/-]++"
)
_PRIVATE_KEY = (
    r"-----BEGIN (?:[A-Z0-9]{1,16}+ ){0,3}?PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]|-(?!----END))*+(?:-----END[^-\n]{0,40}+-----)?+"
    r"|(?<=Private-Lines: )\d{1,4}+(?:\s{1,2}[\w+/=]{1,64}+(?!:))++"
)
_HASH = r"""(?ix)
    (?:scrypt|pbkdf2|bcrypt|argon2|sha1|md5)[\w:-]{0,64}+\$[^\s'",)]{8,}+
    | \$argon2\w{0,8}\$[^\s'"):]{8,}+
    | \$(?:2[abxy]?|scrypt|[1567y]|gy|sha1|sm3|apr1|pbkdf2[\w-]{0,16}+|bcrypt-sha256)\$[^\s'",):]{8,}+
    | \$[PHS]\$[\w./]{20,}+
    | \{(?:S?SHA\d{0,3}|S?MD5|CRYPT|PBKDF2[\w-]{0,16}+|ARGON2|x-issha)[^{}\s]{0,16}\}[\w$./+=,-]{8,}+
    | SCRAM-SHA-\d{1,3}\$[^\s'",]{16,}+ | (?<!\w)\*[0-9A-F]{40}(?!\w) | (?<!\w)md5[0-9a-f]{32}(?!\w)"""
# PostgreSQL quotes the whole row, password hash included, when a constraint refuses it.
_FAILING_ROW = r"(?s)(Failing row contains )\(.*+"

# Cards, by their issuers' prefixes and lengths: Luhn's check alone accepts one in ten long numbers.
_CARD = r"""(?x)
    (?<![\w.+-]) (?:
      4\d{3}([ -]?)\d{4}\1\d{4}\1\d{4}
    | (?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)([ -]?)\d{4}\2\d{4}\2\d{4}
    | 3[47]\d\d([ -]?)\d{6}\3\d{5}
    | (?:6011|64[4-9]\d|65\d\d|62\d\d|35(?:2[89]|[3-8]\d)|50[1-3]8|6304|67(?:59|6[123]))([ -]?)\d{4}\4\d{4}\4\d{4}
    | (?:30[0-5]\d|3095|3[689]\d\d)([ -]?)\d{6}\5\d{4}
    ) (?![\w-]|\.\d)"""
# This table turns each byte into its kind: a digit, a character of keys, or another one. Below are the shortest runs of
# such kinds in a key and in a card's number.
_KINDS = bytes(
    0x30 if chr(code) in digits else 0x61 if chr(code) in ascii_letters + "_-" else 0x20 for code in range(256)
)
_KEY_RUN, _CARD_RUN = "a" * 20, re.compile("0000[ a]?0000(?:00)?[ a]?0000")
# Ids that are no secrets, unless one stands at the end of an address.
_HEX_ID = re.compile(rb"(?<!/)[0-9a-f-]{20,}+|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?!\w)")


def hide_forms(text: str, low: str) -> str:
    """Return the text without the secrets that have a form of their own; ``low`` is the text in lower case."""
    if "@" in text:
        if "://" in text:
            text = re.sub(_USER_INFO, rf"\1\2{REDACTED}@", text)
        if _HAS_PASSWORD_AT.search(text):
            text = re.sub(_AT_HOST, hide_after, text)
    if "$" in text:
        text = re.sub(_HASH, REDACTED, text)
    if "-" in text and ("-----BEGIN" in text or "Private-Lines" in text):
        text = re.sub(_PRIVATE_KEY, REDACTED, text)
    if not text.isascii():
        text = _FOREIGN.sub(rf"\1{REDACTED}", text)
    if len(text) < 8:
        return text
    characters = text.encode("utf-8", "replace")
    kinds = characters.translate(_KINDS).decode("latin-1")
    if "000" in kinds:
        if "0000" in kinds:
            text = _hide_numbers(text, low, kinds)
        if " your " in low or (" to " in low and _TO_SIGN_IN.search(low)):
            text = re.sub(_ONE_TIME, REDACTED, text)
    runs = kinds.replace("0", "a")
    run = runs.find(_KEY_RUN)
    while run >= 0 and (number := _HEX_ID.match(characters, run)) is not None:
        run = runs.find(_KEY_RUN, number.end())
    if run >= 0:
        text = _hide_keys(text, low)
    elif "{" in text and _has_scheme(low):
        text = re.sub(_HASH, REDACTED, text)
    return text


def hide_said(text: str, low: str) -> str:
    """Return the text without secrets that are known by the words before them; ``low`` is the text in lower case."""
    if "bearer " in low or "basic " in low:
        text = re.sub(_SCHEME, _hide_scheme, text)
    if "digest " in low:
        text = re.sub(_DIGEST, rf"\1{REDACTED}", text)
    if "Failing row" in text:
        text = re.sub(_FAILING_ROW, rf"\1({REDACTED})", text)
    return text


def is_user_and_password(value: str) -> bool:
    """Return whether this can follow "Basic" in a header: it is the base64 of a name, a colon and a password."""
    try:
        return b":" in base64.b64decode(value + "==")
    except ValueError:  # it is no base64, or not in ASCII
        return False


def _hide_keys(text: str, low: str) -> str:
    text = re.sub(_TOKEN, REDACTED, text)
    if "*" in text or "md5" in low or ("{" in text and _has_scheme(low)):
        text = re.sub(_HASH, REDACTED, text)
    if "eyJ" in text or ".eJ" in text:
        text = re.sub(_JWT, REDACTED, text)
    text = _SIGNED.sub(_hide_signature, text)
    if "/" in text:
        text = _IN_PATH.sub(_hide_in_path, text)
        if "hooks" in low or "telegram" in low:
            text = re.sub(_WEBHOOK, rf"\1{REDACTED}", text)
    if "=" in text:
        text = re.sub(_PARAMETER, _hide_code, text)
    return text


def _hide_numbers(text: str, low: str, kinds: str) -> str:
    if _CARD_RUN.search(kinds):
        text = re.sub(_CARD, _hide_card, text)
    if "TAN" in text or (("cod" in low or "ó" in low) and _NEAR_CODE.search(low)):
        text = re.sub(_CODE, hide_after, text)
    return text


def _has_scheme(low: str) -> bool:
    return "{s" in low or "{c" in low or "{p" in low


def _hide_signature(found: re.Match[str]) -> str:
    """Return the text of the match with its signature hidden, if that looks like one."""
    value = found[2]
    is_one = any(map(str.isdecimal, value)) and any(map(str.isupper, value)) and any(map(str.islower, value))
    return f"{found[0][: -len(value)]}{REDACTED}" if is_one else found[0]


def _hide_in_path(found: re.Match[str]) -> str:
    """Return a part of a path, hidden if it is random and the part before it says that it lets a person in."""
    value, before = found[1], found.string[max(0, found.start() - 48) : found.start()]
    is_random = any(map(str.isdecimal, value)) and any(map(str.isalpha, value)) and value.count("-") < 3
    return f"/{REDACTED}" if is_random and re.search(_OPENS, before) else found[0]


def _hide_code(found: re.Match[str]) -> str:
    return f"{found[1]}{REDACTED}" if any(map(str.isdecimal, found[2])) else found[0]


def _hide_card(found: re.Match[str]) -> str:
    numbers = [int(each) for each in found[0] if each.isdecimal()]
    doubled = (sum(divmod(2 * each, 10)) for each in numbers[-2::-2])
    return found[0] if (sum(numbers[::-2]) + sum(doubled)) % 10 else REDACTED


def _hide_scheme(found: re.Match[str]) -> str:
    scheme, value = found.groups()
    if scheme.lower() == "basic":
        is_one = is_user_and_password(value)
    else:
        is_one = any(map(str.isdecimal, value)) or (len(value) >= 16 and not value.islower() and not value.istitle())
    return f"{scheme} {REDACTED}" if is_one else found[0]
