"""This hides secrets in text; it knows them by the name of their key or by their form.

Visitors choose the text that is searched, so its time must only grow with the text's length. Every repetition in an
expression is therefore short or possessive (it gives nothing back), and no search reads the same text again. Those
expressions that few texts need are strings: ``re`` compiles them at their first use, not while the application starts.
"""

import re
from collections.abc import Iterator

from .secret_commands import REDACTED as REDACTED
from .secret_commands import hide_arguments, hide_options
from .secret_forms import hide_forms, hide_said, is_user_and_password
from .secret_names import BUILT_IN, STRONG, fold
from .secret_names import is_secret as is_secret
from .secret_names import secret_names as secret_names
from .secret_stems import OPTION, STEM, STEM_OF_OPTION

_NAME = re.compile(
    r"""(?<![\w.-])-{0,2} (?P<name> \w[\w.-]{0,63}+ (?:[ ](?:key|string|codes?|phrase|number|id)\b)?+ (?:[ ]\d\b)?+ )
    (?: \\{0,3}["'`] | [\])] | %5D | %2[27] | &quot; | &\#3[49]; ){0,4}+
    (?: \s{0,4}:\s{0,4}[A-Za-z][\w.|]{0,32}+(?:\[[\w., |]{0,32}+\])?+
          (?:\s{1,4}=\s{1,4}+|\s{0,4}=\s{0,4}+(?=[bru]{0,2}["']))                         # password: str = "…"
      | \s{0,4}+(?:is|was|lautet|ist)?+\s{0,4}+(?P<sign>=>|:=|={1,3}|:|%3D|%3A|->|\||→)\s{0,4}+
      | ,\s{0,4}+(?=b?["'][^"']{1,512}+["']\))                                        # ("password", "…")
      | (?:\r?\n|\\r\\n|\\n){2}                                                       # of a multipart form
      | [,\s]\s{0,8}+(?:\w{2,12}+=["']\w{0,16}+["']\s{1,4}+){0,3}+["']?value["']?\s{0,2}[:=]\s{0,2}+
      | (?P<tag>(?:\s{1,4}+[\w:.-]{1,64}+=(?:"[^"<>]{0,200}+"|'[^'<>]{0,200}+')){0,8}+\s?>) )
    (?:\[\s{0,4}+(?=b?["']))?+""",
    re.VERBOSE | re.IGNORECASE,
)
_QUOTED = r"""
    [bru]{0,2}"(?:[^"\\]|\\[\s\S])++"?+
  | [bru]{0,2}'(?:[^'\\]|\\[\s\S])++'?+
  | \\{1,3}["'](?:(?!\\{1,3}["'])[\s\S])++
  | %2[27](?:(?!%2[27])\S)++ | &(?:quot|\#3[49]);(?:(?!&(?:quot|\#3[49]);)\S)++
"""
# The further values of a list.
_MORE = re.compile(r"""(?:,\s{0,4}+[bru]{0,2}(?:"[^"]*+"|'[^']*+'))++""")
_LITERAL = re.compile(r""""(?:[^"\\\n]|\\.)*+"?+|'(?:[^'\\\n]|\\.)*+'?+""")
_VALUE_IN_CODE = re.compile(_QUOTED, re.VERBOSE)
_VALUE = re.compile(
    _QUOTED
    + r"""
  | (?:bearer|basic|digest|token|apikey|negotiate|aws4-hmac-sha256)\ (?:[^\r\n\\]|\\(?![rn]))++
  | \{[^{}\s"']++\}(?=;|\s|\Z)
  | \(["'][^"']{1,256}+["'],\s?["'][^"']{1,256}+["']\)
  | (?: \[redacted\] | [^\s;&"'<>,)\]}\\%] | %(?!2[26]) | \\(?![nrt"']) | [,)\]}](?![\s,)\]}"';&]|\Z) | '(?=\w)
      | &(?!quot;|\#|[\w.%+\[\]-]{1,64}+=) )++
""",
    re.VERBOSE | re.IGNORECASE,
)
_WHOLE_LINE = re.compile("cookie|phrase|mnemonic|connectionstring|connstr|dsn$|codes$")
_REST_OF_LINE = re.compile(r"(?:[^\r\n\\\"']|\\(?![rn\"'])|(?<==)'(?:[^'\\\n]|\\.)*+')++")
_OPENING = re.compile(r"[bru]{0,2}(?=[\"'])[\"']|\\{1,3}[\"']|%2[27]|&(?:quot|#3[49]);")
_SAID = re.compile(
    r"""(?<![\w.-]) (?: --?(?P<option>[\w-]{1,64}+)(?:\s{1,3}+(?![-\s])|["'],\s?(?=["']\w))
      | (?P<name>identified[ ]by|(?:\w{1,32}+[ ])(?:key|code)\b|\w[\w.-]{1,64}+)
        (?: [ ](?P<of>(?:for|of)[ ](?:user[ ]|account[ ]|key[ ])?["']?[\w.@+/~-]{1,64}+["']?(?::|[ ](?:is|was|to))[ ])
          | [ ]{1,3}+
            (?P<verb>(?:was[ ]|has[ ]been[ ])?(?:(?:is[ ])?now|is|was|to|(?:re)?set[ ]to|changed[ ]to|as)[ ]{1,2}+)?+ )
        (?![=:-]) (?![^\W\d]++(?:[\s.,;:!?)]|\Z)) )""",
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
_PLACEHOLDER = r"""(?ix)
    %(?:\(\w+\))?[sdr] | [*•x.…?_-]* | \$\{[\w.:-]+\}? | \$[A-Z_]+ | \{+[A-Za-z_.!:]*\}+ | <[\w\ -]+>
      | \[[^\W\d]+(\ \w+)*\]? | [a-z_]\w*(\.\w+)*[(\[] | [a-z_]\w*(\.\w+)+[(\[].{0,64} | http/[\d.]+
      | \w*(?:char|binary|decimal|numeric|int)\(\d+\)? | [\d.]+\|(?:c|g|h|s|d|ms)(?:\|.{0,64})?"""
_PERSONAL = re.compile("pin$|code$|otp$|cvv2?$|cvc2?$|ssn$")
_PASSWORD = re.compile("pass(?:word|wd|phrase|code)$")
_GROUPS = re.compile(r"[A-Z\d]{3,8}(?:-[A-Z\d]{3,8}){1,7}|[a-z\d]{3,8}(?:-[a-z\d]{3,8}){1,7}")
_BY_PART = re.compile(STRONG)

# Behind one of these a secret may stand that has no name of its own.
_SAID_SO = ("/pass", "/ pass", "auth ", "pass ")
_SECOND_WORDS = ("key", "code", "phrase", "by")
_WORD = re.compile(r"(?<![\w.-])[\w-]")
_LONG, _AGAIN, _STATEMENT = 64, 8, 4_096
_PROSE = re.compile(r" [A-Za-z(]")

# A statement with its values, and the marks of a statement and its parameters in SQLAlchemy's errors.
_INSERT = r"(?i)(insert into [^\s(]{1,128} ?\(([^()]++)\) ?values ?\()(?=[^)]{0,256}')[^)]++"
_SQL, _PARAMETERS, _END = "[SQL: ", "[parameters: (", ")]"

# The frame of a traceback: its place, then its source in indented lines.
_FRAME = re.compile(
    r"""(^[ |+-]{0,64}+File "[^"\n]*+", line \d++[^\n]*+\n(?:[ |]{0,64}? {4}[^\n]*+(?:\n|\Z))*+)""", re.MULTILINE
)


def redact(text: str, values: re.Pattern[str] = _VALUE) -> str:
    """Return the text with those secrets hidden that are known by their form or by the name in front of them.

    ``values`` matches what can stand behind a name. Only short values may stay, so no long one is read twice.
    """
    low = text.lower() if text.isascii() else _lower(text)
    has_option = "-" in text and OPTION.search(text) is not None
    shown = hide_forms(text, low)
    if has_option or "|" in text or "LOGIN " in text:
        shown = hide_options(shown, has_option)
    if shown is not text:
        text, low = shown, _lower(shown)
    stem = re.search(STEM_OF_OPTION, low) if has_option else STEM.search(low)
    if stem is None:
        return text
    stems = [*stem.re.finditer(low, stem.start())]
    if not all(each[0][-1].isalpha() for each in stems) or any(each in low for each in _SAID_SO):
        shown = _hide_in_statements(hide_arguments(hide_said(text, low), low), low)
        if shown is not text:
            text, low = shown, _lower(shown)
            stems = [*stem.re.finditer(low)]
    parts, start, position, hidden = [], 0, 0, set()
    for stem in stems:
        if stem.start() < position:
            continue
        for found in _names_at(text, low, stem, position):
            value = _value_of(found, values)
            if value is not None:
                quote = _quote_of(value[0])
                closing = quote.lstrip("bru")
                is_closed = len(value[0]) > len(quote) and value[0].endswith(closing)
                parts += [text[start : found.end()], quote, REDACTED, closing if is_closed else ""]
                start = value.end()
                if found[0].endswith("[") and (more := _MORE.match(text, start)):
                    start = more.end()
                hidden.add(value[0][len(quote) : len(value[0]) - is_closed * len(closing)])
                position = start
                break
        else:
            position = stem.end()
    return _hide_again("".join((*parts, text[start:])), hidden) if parts else text


def redact_code(text: str) -> str:
    """Return a line of source with its secrets hidden: those in literals, and literals assigned to a secret's name."""
    return redact(_LITERAL.sub(lambda found: redact(found[0]), text), _VALUE_IN_CODE)


def redact_trace(text: str) -> str:
    """Return a formatted traceback or stack with its secrets hidden, the source lines of its frames as code."""
    parts = _FRAME.split(text)
    parts[::2] = map(redact, parts[::2])
    parts[1::2] = map(redact_code, parts[1::2])
    return "".join(parts)


def _lower(text: str) -> str:
    """Return the text in lower case, each character at its place: lower() makes two of the Turkish dotted capital I."""
    low = text.lower()
    return low if len(low) == len(text) else text.replace("İ", "I").lower()


def _hide_again(text: str, hidden: set[str]) -> str:
    """Hide a value that was hidden behind a name wherever else it stands in the text: "password=…&confirm=…"."""
    for value in sorted(hidden)[:_AGAIN]:
        if 6 <= len(value) <= _LONG and any(map(str.isdecimal, value)) and any(map(str.isalpha, value)):
            text = text.replace(value, REDACTED)
    return text


def _hide_in_statements(text: str, low: str) -> str:
    """Hide the values of SQL statements that write to a column with secrets, or compare with one."""
    if "insert into" in low:
        text = re.sub(_INSERT, lambda found: f"{found[1]}{REDACTED}" if _has_secret(found[2]) else found[0], text)
    parts, start = [], 0
    while (statement := text.find(_SQL, start)) >= 0 and (values := text.find(_PARAMETERS, statement)) >= 0:
        end = text.find(_END, values)
        sql = text[statement + len(_SQL) : values]
        parts.append(text[start:values])
        # The columns that a SELECT returns say nothing about its values.
        if end >= 0 and _has_secret(sql.partition("WHERE")[2] if sql.startswith("SELECT") else sql):
            parts.append(f"{_PARAMETERS}{REDACTED}")
        else:
            parts.append(text[values:end] if end >= 0 else text[values:])
        start = end if end >= 0 else len(text)
    return "".join((*parts, text[start:])) if parts else text


def _has_secret(names: str) -> bool:
    return any(is_secret(name, BUILT_IN) for name in re.findall(r"\w{1,64}+", names[:_STATEMENT]))


def _names_at(text: str, low: str, stem: re.Match[str], position: int) -> Iterator[re.Match[str]]:
    """Yield the matches that begin with a name that contains this stem, and end where the name's value begins."""
    place = stem.start()
    begin = max(low.rfind(" ", position, place) + 1, position)
    if begin - 1 > position and stem[0] in _SECOND_WORDS and low[begin - 2 : begin - 1].isalnum():
        begin = max(low.rfind(" ", position, begin - 1) + 1, position)
    for word in _WORD.finditer(low, begin, place + 1):
        for names in (_NAME, _SAID):
            found = names.match(text, word.start())
            if found is not None:
                yield found


def _value_of(found: re.Match[str], values: re.Pattern[str]) -> re.Match[str] | None:
    """Return the secret that follows the name, None if there is none."""
    name = found["name"] or found["option"]
    text, folded = found.string, fold(name)
    if not is_secret(name, BUILT_IN) and folded != "identifiedby":
        return None
    before = text[max(0, found.start() - 7) : found.start()]
    if found.re is _NAME and found["tag"] and not before.endswith(("<", ":", ' name="', ' key="')):
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
    """Return whether this short text cannot be a secret of this name, which is folded."""
    words = value.lower().split()
    if not words or re.fullmatch(_PLACEHOLDER, value) or _is_reference(name, value):
        return True
    if words[0].strip(".,:;!?") in _FIRST_WORDS and (len(words) == 1 or (sign == ":" and "phrase" not in name)):
        return True
    is_number = value.replace(".", "").replace(",", "").isdecimal()
    numbers = sum(map(str.isdecimal, value))
    if name == "auth" and is_user_and_password(value):
        return False
    if _PERSONAL.search(name) and len(value) < 20:
        return numbers < (3 if "cv" in name else 4)
    if _BY_PART.search(name) or name == "identifiedby":
        return is_number and name.endswith("s") and len(value) < 8
    if name.endswith(("pass", "pw")):
        return is_number and len(value) < 5
    return not numbers or len(value) < 6


def _is_reference(name: str, value: str) -> bool:
    """Return whether the text is code that names a secret without showing it: ``password``, ``form.token.data``."""
    parts = value.split(".")
    named = len(parts) > 1 and any(is_secret(part, BUILT_IN) for part in parts)
    return fold(value) == name or (named and all(map(str.isidentifier, parts)))


def _is_meant(found: re.Match[str], value: str, quote: str, sign: str | None, after: str) -> bool:
    """Return whether the value belongs to the name. In prose, the word after a name often does not."""
    if found.re is _NAME:
        if sign in ("->", "|", "→"):
            is_mixed = any(map(str.isdecimal, value)) and any(map(str.isalpha, value))
            return is_mixed and _BY_PART.search(fold(found["name"])) is not None
        if sign != ":" or quote:
            return True
        if not found[0][-1].isspace():
            # "tokens:42" is a line of a file.
            return not value.isdecimal() or len(value) > 5 or _PERSONAL.search(fold(found["name"])) is not None
        return not (value.isalpha() and _PROSE.match(after))
    if found["option"]:
        return True
    name = fold(found["name"])
    if quote and name.startswith(("pass", "pwd", "identified", "kennwort")):
        return True
    has_number = any(map(str.isdecimal, value))
    if found["name"] in ("PIN", "OTP", "TOTP") or (name.endswith("code") and "pass" not in name and not found["of"]):
        code = value.rstrip(".,")
        has_groups = has_number and _GROUPS.fullmatch(code) is not None
        is_code = code.isdecimal() and 4 <= len(value) <= 9
        return is_code or (has_groups and (bool(found["verb"]) or code.count("-") > 1))
    if found["of"]:
        is_code = _PERSONAL.search(name) is not None and value.isdecimal()
        return is_code or (has_number and any(map(str.isalpha, value)) and len(value) >= 6)
    if found["verb"]:
        return has_number and len(value) >= 4
    return has_number and any(map(str.isalpha, value)) and len(value) >= (6 if _PASSWORD.search(name) else 16)
