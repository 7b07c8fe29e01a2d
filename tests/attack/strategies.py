"""Hypothesis makes requests here as only an attacker sends them, and some that are nearly right."""

import json
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

#: Each of these has broken a form, a filter or a header of some application.
HOSTILE = (
    *("", " ", "\0", "a\0b", "\ud800", "\udfff", "\ufffe", "\U0010ffff", "\x1b[2J", "\r\nSet-Cookie: a=b", "\n", "\t"),
    *(
        "'",
        '"',
        "\\",
        "%",
        "%00",
        "%zz",
        "_",
        "*",
        "<script>alert(1)</script>",
        "{{ 7*7 }}",
        "${7*7}",
        "%s%n",
        "../" * 9,
    ),
    *(
        "0",
        "-1",
        "1",
        "2",
        "9" * 19,
        "9" * 30,
        "-" + "9" * 25,
        "1.5",
        "1e309",
        "NaN",
        "inf",
        "0x10",
        "٣",
        "²",
        "１",
        "1_0",
    ),
    *(
        "true",
        "null",
        "[]",
        "{}",
        "None",
        "undefined",
        "' OR 1=1--",
        "1;DROP TABLE users",
        "/",
        "//evil.example",
        "\\evil",
    ),
    *(
        "javascript:alert(1)",
        "http://evil.example",
        "system",
        "job:x",
        "cli:user create",
        "2026-02-30",
        "9999-12-31T23:59",
    ),
    *(
        "0001-01-01",
        "1d",
        "99999999999d",
        "-1h",
        "all",
        "yesterday",
        "yesterday 14:05",
        "#4100",
        "user:17",
        "+100",
        "next",
        "-1080",
        "ERROR",
        "OFF",
        "10",
        "999999",
        "asc",
        "POST",
        "DELETE",
    ),
    *("\u0301" * 2_000, "a" * 3_000, "é" * 300, "ﷺ" * 200, "\u202e" + "gnp.exe", "👩‍👩‍👧‍👦", "İ", "ß", "ﬀ", "ǆ"),
)
#: The names of every filter, field and argument of a page, and those that Flask and werkzeug know.
NAMES = (
    *(
        "level",
        "logger",
        "since",
        "until",
        "q",
        "request",
        "problem",
        "user",
        "around",
        "before",
        "after",
        "status",
        "sort",
    ),
    *("model", "object", "action", "field", "id", "new", "limit", "page", "endpoint", "values", "_method", "_external"),
    *("_anchor", "_scheme", "filename", "form", "entry_id", "problem_id", "post_id", "object_id", "next", "username"),
    *("password", "current_password", "new_password", "confirm", "title", "body", "email", "csrf_token", "to", "note"),
    *("find", "text", "typed", "zone", "from", "ip", "path", "muted", "back", "done", "row", "near", "age", "v"),
    *("decision", "token", "release", "self", "self_", "self.x", "__class__", "a[b]", "", "é", "\0"),
)
PLACES = (
    *("/", "//", "/nothing", "/.env", "/%00", "/%ff", "/posts//new", "/logs/", "/logs/../audit", "/static/../../.env"),
    *("/static/%2e%2e/%2e%2e/.env", "/logs/static/..%2f..%2fmodels.py", "/;a", "/login/x", "/audit/User/1/2", "*"),
)
#: The site believes these headers of its proxy or of the browser.
HEADERS = (
    *("Host", "X-Request-ID", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port"),
    *("X-Forwarded-Prefix", "Forwarded", "Accept", "Accept-Language", "Accept-Encoding", "Cookie", "Referer", "Origin"),
    *(
        "Content-Type",
        "User-Agent",
        "Range",
        "If-None-Match",
        "If-Modified-Since",
        "If-Range",
        "Authorization",
        "Expect",
    ),
    *("X-HTTP-Method-Override", "X-CSRFToken", "X-Requested-With", "Transfer-Encoding", "Upgrade", "Cache-Control"),
)
VALUES = (
    *(
        "a..b",
        "a" * 70 + ".example",
        "evil.example:99999",
        "[::1",
        "::1",
        "127.0.0.1",
        "unknown",
        ", , ,",
        "*/*",
        "text/html",
    ),
    *(
        "application/json",
        "application/json; charset=utf-16",
        "text/html;q=zzz",
        "bytes=0-",
        "bytes=5-2",
        "bytes=-9999999999",
    ),
    *(
        'W/"',
        "Thu, 99 Foo 2026",
        "Basic =",
        "Basic YQ==",
        "Bearer x",
        "multipart/form-data",
        "multipart/form-data; boundary=",
    ),
    *(
        "application/x-www-form-urlencoded; charset=nonsense",
        "session=",
        "session=.eJw",
        "100-continue",
        "https",
        "/../x",
    ),
)

METHODS = ("GET", "GET", "GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "BREW")

texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40), st.integers().map(str))
names = st.one_of(st.sampled_from(NAMES), st.text(max_size=8))
fields = st.lists(st.tuples(names, texts), max_size=6)


