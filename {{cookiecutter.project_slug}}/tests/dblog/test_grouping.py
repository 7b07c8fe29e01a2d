"""All records of one logging call, and no others, are one problem, however the call makes its message."""

import importlib.util
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import User
from app.config import PROJECT
from app.dblog import grouping
from app.dblog.capture.event import encode
from app.dblog.store import logging_calls, source_templates, upsert
from app.dblog.store.rows import make_row
from app.redaction import secret_names

from ..conftest import login
from .log_rows import problem_id, put, row

Rows = list[dict[str, Any]]

logger = logging.Logger("shop")
SHUT = "The shop in {} is shut"


class Keep(logging.Handler):
    """A handler that turns records into rows as the log does, by way of the journal's format."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(json.loads(encode(record, lambda: (None, None), secret_names([]))))

    def rows(self) -> Rows:
        made = [make_row(str(number), event, f"{PROJECT}{os.sep}") for number, event in enumerate(self.events)]
        self.events = []
        return made


@pytest.fixture
def kept() -> Iterator[Keep]:
    logger.handlers = [keep := Keep()]
    yield keep
    logger.handlers = []


def f_string(name: str, number: int) -> None:
    logger.error(f"Search for {name} took {number} ms")


def formatted(name: str, number: int) -> None:
    logger.error("Find {} within {:.1f} ms".format(name, number))  # noqa: UP032 (people write it)


def formatted_by_name(name: str, number: int) -> None:
    logger.error("Look for {what} within {ms} ms".format(what=name, ms=number))  # noqa: UP032 (people write it)


def added(name: str, number: int) -> None:
    logger.error("Bought " + name + " for " + str(number))


def early(name: str, number: int) -> None:
    logger.error("Sold %s at %d%% off" % (name, number))  # noqa: UP031 (people write it)


def early_by_name(name: str, number: int) -> None:
    logger.error("Returned %(what)s after %(days)d days" % {"what": name, "days": number})  # noqa: UP031 (the same)


def of_lines(name: str, number: int) -> None:
    logger.error(
        f"Delivery of {name} is late, "
        "and it was promised for "
        f"day {number}"
    )  # fmt: skip


def chained(name: str, number: int) -> None:
    (
        logger
        .error(f"Chained {name}{number} call")
    )  # fmt: skip


def variable(name: str, number: int) -> None:
    text = f"Weighing {name} failed"
    number += 1
    logger.error(text)


def extended(name: str, number: int) -> None:
    text = "Packing "
    text += f"{name} as parcel {number} "
    text += "failed"
    logger.error(text)


def of_the_module(name: str, number: int) -> None:
    logger.error(SHUT.format(name))


def reused(name: str, number: int) -> None:
    name = f"Reused {name} for parcel {number}"
    logger.error(name)


def in_a_lambda(name: str, number: int) -> None:
    (lambda: logger.error(f"Lambda of {name} and {number}"))()


def by_level(name: str, number: int) -> None:
    logger.log(logging.ERROR, f"Level of {name} is {number}")


def argument(name: str, number: int) -> None:
    logger.error("Template of %s is %s", name, number)


def arguments_put_in_by_another(name: str, number: int) -> None:
    put_in("Price of %s is %s", name, number)


def put_in(text: str, *values: object) -> None:
    logger.error(text % values, stacklevel=2)


def text_alone(name: str, number: int) -> None:
    logger.error("%s", f"Printer {number} has no paper")


def constant_with_digits(name: str, number: int) -> None:
    logger.error("Step 3 of 4 failed")


def secret(name: str, number: int) -> None:
    logger.error(f"Refused the token={name}{number} of a client")


CALLS: Sequence[Callable[[str, int], None]] = (
    *(f_string, formatted, formatted_by_name, added, early, early_by_name, of_lines, chained, variable, extended),
    *(
        of_the_module,
        reused,
        in_a_lambda,
        by_level,
        argument,
        text_alone,
        arguments_put_in_by_another,
        constant_with_digits,
        secret,
    ),
)
NAMES = ("tea", "green tea", "café\nau lait", "Search for", "{}", "%s", "17", "")


def test_each_way_to_write_a_message_is_one_problem(kept: Keep) -> None:
    problems = {}
    for call in CALLS:
        for number, name in enumerate(NAMES):
            call(name, number)
        fingerprints = {row["fingerprint"] for row in kept.rows()}
        assert len(fingerprints) == 1, call.__name__
        problems[call.__name__] = fingerprints.pop()
    assert len({*problems.values()}) == len(CALLS)


def test_the_title_names_what_varies(kept: Keep) -> None:
    f_string("green tea", 7)
    early("green tea", 7)
    of_lines("green tea", 7)
    assert [row["title"] for row in kept.rows()] == [
        "Search for {name} took {number} ms",
        "Sold {name} at {number}% off",
        "Delivery of {name} is late, and it was promised for day {number}",
    ]


def report(text: str) -> None:
    logger.error(f"[shop] {text}")


def report_for_the_caller(text: str) -> None:
    logger.error(text, stacklevel=2)


def test_a_helper_does_not_make_everything_one_problem(kept: Keep) -> None:
    for number in range(3):
        report(f"The stock of apples is down to {number} kg")
        report(f"The disk /dev/sda{number} is nearly full")
    assert [row["title"] for row in kept.rows()[:2]] == [
        "[shop] The stock of apples is down to * kg",
        "[shop] The disk * is nearly full",
    ]


def test_with_a_stacklevel_any_call_on_the_line_counts(kept: Keep) -> None:
    for name in NAMES:
        report_for_the_caller(f"Called with {name} from outside")
    assert {row["title"] for row in kept.rows()} == {"Called with {name} from outside"}


BRANCHES = """
def log(logger, number):
    text = f"Many parcels: {number}" if number > 5 else f"Few parcels: {number}"
    logger.error(text)
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Callable[..., None]]:
    """Return a function that writes a module and returns the module's function `log`."""

    def write(source: str) -> Callable[..., None]:
        file = tmp_path / "written.py"
        file.write_text(source, "utf-8")
        spec = importlib.util.spec_from_file_location("written", file)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        log: Callable[..., None] = module.log
        return log

    return write


