"""Secrets are hidden by the name of their key and by their form.

Visitors choose the text that is searched. Every repetition in an expression is therefore short or possessive (it gives
nothing back), and no search begins again inside what it has read: the time grows with the text's length.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from .secret_forms import REDACTED as REDACTED
from .secret_forms import hide_forms, hide_said

# Names are compared without case and separators.
_PARTS_OF_NAMES = (
    *(
        "passw",
        "passphrase",
        "passcode",
        "passkey",
        "passe$",
        "contrase",
        "senha",
        "kennwort",
        "pwd",
        "secret",
        "token",
        "authorization",
        "cookie",
        "credential",
    ),
    *(
        "csrf",
        "xsrf",
        "sessionid",
        "sessid",
        "sessionkey",
        "jwt",
        "connectionstring",
        "connstr",
        "mnemonic",
        "seedphrase",
    ),
    *("webhookurl", "creditcard", "cardnumber", "ccnumber", "socialsecurity", "sharedaccesssignature"),
    "(?:api|private|access|sign|signing|signature|encryption|encrypt|decryption|master|server|fernet|account|shared|subscription|auth"
    "|app|license|ssh|hmac|service|deploy|storage|aes|rsa|admin|function|root|integration|webhook|unseal)key",
    "snmpcommunity|communitystring|(?:wpa|wifi|preshared)key",
    "(?:registry|http|basic|proxy|smtp|npm|git)auth$",
    "(?:recovery|backup|verification|security|onetime|otp|totp|mfa|2fa|sms|pin|login|unlock|device|user)codes?",
    "(?:db|user|smtp|ldap|mysql|pg|root|admin|sql|mail|ftp|redis)pass$",
)
_STRONG = "|".join(_PARTS_OF_NAMES)
_WHOLE_NAMES = ("auth", "session", "creds")
# Secrets as the last word of a name too: "user_pin", but not "opinion".
_LAST_WORDS = ("pin", "otp", "totp", "cvv2?", "cvc2?", "ssn", "bearer", "dsn", "pass", "pw", "sig", "signature", "psk")
_LAST_WORD = re.compile(rf"(?:^|[\W_]|(?<=[a-z])(?=[A-Z]))(?i:{'|'.join(_LAST_WORDS)})$")
# What speaks of a secret without being one: "token_type", "max_tokens", "passwords.py", "CSRFError".
_NO_SECRET = re.compile(
    "secretar|cookiecutter|passwordless|tokeni[sz]"
    "|^(?:max|min|num|total|prompt|completion|input|output|cached|reasoning|used)(?:new|of|completion)?tokens$"
    "|(?:edat|esat|sentat|setat|age|length|type|policy|ttl|timeout|lifetime|expiry|expires|expiresin|expiration|count|limit"
    "|field|file|path|uri|endpoint|name|error|exception|warning|expired|failed|failure|missing|required|invalid"
    "|mismatch|notfound|tooshort|enabled|secure|httponly|samesite|algorithm|method|strength|status|validator|form"
    r"|manager|middleware|hasher|\.py|\.js|\.html|\.css|\.json|\.toml|\.txt|\.md|\.ya?ml)$"
)

_NAME = re.compile(
    r"""(?<![\w.-])-{0,2} (?P<name> \w[\w.-]{0,63}+ (?:[ ](?:key|string|codes?|phrase|number|id)\b)?+ (?:[ ]\d\b)?+ )
    (?: \\{0,3}["'`] | [\])] | %5D | %2[27] | &quot; | &\#3[49]; ){0,4}+
    (?: \s{0,4}:\s{0,4}[A-Za-z][\w.|]{0,32}+(?:\[[\w., |]{0,32}+\])?+
          (?:\s{1,4}=\s{1,4}+|\s{0,4}=\s{0,4}+(?=[bru]{0,2}["']))                         # password: str = "…"
      | \s{0,4}+(?:is|was)?+\s{0,4}+(?P<sign>=>|:=|={1,3}|:|%3D|%3A|->|\||→)\s{0,4}+
      | ,\s{0,4}+(?=b?["'][^"']{1,512}+["']\))                                        # ("password", "…")
      | (?:\r?\n|\\r\\n|\\n){2}                                                       # of a multipart form
      | [,\s]\s{0,8}+(?:\w{2,12}+=["']\w{0,16}+["']\s{1,4}+){0,3}+["']?value["']?\s{0,2}[:=]\s{0,2}+
      | (?P<tag>(?:\s[^<>]{0,64}+)?+>) )
    (?:\[\s{0,4}+(?=b?["']))?+""",
    re.VERBOSE | re.IGNORECASE,
)
_QUOTED = r"""
    [bru]{0,2}"(?:[^"\\]|\\[\s\S])++"?+
  | [bru]{0,2}'(?:[^'\\]|\\[\s\S])++'?+
  | \\{1,3}["'](?:(?!\\{1,3}["'])[\s\S])++
  | %2[27](?:(?!%2[27])\S)++ | &(?:quot|\#3[49]);(?:(?!&(?:quot|\#3[49]);)\S)++
"""
_LITERAL = re.compile(r""""(?:[^"\\\n]|\\.)*+"?+|'(?:[^'\\\n]|\\.)*+'?+""")
_VALUE_IN_CODE = re.compile(_QUOTED, re.VERBOSE)
_VALUE = re.compile(
    _QUOTED
    + r"""
  | (?:bearer|basic|digest|token|apikey|negotiate|aws4-hmac-sha256)\ (?:[^\r\n\\]|\\(?![rn]))++
  | \{[^{}\s"']++\}(?=;|\s|\Z)
  | \(["'][^"']{1,256}+["'],\s?["'][^"']{1,256}+["']\)
  | (?: [^\s;&"'<>,)\]}\\%] | %(?!2[26]) | \\(?![nrt"']) | [,)\]}](?![\s,)\]}"';&]|\Z) | '(?=\w)
      | &(?!quot;|\#|[\w.%+\[\]-]{1,64}+=) )++
""",
    re.VERBOSE | re.IGNORECASE,
)
_WHOLE_LINE = re.compile("cookie|phrase|mnemonic|connectionstring|connstr|dsn$")
_REST_OF_LINE = re.compile(r"(?:[^\r\n\\\"']|\\(?![rn\"']))++")
_OPENING = re.compile(r"[bru]{0,2}(?=[\"'])[\"']|\\{1,3}[\"']|%2[27]|&(?:quot|#3[49]);")
_SAID = re.compile(
    r"""(?<![\w.-]) (?: --?(?P<option>[\w-]{1,64}+)\s{1,3}+(?![-\s])
      | (?P<name>identified[ ]by|(?:\w{1,32}+[ ])(?:key|code)\b|\w[\w.-]{1,64}+)
        (?: [ ](?P<of>(?:for|of)[ ](?:user[ ]|account[ ]|key[ ])?["']?[\w.@+/~-]{1,64}+["']?(?::|[ ](?:is|was|to))[ ])
          | [ ]{1,3}+(?P<verb>(?:was[ ])?(?:(?:is[ ])?now|is|was|to|(?:re)?set[ ]to|changed[ ]to|as)[ ]{1,2}+)?+ )
        (?![=:-]) )""",
    re.VERBOSE | re.IGNORECASE,
)
# A value that begins with one of these is a sentence about the secret.
_SENTENCES = """
    a absent accepted an and any as at bad basic bearer by bytes can cannot changed closed could created denied
    did digest disabled does empty enabled ended expired failed false field filtered for found from good has
    hidden in incorrect int invalid is lax masked may mismatch missing must need needs new nil no none not null
    object of off ok old on only open opened optional or please present redacted refused rejected removed renewed
    required reset revoked rotated sent set should started str strict string success the this to too true
    unchanged undefined unknown unset updated valid was weak will with would wrong yes your
"""
_FIRST_WORDS = frozenset(_SENTENCES.split())
_PLACEHOLDER = re.compile(
    r"%(?:\(\w+\))?[sdr]|[*•x.…?_-]*|\$\{[\w.:-]+\}?|\$[A-Z_]+|\{+[A-Za-z_.!:]*\}+|<[\w -]+>|\[[^\W\d]+( \w+)*\]?",
    re.IGNORECASE,
)
_PERSONAL = re.compile("pin$|code$|otp$|cvv2?$|cvc2?$|ssn$")
_PASSWORD = re.compile("pass(?:word|wd|phrase|code)$")
_BY_PART = re.compile(_STRONG)
# Every name of a secret has one of these in it. They begin with few letters, and rare ones: "auth" is found by its "u".
_STEM = re.compile(
    rb"k(?:e[yn]|ie|(?<=hook))|p(?:ass|in|hrase|sk|w|(?<=otp))|c(?:ode|ard|omm|on[nt]|re[dt]|v|ial|(?<=monic))|u(?<=au)th"
    rb"|s(?:ess|enha|rf|ig|n(?<=[ds]sn))|b(?:earer|y(?<=fied by))|jwt"
)
_SECOND_WORDS = (b"key", b"code", b"phrase", b"by")
_WORD = re.compile(rb"(?<![\w.-])[\w-]")
_LONG = 64
_PROSE = re.compile(r" [A-Za-z(]")

# The frame of a traceback: its place, then its source in lines that are further in.
_FRAME = re.compile(
    r"""(^[ |+-]{0,64}+File "[^"\n]*+", line \d++[^\n]*+\n(?:[ |]{0,64}? {4}[^\n]*+(?:\n|\Z))*+)""", re.MULTILINE
)


def secret_names(names: Iterable[str] = ()) -> re.Pattern[str]:
    """Return a pattern of the keys to redact: the built-in list and ``names``; case, ``-`` and ``_`` do not matter."""
    own = "|".join(re.escape(_fold(name)) for name in names) or "(?!)"
    return re.compile(f"^(?P<own>{own})$|{_STRONG}|^(?:{'|'.join(_WHOLE_NAMES)})$")


@lru_cache(maxsize=4_096)
def is_secret(key: str, secret: re.Pattern[str]) -> bool:
    """Whether the value under this key must not be shown; ``secret`` comes from :func:`secret_names`."""
    folded = _fold(key)
    found = secret.search(folded)
    if found is not None and found["own"] is not None:
        return True
    return bool(found or _LAST_WORD.search(key)) and not _NO_SECRET.search(folded)


def redact(text: str) -> str:
    """Return the text with the secrets hidden that can be told by their form or by the name in front of them."""
    return _redact(text, _VALUE)


def redact_code(text: str) -> str:
    """Return a line of source with its secrets hidden: in literals, and literals that are given to a secret's name."""
    return _redact(_LITERAL.sub(lambda found: redact(found[0]), text), _VALUE_IN_CODE)


def redact_trace(text: str) -> str:
    """Return a formatted traceback or stack with its secrets hidden, the source lines of its frames as code."""
    parts = _FRAME.split(text)
    parts[::2] = map(redact, parts[::2])
    parts[1::2] = map(redact_code, parts[1::2])
    return "".join(parts)


def _redact(text: str, values: re.Pattern[str]) -> str:
    """Hide what follows the names of secrets. Only a short value may be left, so nothing long is read twice."""
    text = hide_forms(text)
    low = text.encode("latin-1", "replace").lower()
    stem = _STEM.search(low)
    if stem is None:
        return text
    said = hide_said(text, low)
    if said != text:
        text = said
        low = text.encode("latin-1", "replace").lower()
        stem = _STEM.search(low)
    parts, start, position = [], 0, 0
    while stem is not None:
        value = None
        for found in _names_at(text, low, stem, position):
            value = _value_of(found, values)
            if value is not None:
                quote = _quote_of(value[0])
                closing = quote.lstrip("bru")
                is_closed = len(value[0]) > len(quote) and value[0].endswith(closing)
                parts += [text[start : found.end()], quote, REDACTED, closing if is_closed else ""]
                start = value.end()
                break
        position = start if value is not None else stem.end()
        stem = _STEM.search(low, position)
    return "".join((*parts, text[start:])) if parts else text


def _names_at(text: str, low: bytes, stem: re.Match[bytes], position: int) -> Iterator[re.Match[str]]:
    """Yield what may be a name with this stem in it and what leads to its value, from the position on."""
    place = stem.start()
    begin = max(low.rfind(b" ", position, place) + 1, position)
    if begin - 1 > position and stem[0] in _SECOND_WORDS and low[begin - 2 : begin - 1].isalnum():
        begin = max(low.rfind(b" ", position, begin - 1) + 1, position)
    for word in _WORD.finditer(low, begin, place + 1):
        for names in (_NAME, _SAID):
            found = names.match(text, word.start())
            if found is not None:
                yield found


def _value_of(found: re.Match[str], values: re.Pattern[str]) -> re.Match[str] | None:
    """Return the secret that follows the name, None if there is none."""
    name = found["name"] or found["option"]
    text, folded = found.string, _fold(name)
    if not is_secret(name, _BUILT_IN) and folded != "identifiedby":
        return None
    if found.re is _NAME and found["tag"] and text[found.start() - 1 : found.start()] not in ("<", ":"):
        return None
    value = values.match(text, found.end())
    if value is None:
        return None
    quote = _quote_of(value[0])
    if "\n" in found[0] and value[0].endswith(":"):
        return None
    says_so = found.re is _NAME or found["verb"]
    if not quote and says_so and _WHOLE_LINE.search(folded) and values is _VALUE:
        value = _REST_OF_LINE.match(text, found.end()) or value
    inner = value[0].removeprefix(quote).removesuffix(quote.lstrip("bru"))
    if len(inner) > _LONG:
        return value
    sign = found["sign"] if found.re is _NAME else None
    if _is_harmless(folded, inner, sign):
        return None
    return value if _is_meant(found, inner, quote, sign, text[value.end() : value.end() + 2]) else None


def _quote_of(value: str) -> str:
    opening = _OPENING.match(value)
    return opening[0] if opening else ""


def _is_harmless(name: str, value: str, sign: str | None) -> bool:
    """Whether this short text is none that a secret of this (folded) name would be."""
    words = value.lower().split()
    if not words or _PLACEHOLDER.fullmatch(value):
        return True
    if words[0].strip(".,:;!?") in _FIRST_WORDS and (len(words) == 1 or (sign == ":" and "phrase" not in name)):
        return True
    is_number = value.replace(".", "").replace(",", "").isdecimal()
    numbers = sum(map(str.isdecimal, value))
    if _PERSONAL.search(name):
        return numbers < (3 if "cv" in name else 4)
    if _BY_PART.search(name):
        return is_number and name.endswith("s") and len(value) < 8
    if name.endswith(("pass", "pw")):
        return is_number and len(value) < 5
    return not numbers or len(value) < 6


def _is_meant(found: re.Match[str], value: str, quote: str, sign: str | None, after: str) -> bool:
    """Whether the text belongs to the name: in prose the next word need not."""
    if found.re is _NAME:
        if sign in ("->", "|", "→"):
            is_mixed = any(map(str.isdecimal, value)) and any(map(str.isalpha, value))
            return is_mixed and _BY_PART.search(_fold(found["name"])) is not None
        if sign != ":" or quote:
            return True
        if not found[0][-1].isspace():
            # "tokens:42" is a line of a file.
            return not value.isdecimal() or len(value) > 5 or _PERSONAL.search(_fold(found["name"])) is not None
        return not (value.isalpha() and _PROSE.match(after))
    if found["option"]:
        return True
    name = _fold(found["name"])
    if quote and name.startswith(("pass", "pwd", "identified")):
        return True
    has_number = any(map(str.isdecimal, value))
    if found["name"] in ("PIN", "OTP", "TOTP") or (name.endswith("code") and "pass" not in name and not found["of"]):
        return value.rstrip(".,").isdecimal() and 4 <= len(value) <= 9
    if found["of"]:
        is_code = _PERSONAL.search(name) is not None and value.isdecimal()
        return is_code or (has_number and any(map(str.isalpha, value)) and len(value) >= 6)
    if found["verb"]:
        return has_number and len(value) >= 4
    return has_number and any(map(str.isalpha, value)) and len(value) >= (6 if _PASSWORD.search(name) else 16)


def _fold(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "").replace(" ", "")


_BUILT_IN = secret_names()