@dataclass(frozen=True)
class Route:
    rule: str
    methods: list[str]
    arguments: list[str]


@dataclass(frozen=True)
class Attack:
    method: str
    address: str
    headers: dict[str, str]
    body: bytes
    #: `body` is this form, if it is one; the site's token may be added then.
    fields: tuple[tuple[str, str], ...] | None


def encoded(text: str) -> bytes:
    """Return the text as bytes, with lone surrogates, too."""
    return text.encode("utf-8", "surrogatepass")


def form(pairs: object) -> bytes:
    assert isinstance(pairs, list | tuple)
    return urlencode([(encoded(name), encoded(value)) for name, value in pairs]).encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(names, children, max_size=3),
    max_leaves=6,
)


def multipart(pairs: list[tuple[str, str]]) -> bytes:
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'
        % (encoded(name).replace(b'"', b"%22"), encoded(value)[:50].replace(b'"', b"%22"), encoded(value))
        for name, value in pairs
    ]
    return b"".join([*parts, b"--x--\r\n"])


@st.composite
def attacks(draw: st.DrawFn, routes: list[Route]) -> Attack:
    """Draw a request to one of the routes or to no route, with any method and any content."""
    route = draw(st.sampled_from(routes))
    path = route.rule
    while "<" in path:
        start, _, rest = path.partition("<")
        path = start + quote(encoded(draw(texts)), safe="") + rest.partition(">")[2]
    if draw(st.integers(0, 9)) == 0:
        path = draw(st.sampled_from(PLACES))
    query = form(draw(fields)).decode()
    method = draw(st.sampled_from((*route.methods, *route.methods, *METHODS)))
    headers = draw(
        st.dictionaries(st.sampled_from(HEADERS), st.one_of(st.sampled_from(VALUES), texts), max_size=3).map(
            lambda found: {name: clean_header(value) for name, value in found.items()}
        )
    )
    kind = draw(st.sampled_from(("none", "form", "form", "form", "multipart", "json", "bytes")))
    if method in ("GET", "HEAD") and kind != "none" and draw(st.booleans()):
        kind = "none"
    pairs = draw(fields)
    types = {"form": "application/x-www-form-urlencoded", "multipart": "multipart/form-data; boundary=x"}
    bodies = {
        "none": b"",
        "form": form(pairs),
        "multipart": multipart(pairs),
        "json": json.dumps(draw(json_values)).encode(),
        "bytes": draw(st.binary(max_size=60)),
    }
    if kind != "none":
        headers.setdefault("Content-Type", types.get(kind, "application/json"))
    address = f"{path}?{query}" if query else path
    return Attack(method, address, headers, bodies[kind], tuple(pairs) if kind == "form" else None)


def clean_header(value: str) -> str:
    """Return the value without line ends and other bytes that no header may have; `mutations` sends those."""
    return "".join(char for char in value if char.isprintable())[:2_000]


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Draw which bytes replace which bytes of a request."""
    pieces = st.one_of(st.binary(max_size=3), st.sampled_from((b"\r\n", b"\n", b"\0", b":", b" ", b"\xff" * 9)))
    return draw(st.lists(st.tuples(st.integers(0, 2_000), pieces), min_size=1, max_size=5))