def test_branches_are_problems_of_their_own(kept: Keep, write: Callable[[str], Callable[..., None]]) -> None:
    log = write(BRANCHES)
    for number in range(10):
        log(logger, number)
    assert {row["title"] for row in kept.rows()} == {"Many parcels: {number}", "Few parcels: {number}"}


def forget_sources() -> None:
    source_templates._files.__init__()  # type: ignore[misc]


LATE = """
def log(logger, name):
    logger.error(f"Late delivery of {name}")
"""


def test_a_journal_that_is_adopted_after_a_deploy_keeps_its_problems(
    kept: Keep, write: Callable[[str], Callable[..., None]], tmp_path: Path
) -> None:
    log = write(LATE)
    log(logger, "tea")
    log(logger, "green tea")
    event = kept.events[0]
    (before, other) = kept.rows()
    assert before["fingerprint"] == other["fingerprint"]
    for later in (
        f"import os\n\n{LATE}",
        # The line now has another call of the same function.
        LATE.replace("    logger", '    logger.error("Hello")\n    logger'),
    ):
        (tmp_path / "written.py").write_text(later, "utf-8")
        forget_sources()
        kept.events = [event]
        assert kept.rows()[0]["fingerprint"] == before["fingerprint"]
    (tmp_path / "written.py").unlink()
    forget_sources()
    kept.events = [event]
    assert kept.rows()[0]["title"] == "Late delivery of tea"


