"""Nothing that a stranger, a member or an admin sends makes the site fail: no 5xx, nothing recorded as an error."""

import json
import os

import pytest
from faults.conftest import Site
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from .conftest import PROGRAMS, ROLES, Intruder, Target, assemble, deployed
from .strategies import Attack, Route, attacks, form, mutations

#: ATTACKS=20000 sends more requests, and different ones each time.
ATTACKS = int(os.environ.get("ATTACKS", "0"))


def many(examples: int) -> settings:
    return settings(
        max_examples=ATTACKS or examples,
        derandomize=not ATTACKS,
        deadline=None,
        database=None,
        suppress_health_check=[*HealthCheck],
    )


#: With these a server says that it does not know the protocol of the request.
NOT_SPOKEN = (501, 505)


def routes_of(site: Site) -> list[Route]:
    return [Route(**each) for each in json.loads(site.run(PROGRAMS / "routes.py").stdout)]


def check(target: Target, request: bytes) -> None:
    answer = target.send(request)
    note(repr(request))
    assert answer is None or answer.status < 500 or answer.status in NOT_SPOKEN, answer


def send_requests(target: Target, intruders: list[Intruder]) -> None:
    @many(600)
    @given(st.sampled_from(intruders), attacks(routes_of(target.site)), st.booleans())
    def attack(intruder: Intruder, sent: Attack, knows_the_token: bool) -> None:
        intruder.enter()
        headers, body = intruder.headers() | sent.headers, sent.body
        if knows_the_token and sent.fields is not None:
            body = form((*(pair for pair in sent.fields if pair[0] != "csrf_token"), ("csrf_token", intruder.token)))
        elif knows_the_token:
            headers["X-CSRFToken"] = intruder.token
        check(target, assemble(sent.method, sent.address, headers, body))

    attack()


def send_bytes(target: Target, intruders: list[Intruder]) -> None:
    """Change bytes of an address or a body, which the application still reads, or of a whole request."""
    requests: list[tuple[bytes, bytes, dict[str, str], bytes]] = []
    for intruder in intruders:
        intruder.enter()
        body = form([("title", "Title"), ("body", "Text")])
        own = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": intruder.token}
        headers = intruder.headers() | own
        requests += [(b"POST", b"/posts/new", headers, body), (b"GET", b"/logs?level=ERROR&since=1d", headers, b"")]

    @many(200)
    @given(st.sampled_from(requests), st.sampled_from(("address", "body", "all of it")), mutations())
    def attack(sent: tuple[bytes, bytes, dict[str, str], bytes], where: str, changes: list[tuple[int, bytes]]) -> None:
        method, address, headers, body = sent
        if where == "address":
            address = changed(address, changes)
        elif where == "body":
            body = changed(body or b"Text", changes)
        request = assemble("METHOD", "ADDRESS", headers, body)
        request = request.replace(b"METHOD ADDRESS", b"%s %s" % (method, address), 1)
        check(target, changed(request, changes) if where == "all of it" else request)

    attack()


def changed(text: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    for place, piece in changes:
        place %= len(text) or 1
        text = text[:place] + piece + text[place + 1 :]
    return text


@pytest.mark.slow
def test_nothing_that_is_sent_makes_the_site_fail(any_site: Site) -> None:
    with deployed(any_site) as target:
        intruders = [Intruder(target, role) for role in ROLES]
        send_requests(target, intruders)
        assert target.errors() == []
        send_bytes(target, intruders)
        assert target.errors() == []
