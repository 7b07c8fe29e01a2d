"""The scanner Wapiti finds nothing, whether it is logged out, a member or an admin."""

import json
from pathlib import Path

import pytest
from conftest import BIN, run
from faults.conftest import Site

from .conftest import PROXY, ROLES, Intruder, deployed

WAPITI = ("tool", "run", "--from", "wapiti3>=3.2.3,<4", "wapiti")
#: All modules of Wapiti, except those that ask other hosts (log4shell, ssrf, xxe, spring4shell, takeover), fetch lists
#: from them (nikto, wapp, htp, cms, wp_enum, network_device), or test something that the project does not have (ldap)
#: or leaves to the proxy (ssl, https_redirect).
MODULES = (
    *("backup", "brute_login_form", "buster", "cookieflags", "crlf", "csp", "csrf", "exec", "file", "htaccess"),
    *("http_headers", "methods", "permanentxss", "redirect", "shellshock", "sql", "timesql", "upload", "xss"),
)


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_wapiti_finds_nothing(site: Site, tmp_path: Path, role: str) -> None:
    with deployed(site) as target:
        intruder = Intruder(target, role)
        intruder.enter()
        cookies = ";".join(f"{name}={value}" for name, value in intruder.cookies.items())
        headers = [word for name, value in PROXY.items() for word in ("--header", f"{name}: {value}")]
        if role != "stranger":
            headers += ["--cookie-value", cookies]
        report = tmp_path / "report.json"
        run(
            *(str(BIN / "uv"), *WAPITI, "--url", f"{target.url}/", "--module", ",".join(MODULES), *headers),
            *("--exclude", f"{target.url}/logout", "--start", f"{target.url}/logs", "--start", f"{target.url}/audit"),
            *("--max-links-per-page", "20", "--max-scan-time", "40", "--max-attack-time", "6", "--no-bugreport"),
            *("--store-session", str(tmp_path / "session"), "--store-config", str(tmp_path / "config")),
            *("--format", "json", "--output", str(report)),
            cwd=tmp_path,
        )
        assert role == "stranger" or intruder.is_logged_in(), "the scanner has ended its own session"
        found = json.loads(report.read_text("utf-8"))
        assert found["infos"]["crawled_pages_nbr"] > 3
        assert {kind: cases for part in PARTS for kind, cases in found[part].items() if cases} == {}
        assert target.errors() == []


#: A report lists findings under these keys.
PARTS = ("vulnerabilities", "anomalies")
