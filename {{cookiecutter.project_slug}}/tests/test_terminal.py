"""Every terminal can show what commands print."""

import unicodedata
from collections.abc import Callable, Sequence

import click
import pytest
from click.testing import CliRunner
from flask import Flask

from app import terminal
from app.accounts.models import User
from app.terminal import Cell, Colored, Column, how_many, print_table


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_names_of_accounts(app: Flask, make_user: Callable[..., User], encoding: str) -> None:
    make_user("\N{GREEK SMALL LETTER OMEGA}mega", email="\x1b[31mred@example.org")
    listed = app.test_cli_runner(charset=encoding).invoke(args=["user", "list"])
    assert listed.exit_code == 0, listed.output
    name = "\N{GREEK SMALL LETTER OMEGA}" if encoding == "utf-8" else r"\u03c9"
    assert listed.stdout.startswith(f"1\t{name}mega\tuser\t\\x1b[31mred@example.org\t")


def test_one_is_not_several() -> None:
    assert [how_many(number, "row") for number in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]
    assert [how_many(number, "entry", "entries") for number in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]


COLUMNS = (Column("ID", is_number=True), Column("WHO", may_be_cut=True), Column("WHAT", may_be_cut=True))
ROWS: list[Sequence[Cell]] = [
    (7, "ada", "short"),
    (1234, "王小明王小明", "a\x1b[31mb\nnext\tcell"),
    (8, None, Colored("e\u0301" * 40, "red")),
    (9, "x" * 90, "y" * 90),
]


def printed(
    monkeypatch: pytest.MonkeyPatch, width: int | None, rows: Sequence[Sequence[Cell]] = ROWS, **options: int
) -> list[str]:
    """Return the lines that a terminal of this width, or a pipe, receives."""
    monkeypatch.setattr(terminal, "terminal_width", lambda: width)
    command = click.Command("show", callback=lambda: print_table(COLUMNS, rows, empty="Nothing.", **options))
    return CliRunner().invoke(command, color=width is not None).stdout.splitlines()


def places(line: str) -> int:
    """Return how many columns the line takes in a terminal; of the letters here only the Chinese take two."""
    plain = unicodedata.normalize("NFC", click.unstyle(line))
    return len(plain) + sum(character >= "\u4e00" for character in plain)


@pytest.mark.parametrize("width", [44, 80, 400])
def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    lines = printed(monkeypatch, width)
    assert len(lines) == 1 + len(ROWS)
    assert max(map(places, lines)) <= width
    title = click.unstyle(lines[0])
    assert title.startswith("  ID  WHO")
    start = title.index("WHAT")
    assert lines[1] == "   7  ada".ljust(start) + "short"
    # The next cell begins below its title, although each letter of the name takes two columns.
    assert lines[2].startswith("1234  王小明王小明 ")
    assert places(lines[2].partition(r"a\x1b[31mb\nnext")[0]) == start
    assert lines[3].startswith("   8  -  ")
    assert "\x1b[31me\u0301" in lines[3]
    assert ("…" in lines[4]) is (width < 200)


def test_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(map(places, printed(monkeypatch, 20))) == 20


def test_cells_that_need_little_leave_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, 40, [(1, "ada", "x" * 100), (2, "grace", "y" * 100)])
    assert lines[1:] == [" 1  ada    " + "x" * 28 + "…", " 2  grace  " + "y" * 28 + "…"]


def test_a_pipe_gets_whole_rows_that_cut_and_sort_understand(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, None) == [
        "7\tada\tshort",
        "1234\t王小明王小明\ta\\x1b[31mb\\nnext\\tcell",
        "8\t-\t" + "e\u0301" * 40,
        "9\t" + "x" * 90 + "\t" + "y" * 90,
    ]


def test_rows_that_arrive_one_by_one_have_no_titles(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = printed(monkeypatch, 60, measured=0)
    assert [click.unstyle(line).split()[0] for line in seen] == ["7", "1234", "8", "9"]
    assert max(map(places, seen)) <= 60


def test_an_empty_table_says_so_beside_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    command = click.Command("show", callback=lambda: print_table(COLUMNS, [], empty="Nothing matches."))
    result = CliRunner().invoke(command)
    assert (result.stdout, result.stderr) == ("", "Nothing matches.\n")


def test_no_color(app: Flask, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "terminal_width", lambda: 80)
    for value, is_coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", value)
        shown = app.test_cli_runner().invoke(args=["user", "list"], color=True).stdout
        assert ("\x1b[" in shown) is is_coloured
