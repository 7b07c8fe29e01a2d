"""Secrets that are known by their form alone: keys of vendors, tokens, hashes, credentials in addresses, cards.

As to the time that a search takes, :mod:`app.redaction` applies.
"""

import base64
import binascii
import re
from string import ascii_letters, digits

REDACTED = "[redacted]"

_SCHEME = re.compile(r"(?<![\w-])(bearer|basic) {1,4}+([\w.~+/=:-]{6,}+)", re.IGNORECASE)
# Of programs that are well known. "docker run -p 8080:80" and "-u 1000:1000" are none.
_CREDENTIALS = re.compile(
    r"""( (?<!\S)(?:-u|--user|--proxy-user)[ =]?["']?(?!\d{1,6}:\d{1,6}\b)[^\s:"']{1,128}+:
      | (?<!\w)(?: (?:mysql\w{0,16}+|mariadb[\w-]{0,16}+|sshpass|mongo\w{0,8}+|docker\ login|az\ login|7z|ldap\w{1,8}+)
          (?=\s)[^\n]{0,200}?\s-(?:p|w)(?!\s{0,1}[-\d]{1,5}(?:\s|\Z))\s?
        | (?:redis-cli|valkey-cli)\s[^\n]{0,200}?-a\s | (?:sqlcmd|ipmitool|zip|unzip|bcp)\s[^\n]{0,200}?\s-P\s?
        | (?:smbclient|rpcclient|curl|mount|net)\s[^\n]{0,200}?-U\s?[^\s%]{1,64}+%
        | openssl\s[^\n]{0,200}?-pass(?:in|out)?\spass: | xfreerdp\s[^\n]{0,200}?/p: | [ ]-\w{0,4}(?:store|key)pass\s
        | htpasswd\s[^\n]{0,100}?-\w{0,4}b\w{0,4}\s\S{1,128}\s\S{1,64}\s | requirepass\s | masterauth\s
        | (?:jdbc:oracle:\w{1,8}+:|(?:sqlplus|impdp|expdp)\s(?:-\w\s){0,3}+)[\w$]{1,64}+/ )
      )["']?[^\s"'@]++""",
    re.VERBOSE,
)
# "ada:pw@db1:5432". A word without a number in it is none.
_AT_HOST = re.compile(
    r"""((?<![\w./:@-])[\w.+-]{1,64}+:)(?=[^\s@]{0,64}?\d)[^\s:/@"'<>=]{5,128}+
      (?=@[\w-]{1,64}+(?:\.[\w-]{1,64}+){0,8}+(?::\d{2,5}(?!\w)|/\w))""",
    re.VERBOSE,
)
# "credentials ada / pw", "user/password: ada/pw", getConnection(url, "ada", "pw")
_PAIR = re.compile(
    r"""(\bcredentials\b:?\s(?:for\s|of\s)?[\w.@+-]{1,64}+\s?/\s?)
        (?=[^\s]{0,64}?\d)(?=[^\s]{0,64}?[A-Za-z])[^\s"'/]{5,128}+
      | (getconnection\([^()]{1,256}?,\s?["'][^"']{1,64}+["'],\s?["'])[^"']++
      | (\b(?:user|username|login)\s?/\s?(?:password|pw|pass)\s?[:=]\s?[^\s/]{1,64}+\s?/\s?)[^\s"']++""",
    re.VERBOSE | re.IGNORECASE,
)
# Commands of mail servers and of Redis.
_COMMAND = re.compile(
    r"(\bAUTH (?:PLAIN|LOGIN) |(?:redis\S{0,16}|>) AUTH |\d LOGIN [\w.@+-]{1,64}+ |(?:FTP|>) PASS )"
    r"(?=[^\s\d]{0,64}+\d)[\w+/=!$%&*-]{6,128}+(?![\w./:])"
)
# "echo pw | sudo -S", "ada:pw | chpasswd"
_PIPED = re.compile(
    r"""(?:(?<=echo )["']?|(?<=:))[^\s"':]{1,128}+(?=["']?\s{0,2}\|\s{0,2}(?:sudo|chpasswd|docker)\b)"""
)
_DIGEST = re.compile(r"""(\bdigest\s[^\r\n]{0,400}?\bresponse=["']?)[0-9a-f]{16,}+""", re.IGNORECASE)
# Of mails: "482913 is your code", "use 482913 to sign in".
_ONE_TIME = re.compile(
    r"""\d(?: (?<!\w\d)(?<![^\WG]-\d)(?<!\.\d)\d\d[ -]?\d{1,5}(?=\ (?:
          (?:is|as)\ (?:your|the)\ (?:[\w-]{1,24}+\ ){0,4}?(?:code|otp|pin|passcode|password|token)\b
          | to\ (?:log|sign|verify|confirm)\b)) )""",
    re.VERBOSE | re.IGNORECASE,
)
_YOUR_CODE = re.compile(
    r"""(\byour\ (?:(?!postal|zip|order|error|country|product|area|voucher|discount)[\w-]{1,24}+\ ){0,2}
        code(?:\ is:?|:)\ )
      \d{4,8}\b""",
    re.VERBOSE | re.IGNORECASE,
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
_HEX_ID = re.compile(rb"[0-9a-f-]{20,}+")
_KEY_RUN, _CARD_RUN, _CODE_RUN = b"a" * 20, b"0" * 14, b"0" * 4


def hide_forms(text: str) -> str:
    """Return the text without the secrets that have a form of their own."""
    low = text.lower()
    if "@" in text:
        if "://" in text:
            text = _USER_INFO.sub(rf"\1\2{REDACTED}@", text)
        if ":" in text:
            text = _AT_HOST.sub(rf"\1{REDACTED}", text)
    if "-----BEGIN" in text:
        text = _PRIVATE_KEY.sub(REDACTED, text)
    if "$" in text or "*" in text or "md5" in low or ("{" in text and _has_scheme(low)):
        text = _HASH.sub(REDACTED, text)
    if "(" in text and "Failing row" in text:
        text = _FAILING_ROW.sub(rf"\1({REDACTED})", text)
    characters = text.encode("latin-1", "replace")
    keys = characters.translate(_IN_KEYS)
    run = keys.find(_KEY_RUN)
    while run >= 0 and (number := _HEX_ID.match(characters, run)) is not None:
        run = keys.find(_KEY_RUN, number.end())
    if run >= 0:
        text = _hide_keys(text, low)
    numbers = characters.translate(_IN_CARDS, b" -")
    if _CODE_RUN in numbers:
        if _CARD_RUN in numbers:
            text = _CARD.sub(_hide_card, text)
        if " your " in low or " to " in low:
            text = _ONE_TIME.sub(REDACTED, text)
    if " -" in text or "oracle:" in low:
        text = _CREDENTIALS.sub(rf"\1{REDACTED}", text)
    if "|" in text and ("sudo" in text or "chpasswd" in text or "docker" in text):
        text = _PIPED.sub(REDACTED, text)
    if "=" in text and "digest " in low:
        text = _DIGEST.sub(rf"\1{REDACTED}", text)
    if "LOGIN " in text:
        text = _COMMAND.sub(rf"\1{REDACTED}", text)
    if "basic " in low:
        text = _SCHEME.sub(_hide_scheme, text)
    return text


def hide_said(text: str, low: bytes) -> str:
    """Return a text that speaks of secrets without those whose place says what they are; ``low`` is in lower case."""
    if b"bearer " in low:
        text = _SCHEME.sub(_hide_scheme, text)
    if b"auth " in low or b"pass " in low:
        text = _COMMAND.sub(rf"\1{REDACTED}", _CREDENTIALS.sub(rf"\1{REDACTED}", text))
    if b"your " in low:
        text = _YOUR_CODE.sub(rf"\1{REDACTED}", text)
    if b"credentials" in low or b"/pass" in low or b"getconnection" in low or b"/ pass" in low:
        text = _PAIR.sub(_hide_after, text)
    return text


def _hide_keys(text: str, low: str) -> str:
    text = _TOKEN.sub(REDACTED, text)
    if "eyJ" in text or ".eJ" in text:
        text = _JWT.sub(REDACTED, text)
    if "/" in text and ("hooks" in low or "telegram" in low):
        text = _WEBHOOK.sub(rf"\1{REDACTED}", text)
    if "=" in text:
        text = _PARAMETER.sub(_hide_code, text)
    return text


def _has_scheme(low: str) -> bool:
    return "{s" in low or "{c" in low or "{p" in low


def _hide_after(found: re.Match[str]) -> str:
    return f"{found[found.lastindex or 0]}{REDACTED}"


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
