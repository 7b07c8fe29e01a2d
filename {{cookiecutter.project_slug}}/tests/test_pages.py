"""These rules hold for every page and every form, also for those that are added later."""

import re
from pathlib import Path

from flask import Flask, url_for
from flask.testing import FlaskClient
from flask_wtf import FlaskForm

from app import dblog
from app.accounts.models import User
from app.database import db
from app.forms import Form

from .conftest import login

APP = Path(__file__).parent.parent / "app"
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


def pages(app: Flask) -> list[str]:
    """Return the path of every page that takes no arguments."""
    with app.test_request_context():
        return [
            url_for(rule.endpoint)
            for rule in app.url_map.iter_rules()
            if "GET" in (rule.methods or ()) and not rule.arguments
        ]


def test_every_form_wants_its_token(app: Flask, client: FlaskClient, admin: User) -> None:
    login(client, admin)
    forms = [(rule, method) for rule in app.url_map.iter_rules() for method in UNSAFE & (rule.methods or set())]
    assert len(forms) > 4
    for rule, method in forms:
        path = app.url_map.bind("localhost").build(rule.endpoint, dict.fromkeys(rule.arguments, 1))
        answer = client.open(path, method=method)
        assert (rule.endpoint, answer.status_code) == (rule.endpoint, 400)
        assert "CSRF" in answer.text


def test_every_page_keeps_to_the_content_policy(app: Flask, client: FlaskClient, admin: User) -> None:
    app.debug = True
    login(client, admin)
    for path in [*pages(app), "/absent"]:
        answer = client.get(path)
        assert answer.status_code < 500, path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in answer.headers["Permissions-Policy"]
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", answer.text), path
        assert not re.search(r'(src|href|action)="(https?:)?//', answer.text), path


def test_every_form_is_the_projects_own() -> None:
    """Flask-WTF's own form fails on JSON that is not an object of texts."""
    for form in FlaskForm.__subclasses__():
        assert form is Form or not form.__module__.startswith("app."), form


def test_no_page_fails_at_a_parameter_that_url_for_takes(app: Flask, client: FlaskClient, admin: User) -> None:
    login(client, admin)
    with app.app_context():
        # Both have more rows than a page holds, so that their pages have links to others.
        for number in range(60):
            admin_again = db.session.merge(admin)
            admin_again.email = f"{number}@example.org"
            db.session.commit()
            app.logger.error("Number %s", number)
    assert dblog.flush(30)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    for address in [*pages(app), "/audit/User/1", "/audit/User/1.json", "/logs/1", "/logs/1.json"]:
        for name in ("endpoint", "_method", "_external", "_anchor", "_scheme", "values", "self", "filename"):
            answer = client.get(f"{address}?{name}=POST&level=ERROR&model=User")
            assert answer.status_code < 500, (address, name)


def test_every_input_has_a_label(app: Flask, client: FlaskClient, admin: User) -> None:
    app.debug = True
    for path in pages(app):
        page = client.get(path).text
        for name in re.findall(r'<(?:input|textarea|select)(?![^>]*type="hidden")[^>]* id="([^"]+)"', page):
            assert f'for="{name}"' in page, (path, name)


def test_every_asset_is_served_from_here(client: FlaskClient) -> None:
    names = ("pico.classless.min.css", "site.css", "site.js", "icon.svg")
    for address in (*(f"/static/{name}" for name in names), "/components/static/components.css"):
        with client.get(address) as answer:
            assert answer.status_code == 200
            assert b"sourceMappingURL" not in answer.data


def test_the_log_shows_in_the_navigation_of_admins_alone(app: Flask, user: User, admin: User) -> None:
    for somebody, sees in ((None, False), (user, False), (admin, True)):
        client = app.test_client()
        if somebody:
            login(client, somebody)
        assert ('href="/logs/problems"' in client.get("/").text) is sees


def test_the_demo_shows_in_the_navigation_in_debug_alone(app: Flask, client: FlaskClient) -> None:
    assert 'href="/demo"' not in client.get("/login").text
    app.debug = True
    assert 'href="/demo"' in client.get("/login").text


def test_no_template_switches_escaping_off() -> None:
    templates = [*APP.rglob("*.html")]
    assert templates
    for template in templates:
        text = template.read_text("utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape", text), template
