"""A project is deployed as its README says, with some data; a stranger, a member and an admin attack it."""

import http.client
import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from faults import conftest as faults
from faults.conftest import Site
from running import serve

site = faults.site
any_site = faults.any_site

PROGRAMS = Path(__file__).parent / "programs"
PASSWORD = "correct horse battery staple"
ROLES = ("stranger", "member", "admin")
#: The proxy in front of a deployed site adds these headers.
PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str


@dataclass
class Target:
    """A running site."""

    url: str
    site: Site

    def send(self, request: bytes) -> Answer | None:
        """Send bytes as they are, and return the answer, or None if the server hangs up without one.

        A server from which nothing comes for half a minute has been held up, and the test fails.
        """
        place = urlsplit(self.url)
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as connection:
            with suppress(ConnectionError):  # the server may answer and hang up before it has read everything
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(connection)
            try:
                answer.begin()
                return Answer(answer.status, answer.headers, answer.read().decode("utf-8", "replace"))
            except (http.client.HTTPException, ConnectionError):
                return None

    def errors(self) -> list[dict[str, object]]:
        """Return the errors that the site has recorded."""
        self.site.flush()
        lines = self.site.flask("log", "list", "--level", "ERROR", "--since", "1d", "--limit", "20", "--json")
        return [json.loads(line) for line in lines.splitlines()]


def assemble(method: str, address: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a request as bytes."""
    lines = [f"{method} {address} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close", "", ""]).encode() + body


@dataclass
class Intruder:
    """A visitor with cookies who logs in again whenever that is necessary."""

    target: Target
    role: str
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""

    def headers(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        host = urlsplit(self.target.url).netloc
        return {"Host": host, "Referer": f"https://{host}/", **PROXY} | ({"Cookie": cookies} if cookies else {})

    def ask(self, method: str, address: str, **fields: str) -> Answer:
        headers = self.headers() | {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.target.send(assemble(method, address, headers, urlencode(fields).encode()))
        assert answer
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, value = cookie.partition(";")[0].split("=", 1)
            self.cookies[name] = value
        return answer

    def is_logged_in(self) -> bool:
        return self.ask("GET", "/login").status == 302

    def enter(self) -> None:
        """Log in, unless the session is still valid, and take the token of the site's forms."""
        if self.role != "stranger" and not self.is_logged_in():
            self.cookies.clear()
            self.token = self._token("/login")
            self.ask("POST", "/login", csrf_token=self.token, username=self.role, password=PASSWORD)
            assert self.is_logged_in()
            self.token = ""
        self.token = self.token or self._token("/login" if self.role == "stranger" else "/")

    def _token(self, page: str) -> str:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.ask("GET", page).text)
        assert found, f"{page} has no form"
        return unescape(found[1])


@contextmanager
def deployed(site: Site) -> Iterator[Target]:
    """Serve the site as its README says, with a member, an admin, and some written and logged data."""
    for name, role in (("member", ()), ("admin", ("--admin",))):
        site.flask("user", "create", name, *role, "--password-stdin", typed=PASSWORD)
    # Other tests turn Secure off, for visitors over http, and trust one host; here the defaults are tested.
    environment = site.environment({"PROXY_HOPS": "1", "SESSION_COOKIE_SECURE": "", "TRUSTED_HOSTS": ""})
    command = (site.python.parent / "gunicorn", "--bind", "127.0.0.1:PORT", "app:create_app()")
    with serve(*command, cwd=site.folder, env=environment, seconds=120) as running:
        target = Target(running.url, site)
        member = Intruder(target, "member")
        member.enter()
        for number in range(3):
            member.ask("POST", "/posts/new", csrf_token=member.token, title=f"Number {number}", body="Text")
        yield target
