"""The page components work in any application, and each of their styles is used."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from flask import Flask, render_template_string

from app import components
from app.components import age, ago, distance, near, utc, when

APP = Path(__file__).parent.parent / "app"
NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)


# Moments


def test_a_moment_is_shown_in_utc_for_the_script_to_translate() -> None:
    assert when(NOON) == (
        '<time datetime="2026-01-02T12:00:00.123Z" title="2026-01-02 12:00:00 UTC" data-local>'
        "2026-01-02 12:00 UTC</time>"
    )
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    assert when(elsewhere) == when(NOON)


def test_a_moment_can_be_had_to_the_millisecond() -> None:
    assert ">2026-01-02 12:00:00.123</time>" in utc(NOON)


def test_no_moment_is_nothing() -> None:
    assert when(None) == ago(None) == utc(None) == ""


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=-5), "0 s ago"),
        (timedelta(seconds=61), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=23.5), "23 h ago"),
        (timedelta(days=2), "2 d ago"),
        (timedelta(days=45), "1 mo ago"),
        (timedelta(days=800), "2 y ago"),
    ],
    ids=str,
)
def test_a_distance_is_in_its_largest_unit(age: timedelta, words: str) -> None:
    moment = datetime.now(UTC) - age
    assert distance(moment) == words
    assert f">{words}</time>" in ago(moment)


# Macros


@pytest.fixture
def bare() -> Iterator[None]:
    """Enter a context of an application that has the components and nothing else of this one."""
    app = Flask("bare")
    components.init_app(app)
    with app.test_request_context():
        yield


def render(call: str, **values: object) -> str:
    imports = ("lists.html' import chips, pager", "text.html' import badge, code, fact, source, text")
    macros = "".join(f"{{% from 'components/{each} %}}" for each in imports)
    return re.sub(r"\s*\n\s*", "", render_template_string(f"{macros}{{{{ {call} }}}}", **values))


@pytest.mark.usefixtures("bare")
def test_what_others_wrote_is_text_and_nothing_else() -> None:
    value = "<b>\x1b[31m\u202e"
    for call in ("text(value)", "code(value)", "source([value], 1, 1)", "chips([('q', value, '/')], '/')"):
        shown = render(call, value=value)
        assert "&lt;b&gt;\\x1b[31m\\u202e" in shown, call
        assert not set(shown) & set(value) - set("<b>[31m"), call


def test_a_moment_says_the_day_only_if_it_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 2, 12, 30, tzinfo=UTC)
    monkeypatch.setattr("app.components.utcnow", lambda: now)
    for moment, text in {
        now - timedelta(hours=12): "00:30",
        now - timedelta(hours=13): "yesterday 23:30",
        now - timedelta(days=2): "31 Dec 2025",
        now + timedelta(days=1): "3 Jan",
    }.items():
        assert near(moment).endswith(f' data-clock="near">{text}</time>')
        assert f"{moment:%Y-%m-%d %H:%M:%S} UTC" in near(moment)
        timed = text if ":" in text else f"{text} 12:30"
        assert near(moment, timed=True).endswith(f' data-clock="near-timed">{timed}</time>')
    assert age(now - timedelta(days=3)).endswith(">3 d</time>")


@pytest.mark.usefixtures("bare")
def test_a_pager_links_only_to_pages_that_are_there() -> None:
    assert render("pager(none, none)") == ""
    assert "Newer" not in (first := render("pager(none, '/?page=2')"))
    assert '<a rel="next" href="/?page=2">Older →</a>' in first
    last = render("pager('/?page=1', none, note='Page 2 of 2', newer_label='Newest')")
    assert '<a rel="prev" href="/?page=1">← Newest</a><span>Page 2 of 2</span></nav>' in last


@pytest.mark.usefixtures("bare")
def test_a_fact_without_a_value_is_left_out() -> None:
    assert render("fact('Rows', 0)") == "<div><dt>Rows</dt><dd>0</dd></div>"
    assert render("fact('Rows', none)") == render("fact('Rows', '')") == ""


# Style


def test_no_style_is_missing_or_left_over() -> None:
    markup = "\n".join(path.read_text("utf-8") for path in APP.rglob("*.html"))
    style = (APP / "components/static/components.css").read_text("utf-8")
    used = set(re.findall(r"\bui(?:-[a-z]+)?(?=[ \"{])", markup))
    styled = set(re.findall(r"\.(ui(?:-[a-z]+)?)\b", style))
    tones = set(re.findall(r"\.([\w-]+) \{\n  --ui-tone:", style))
    assert len(tones) == 6
    assert used - {"ui"} <= styled
    assert styled - tones <= used
