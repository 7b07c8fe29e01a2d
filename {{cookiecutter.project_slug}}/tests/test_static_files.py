"""Browsers keep style sheets and scripts, and yet get a changed one at once."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient

from app import static_files
from app.accounts.models import User

from .conftest import login

FOR_A_YEAR = "max-age=31536000, immutable"


@pytest.fixture
def site(tmp_path: Path) -> Flask:
    """Return another application, with one style sheet."""
    (tmp_path / "site.css").write_text("a { color: red }")
    (tmp_path / "folder").mkdir()
    (tmp_path.parent / "outside.css").write_text("a { color: red }")
    app = Flask("site", static_folder=str(tmp_path), static_url_path="/static")
    static_files.init_app(app)
    return app


def address(site: Flask, filename: str = "site.css", **terms: Any) -> str:
    with site.test_request_context():
        return url_for("static", filename=filename, **terms)


def cache_control(site: Flask, url: str) -> str:
    with site.test_client().get(url) as answer:
        return answer.headers.get("Cache-Control", "")


def test_what_every_page_links_to_is_kept_for_a_year(client: FlaskClient, admin: User) -> None:
    login(client, admin)
    for page in ("/", "/logs"):
        links = re.findall(r'(?:href|src)="(/[^"]*static/[^"]*)"', client.get(page).text)
        assert len(links) >= 4
        for link in links:
            with client.get(link) as answer:
                kept = answer.headers["Cache-Control"]
                guarded = link.startswith("/logs/")
                assert (answer.status_code, kept) == (200, FOR_A_YEAR + ", private" * guarded), link
            with client.get(link, headers={"If-None-Match": answer.headers["ETag"]}) as again:
                assert (again.status_code, again.headers["Cache-Control"]) == (304, kept), link


def test_a_changed_file_has_another_address_at_once(site: Flask, tmp_path: Path) -> None:
    before = address(site)
    assert address(site) == before
    (tmp_path / "site.css").write_text("a { color: tan }")
    assert (after := address(site)) != before
    assert cache_control(site, after) == FOR_A_YEAR
    assert cache_control(site, before) == "no-cache", "a page of another release asked for what is not here"


def test_the_address_is_the_same_on_every_host(site: Flask, tmp_path: Path) -> None:
    before = address(site)
    os.utime(tmp_path / "site.css", (1, 1))
    assert address(site) == before


def test_only_files_of_the_folder_have_a_version(site: Flask) -> None:
    for filename in ("gone.css", "folder", "", "../outside.css"):
        assert "v=" not in address(site, filename), filename
    assert address(site, v="2") == "/static/site.css?v=2", "a version of one's own stays"
    assert cache_control(site, "/static/site.css") == cache_control(site, "/static/site.css?v=2") == "no-cache"
    assert "max-age" not in cache_control(site, f"/static/gone.css?{address(site).partition('?')[2]}")
