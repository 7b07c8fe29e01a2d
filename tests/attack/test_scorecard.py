"""A generated project sends what docs/security.md says."""

import re

import pytest
from conftest import ROOT
from faults.conftest import Site

from .conftest import Intruder, deployed

ROW = re.compile(r"^\| (?:… )?`(?P<name>[\w-]+)`(?P<about>[^|]*) \| (?P<ours>[^|]*) \|", re.MULTILINE)


def scorecard() -> dict[str, str]:
    """Return the first column of the table, by header or attribute."""
    return {row["name"]: row["ours"].strip("`") for row in ROW.finditer((ROOT / "docs/security.md").read_text("utf-8"))}


@pytest.mark.slow
def test_the_scorecard_is_true(site: Site) -> None:
    card = scorecard()
    cookie = {name: card.pop(name) for name in ("Secure", "HttpOnly", "SameSite")}
    card = {name: value for name, value in card.items() if name not in ("Host", "SECRET_KEY")}
    assert len(card) == 9
    with deployed(site) as target:
        member = Intruder(target, "member")
        member.enter()
        sent = member.ask("GET", "/").headers
        assert {name: sent[name] for name in card} == card
        # A visitor without a session gets this cookie with the first form.
        given = Intruder(target, "stranger").ask("GET", "/login").headers["Set-Cookie"]
        name, *attributes = given.split("; ")
        assert name.startswith("__Host-my_flask_app=")
        assert {"Secure", "HttpOnly", f"SameSite={cookie['SameSite'].strip('`')}", "Path=/"} <= {*attributes}
        assert (cookie["Secure"], cookie["HttpOnly"]) == ("yes", "yes")