def count_parses(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The sources that are parsed from now on."""
    parsed: list[bytes] = []

    def read_calls(source: bytes) -> Sequence[logging_calls.Call]:
        parsed.append(source)
        return logging_calls.read_calls(source)

    monkeypatch.setattr(source_templates, "read_calls", read_calls)
    return parsed


def write_many(folder: Path, count: int) -> list[str]:
    """Make source files with twenty calls each, of which one logs; returns their paths."""
    other = "".join(f"    send({number}, 'a text of some length for {number}')\n" for number in range(19))
    for number in range(count):
        source = f"def log(logger, name):\n    logger.error(f'Late delivery {number} of {{name}}')\n{other}"
        (folder / f"module_{number}.py").write_text(source)
    return [str(folder / f"module_{number}.py") for number in range(count)]


def test_a_thousand_sources_are_parsed_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_many(tmp_path, 1_000)
    parsed = count_parses(monkeypatch)
    forget_sources()
    for turn in range(3):
        for number, file in enumerate(files):
            found = source_templates.find_template(file, 2, "log", f"Late delivery {number} of tea {turn}")
            assert found == (f"Late delivery {number} of *", f"Late delivery {number} of {{name}}")
    assert len(parsed) == 1_000


def test_what_is_kept_of_sources_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_many(tmp_path, 50)
    parsed = count_parses(monkeypatch)
    forget_sources()
    kept = source_templates._files
    source_templates.find_template(files[0], 2, "log", "Late delivery 0 of tea")
    source_templates.find_template(files[0], 2, "log", "Late delivery 0 of tea")
    monkeypatch.setattr(source_templates, "MAX_KEPT_BYTES", kept.kept_bytes * 10)
    for file in files:
        # Lines are kept, too.
        for line in range(1, 20):
            source_templates.find_template(file, line, f"of {line}", "something else")
    assert [*kept.by_path] == files[-len(kept.by_path) :]
    assert 2 < len(kept.by_path) < 8
    assert kept.by_path.keys() == kept.sizes.keys()
    assert kept.kept_bytes == sum(kept.sizes.values()) <= source_templates.MAX_KEPT_BYTES
    before = len(parsed)
    source_templates.find_template(files[-1], 2, "log", "Late delivery 49 of tea")
    assert len(parsed) == before
    source_templates.find_template(files[0], 2, "log", "Late delivery 0 of tea")
    assert len(parsed) == before + 1


def test_a_source_is_parsed_once_and_once_more_when_it_changes(
    kept: Keep, write: Callable[[str], Callable[..., None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = count_parses(monkeypatch)
    log = write(LATE)
    forget_sources()
    for number in range(100):
        log(logger, number)
    kept.rows()
    assert len(parsed) == 1
    monkeypatch.setattr(source_templates, "LOOK_SECONDS", 0)
    log(logger, 1)
    kept.rows()
    assert len(parsed) == 1
    (tmp_path / "written.py").write_text(LATE + "\n# changed\n", "utf-8")
    for number in range(100):
        log(logger, number)
    kept.rows()
    assert len(parsed) == 2


@pytest.mark.parametrize("content", [b"def log(:", b"\0", b"# coding: nonsense", b"x = " + b"(" * 500 + b")" * 500])
def test_a_source_that_is_no_python_is_passed_over(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "odd.py"
    file.write_bytes(content)
    assert source_templates.find_template(str(file), 1, "log", "a message") is None


def test_what_is_no_source_file_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.py"
    os.mkfifo(pipe)
    large = tmp_path / "large.py"
    large.write_text(LATE + "#" * source_templates.MAX_BYTES)
    for path in (pipe, large, tmp_path, tmp_path / "missing.py", "/dev/zero", "nul\0.py", ""):
        assert source_templates.find_template(str(path), 3, "log", "Late delivery of tea") is None


def test_an_application_names_its_problem(kept: Keep) -> None:
    for number in range(3):
        logger.error(f"Only {number} left", extra={"problem": "stock-low"})
        logger.error("Nothing left", extra={"problem": "stock-low"})
        try:
            raise ValueError(number)
        except ValueError:
            logger.exception("Counting failed", extra={"problem": "stock-low"})
    assert len({row["fingerprint"] for row in kept.rows()}) == 1
    logger.error("Nothing left", extra={"problem": "another"})
    logger.error("Nothing left", extra={"problem": ["no text"]})
    logger.error("Nothing left")
    another, odd, plain = kept.rows()
    assert another["fingerprint"] != plain["fingerprint"] == odd["fingerprint"]


def test_a_message_in_json_is_what_its_event_says(kept: Keep) -> None:
    for number in range(3):
        logger.error(json.dumps({"event": f"Basket {number} was emptied", "user": f"user {number}"}))
        logger.error(json.dumps({"user": f"user {number}", "event": "basket_filled"}))
    titles = [row["title"] for row in kept.rows()]
    assert titles == ["Basket * was emptied", "basket_filled"] * 3


def fail_in_a_library(text: str) -> None:
    try:
        json.loads("{")
    except ValueError as error:
        # A library's thread has caught the exception, so no frame is the project's.
        own = error.__traceback__
        logger.error(text, exc_info=error.with_traceback(own.tb_next if own else None))


def test_failures_in_a_library_alone_are_parted_by_the_logging_call(kept: Keep) -> None:
    for number in range(3):
        fail_in_a_library(f"Reading of file {number} failed")
        fail_in_a_library("The answer was refused")
    assert len({row["fingerprint"] for row in kept.rows()}) == 2


def test_failures_in_a_function_of_the_project_are_one_problem(kept: Keep) -> None:
    for text in ("one", "another"):
        try:
            json.loads("{")
        except ValueError:
            logger.exception(text)
    assert len({row["fingerprint"] for row in kept.rows()}) == 1


@pytest.mark.parametrize(
    ("message", "normalised"),
    [
        ("Order 17 of 3f2b8c9e-1b7a-4a57-9d6f-0c2e8a1b3c4d", "Order * of *"),
        ("0x7f3a at 10.0.0.1:80 for ada@example.org", "* at * for *"),
        ("No file /srv/shop/a.txt, nor C:\\shop", "No file * nor *"),
        ("settings.py and db.example.org", "* and *"),
        ("e.g. tea", "e.g. tea"),
        ("Unknown product 'green tea', sorry", "Unknown product * sorry"),
        ("It's 5 o'clock", "It's * o'clock"),
        ('"GET /x HTTP/1.1" came', '"GET * came'),
        ("user=ada reason='not found' ms=3", "user=* reason=* ms=*"),
        ("event='cart emptied' user=3", "event='cart emptied' user=*"),
        ("Since Mon Jul 17 12:00 2023", "Since *"),
        ("May fail in May 2023", "May fail in *"),
        ("took 3.5 ms, 12 bytes (3 kB) sent", "took * sent"),
        ("ids: 1, 2, 3", "ids: *"),
        ("HTTP 404 for /x", "HTTP 404 for *"),
        ("HTTP 500: down", "HTTP 500: down"),
        ("status 500", "status *"),
        ("step17|3", "step*|*"),
        ("/a/b", "*"),
        ("заказ17 отменён", "заказ* отменён"),
        ("订单17失败", "订单*失败"),
        ("", ""),
    ],
)
def test_what_looks_like_a_value_is_left_out(message: str, normalised: str) -> None:
    assert grouping.normalise(message) == normalised


def test_a_long_message_is_normalised_no_further_than_its_beginning() -> None:
    beginning = "word " * grouping.NORMALISED_WORDS
    assert grouping.normalise(beginning + "a 1") == grouping.normalise(beginning + "b 2" * 10_000)


@pytest.mark.parametrize("template", ["%s", "%s: %d", "%(a)s/%5.2f%%", "%-10s|"])
def test_a_template_without_a_word_says_nothing(template: str) -> None:
    assert not grouping.has_word(template)
    assert grouping.has_word(f"at {template}")
    assert grouping.has_word(f"{template} later")


def test_each_rule_is_explained(kept: Keep) -> None:
    f_string("tea", 3)
    argument("tea", 3)
    fail_in_a_library("a failure")
    logger.error("Nothing left", extra={"problem": "stock-low"})
    logger.error("%s", " ".join(NAMES))
    try:
        raise ValueError("a failure")
    except ValueError:
        logger.exception("another")
    explained = {grouping.explain(row["fingerprint"]) for row in kept.rows()}
    assert explained == {*grouping.RULES.values()}
    assert grouping.explain("1-of-an-earlier-version") == ""
    assert all(len(row["fingerprint"]) <= 40 for row in kept.rows())


def test_the_page_of_a_problem_says_why_its_records_are_one(app: Flask, client: FlaskClient, admin: User) -> None:
    login(client, admin)
    for rule, words in grouping.RULES.items():
        name = grouping.fingerprint(rule, "shop")
        put(app, row(fingerprint=name))
        assert words in client.get(f"/logs/problems/{problem_id(app, name)}").text


def test_a_batch_names_each_problem_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search for secrets in titles is most of the work of making rows, so it is done once for each problem."""
    cleaned: list[str] = []
    clean_text = upsert.clean_text
    monkeypatch.setattr(upsert, "clean_text", lambda *of: cleaned.append(of[0]) or clean_text(*of))
    put(app, *(row(f"cup {number} is cold", fingerprint=f"1-{number % 2}") for number in range(50)))
    assert cleaned == ["cup 0 is cold", "pour · app/pot.py:12", "cup 1 is cold", "pour · app/pot.py:12"]
