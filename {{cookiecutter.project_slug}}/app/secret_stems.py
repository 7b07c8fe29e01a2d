"""This finds where a text may show a secret. It is one search, so a text without secrets costs little.

What :mod:`app.redaction` says about the time of a search holds here, too.
"""

import re

from .secret_names import OF_CODES, OF_KEYS


def _after(words: str, last: str) -> str:
    """Return an expression that holds where ``last`` has just been read and one of the words stands before it."""
    ends = "|".join(sorted({word[-3:] for word in words.split("|")}))
    return rf"(?<=(?:{ends}){last})|(?<=(?:{ends})[ _-]{last})"


# Every name of a secret has one of these stems in it, in lower case. A stem that does not end in a letter says that a
# secret without a name may follow. The expression begins with few and rare letters, which makes the search quick: it
# finds "auth" by its "u".
_STEMS = rf"""(?:
    k(?: e(?: y(?:{_after(OF_KEYS, "key")}) | n(?<=token) | nnw ) | ie(?<=cookie) | od )
  | p(?: a(?: ss(?:word\(|\s(?<=requirepass.)|[wpck]|ord|e?(?![a-z])) | rol ) | in(?![a-z]) | hrase | sk | w
      | onse= | dp\s | \slogin\s | (?<=otp) )
  | c(?: o(?: de(?:(?=[ _-]?verif)|{_after(OF_CODES, "code")}) | mm?unit
        | n(?:tras|n(?:ection)?(?=[ _-]?str)|nection\(|tains\s\((?<=row.contains..)) )
      | re(?:dentials[\s:]|[dt]) | ard(?=[ _-]?n) | [_-]number | number | v[vc] | srf | lave | le: | ial(?=[ _-]?sec)
      | h(?:tw|ine\s) | (?<=monic) )
  | u(?: th(?:ori[sz]|(?:enticate)?\(|\s(?:plain|login|xoauth2)\s|\s(?<=masterauth.)|(?![a-z]))
      | se\s(?<=net.use.) | gfzc3 )
  | s(?: e(?:ssi?|nha|nord|r(?:tion|t\sinto\s)) | ig(?:nature|(?![a-z])) | lo(?<=[hg][ea]slo)(?!w) | aml | alas
      | n(?<=[ds]sn) | ql(?:plus|:)\s )
  | b(?: earer\s? | asic\s | hook(?=[ _-]?url) | y(?<=fied[ ]by) )
  | j(?: wt | elsz ) | x(?: srf | freerdp\s ) | zinka | \((?<=login.) )
"""
# A name has no value if the text ends with it, or if an ordinary word follows: "Invalid token for user 5", "the key was
# renewed". The word may be that of an id ("user:12"), but not that of an attribute ("xml:lang").
_HAS_VALUE = r"""
    (?: (?<=\W) | (?! [\w.-]{0,64}+ (?: \Z
      | (?:[ ](?: (?:for|of)(?:[ ](?:user|account|key))?[ ][^ ]{1,66}+(?:(?<=:)|[ ](?:is|was|to))
          | (?:was[ ]|has[ ]been[ ])?(?:(?:is[ ])?now|is|was|to|(?:re)?set[ ]to|changed[ ]to|as) )(?=[ ]) )?+
        [ ](?!(?:is|was|lautet|ist|key|string|codes?|phrase|number|id)\b|value\s{0,2}[:=])
        [^\W\d]++(?:[,;:!?.)]{0,2}+(?:\s|\Z)|:\d) )) )
"""
STEM = re.compile(_STEMS + _HAS_VALUE, re.VERBOSE)
# The value of an option can be any word: "--password rosebud".
STEM_OF_OPTION = f"(?x){_STEMS}"
OPTION = re.compile(r"-(?<![\w.-]-)")
