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
many = settings(
    max_examples=ATTACKS or 600,
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


@pytest.mark.slow
def test_nothing_that_is_sent_makes_the_site_fail(any_site: Site) -> None:
    with deployed(any_site) as target:
        intruders = {role: Intruder(target, role) for role in ROLES}

        @many
        @given(st.sampled_from(ROLES), attacks(routes_of(any_site)), st.booleans())
        def attack(role: str, sent: Attack, knows_the_token: bool) -> None:
            intruder = intruders[role]
            intruder.enter()
            headers, body = intruder.headers() | sent.headers, sent.body
            if knows_the_token and sent.fields is not None:
                body = form(
                    (*(pair for pair in sent.fields if pair[0] != "csrf_token"), ("csrf_token", intruder.token))
                )
            elif knows_the_token:
                headers["X-CSRFToken"] = intruder.token
            check(target, assemble(sent.method, sent.address, headers, body))

        attack()
        assert target.errors() == []


@pytest.mark.slow
def test_no_bytes_make_the_server_fail(site: Site) -> None:
    with deployed(site) as target:
        member = Intruder(target, "member")
        member.enter()
        body = form([("csrf_token", member.token), ("title", "Title"), ("body", "Text")])
        headers = member.headers() | {"Content-Type": "application/x-www-form-urlencoded"}
        requests = [assemble("POST", "/posts/new", headers, body), assemble("GET", "/logs?level=ERROR", headers)]

        @many
        @given(st.sampled_from(requests), mutations())
        def attack(request: bytes, changes: list[tuple[int, bytes]]) -> None:
            for place, piece in changes:
                place %= len(request)
                request = request[:place] + piece + request[place + 1 :]
            check(target, request)

        attack()
        assert target.errors() == []
