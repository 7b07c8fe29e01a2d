"""The forms that decide about problems or undo decisions, and what the next page says was done.

The answer to a form is a redirect back to its page. The address names the lines that were written into the history by
their numbers, and the page looks these up: no address can claim something that did not happen.
"""

import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from ...listing import BadFilter, parse_id
from ...negotiation import wants_json
from ...terminal import how_many
from ..models import LogDecision
from .blueprint import bp
from .decisions import NOTED, UNDONE, Who, decide, of_numbers, parse_change, undo

#: How many problems one form may decide about: the writer waits for the locks of all of them. A page lists fewer.
MOST_AT_ONCE = 100


@bp.post("/logs/problems/decide")
def decide_problems() -> ResponseReturnValue:
    """Resolve, mute or reopen the problems that were chosen."""

    def decided() -> Sequence[int]:
        change = parse_change(request.form.get("status", ""), request.form.get("until", ""))
        lines = decide(_numbers("problem"), change, who_decides())
        if not lines:
            raise BadFilter("Nothing was changed: the problems are gone.")
        return lines

    return answer(decided)


@bp.post("/logs/problems/undo")
def undo_decisions() -> ResponseReturnValue:
    def undone() -> Sequence[int]:
        lines = undo(_numbers("decision"), who_decides())
        if not lines:
            raise BadFilter("Nothing was undone: something newer was decided, or a new record came.")
        return lines

    return answer(undone)


def read_done(log: Session) -> Sequence[LogDecision]:
    """Return the lines of history that the address names, if nothing newer has happened to their problems.

    All of the returned lines are of the same action.
    """
    named = re.findall(r"\d{1,18}", request.args.get("done", "")[: MOST_AT_ONCE * 20], re.ASCII)
    lines = of_numbers(log, [int(number) for number in named[:MOST_AT_ONCE]]) if named else []
    return [line for line in lines if (line.action, line.detail) == (lines[0].action, lines[0].detail)]


@bp.app_template_filter("log_done")
def say_done(lines: Sequence[LogDecision]) -> str:
    """Return a sentence that says what was done, from lines that are all of the same action."""
    count = how_many(len(lines), "problem")
    if lines[0].action == UNDONE:
        return f"Undone: {count} {'is' if len(lines) == 1 else 'are'} as before."
    if lines[0].action == NOTED:
        return "The note was added."
    words = (lines[0].action.capitalize(), count, lines[0].detail)
    return f"{' '.join(filter(None, words))}."


@bp.app_template_global()
def log_here() -> str:
    """Return the address of this page without ``done``, which names what was just done."""
    terms = [(name, term) for name, term in request.args.items(multi=True) if name != "done"]
    return urlunsplit(("", "", request.script_root + request.path, urlencode(terms), ""))


def who_decides() -> Who:
    """Return the visitor, for the history."""
    user_id, _ = current_app.extensions["dblog"].actor()
    return Who(user_id)


def answer(action: Callable[[], Sequence[int]]) -> ResponseReturnValue:
    """Run the action and return the redirect to the form's page; a :class:`BadFilter` is answered with its sentence."""
    path, query = _back()
    try:
        lines = action()
    except BadFilter as mistake:
        if wants_json():
            return {"error": str(mistake)}, 400
        back = urlunsplit(("", "", path, urlencode(query), ""))
        return render_template("dblog/refused.html", mistake=mistake, back=back), 400
    query.append(("done", "-".join(map(str, lines))))
    return redirect(urlunsplit(("", "", path, urlencode(query), "")), 303)


def _back() -> tuple[str, list[tuple[str, str]]]:
    """Return path and query of the page that the form came from, or of the list of problems if it names no log page."""
    try:
        asked = urlsplit(request.form.get("back", ""))
    except ValueError:
        asked = urlsplit("")
    page = re.escape(url_for("dblog.index")) + r"(/problems)?(/\d+)?"
    if asked.scheme or asked.netloc or not re.fullmatch(page, asked.path, re.ASCII):
        return url_for("dblog.show_problems"), []
    return asked.path, [(name, term) for name, term in parse_qsl(asked.query) if name != "done"]


def _numbers(name: str) -> list[int]:
    """Return the numbers that were chosen in the form; raises :class:`BadFilter`."""
    numbers = [parse_id(name, term) for term in request.form.getlist(name)]
    if not 0 < len(numbers) <= MOST_AT_ONCE:
        raise BadFilter(f"Choose at least one problem, and at most {MOST_AT_ONCE}; not {len(numbers):,}.")
    return numbers
