"""The writer's text of an exception equals the interpreter's own, to the letter."""

import linecache
import sys
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from app.dblog.capture import tracebacks
from app.dblog.capture.tracebacks import capture
from app.dblog.store.render import frames_for_page, render

from .test_values import Raises


def written(error: BaseException) -> str:
    """Return the text that the writer makes of an exception, by way of the journal."""
    return render(orjson.loads(orjson.dumps(capture(error, error.__traceback__))), time.time() + 10)


def cut(text: str) -> str:
    """Return what is kept of a text above 64 kB: both of its ends, and the number of characters left out."""
    if len(text) <= 65_536:
        return text
    return f"{text[:32_736]}\n[truncated] {len(text) - 65_472:,} characters\n{text[-32_736:]}"


def caught(raiser: Callable[[], object]) -> BaseException:
    try:
        raiser()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def fail(text: str = "a failure") -> None:
    raise ValueError(text)


def chain() -> None:
    try:
        fail("first")
    except ValueError:
        fail("second")


def cause() -> None:
    try:
        fail("first")
    except ValueError as error:
        raise KeyError("second") from error


def from_none() -> None:
    try:
        fail("first")
    except ValueError:
        raise KeyError("second") from None


def cycle() -> None:
    first, second = caught(fail), caught(chain)
    first.__cause__, second.__cause__ = second, first
    raise first


def notes() -> None:
    error = caught(chain)
    error.add_note("one\ntwo")
    error.add_note("")
    error.__notes__.append(Raises())  # type: ignore[arg-type]  # anything may be in there
    error.__notes__.append(5)  # type: ignore[arg-type]  # the same
    raise error


def odd_notes() -> None:
    error = caught(fail)
    error.__notes__ = ("in", "a tuple")  # type: ignore[assignment]  # anything may be there
    raise error


def groups() -> None:
    shared = caught(cause)
    inner = [caught(chain), caught(fail), shared, BaseExceptionGroup("inner", [caught(fail), shared, caught(notes)])]
    try:
        fail("before the group")
    except ValueError:
        raise BaseExceptionGroup("outer", [*inner, KeyboardInterrupt()]) from shared


def group_with_one_context() -> None:
    errors = []
    try:
        fail("shared by both")
    except ValueError:
        errors = [caught(fail), caught(fail)]
    raise BaseExceptionGroup("several", errors)


def wide_group() -> None:
    raise BaseExceptionGroup("wide", [ValueError(number) for number in range(30)])


def recursion(depth: int = 0) -> None:
    recursion(depth + 1)


def mutual(depth: int = 0) -> None:
    (lambda: mutual(depth + 1))()


def syntax() -> None:
    compile("x = (1,\n  2\ny = 3", "somewhere.py", "exec")


def syntax_in_a_group() -> None:
    raise BaseExceptionGroup("several", [caught(syntax), caught(indentation)])


def indentation() -> None:
    exec("if True:\nx = 1")


def bytes_source() -> None:
    compile(b"\xff = 1", "bytes.py", "exec")


def name() -> None:
    recursoin()  # type: ignore[name-defined]  # noqa: F821  # on purpose


def attribute() -> None:
    SimpleNamespace(colour=1).color  # noqa: B018  # on purpose


def module() -> None:
    time.tiem()  # type: ignore[attr-defined]  # on purpose


def imported() -> None:
    from collections import OrderedDcit  # type: ignore[attr-defined]  # noqa: F401  # on purpose


def not_imported() -> None:
    collections.OrderedDict  # type: ignore[name-defined]  # noqa: B018, F821  # on purpose


def keyword() -> None:
    caught(raiserr=fail)  # type: ignore[call-arg]  # on purpose


def empty() -> None:
    raise ValueError


def lines() -> None:
    raise ValueError("several\nlines\n\n")


def silent() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    raise Silent(1)


def nested_class() -> None:
    class Local(LookupError):
        pass

    raise Local("with a name of its own")


def long_expression() -> None:
    values: dict[str, Any] = {"a": {"b": None}}
    print(
        values["a"]["b"]["c"],
        len("über") + values["a"]["x"],
    )


def no_source() -> None:
    exec(compile("def f():\n    g()\ndef g():\n    1 / 0\nf()", "<made up>", "exec"))


def interrupted() -> None:
    raise KeyboardInterrupt


RAISERS = [
    *(fail, chain, cause, from_none, cycle, notes, odd_notes, empty, lines, silent, nested_class),
    *(groups, group_with_one_context, wide_group, recursion, mutual, syntax, syntax_in_a_group, indentation),
    *(bytes_source, name, attribute, module, imported, not_imported, keyword, long_expression, no_source, interrupted),
]


@pytest.mark.parametrize("raiser", RAISERS, ids=lambda raiser: raiser.__name__)
def test_the_text_is_the_interpreters_own(raiser: Callable[[], None]) -> None:
    error = caught(raiser)
    assert written(error) == cut("".join(traceback.format_exception(error)))


def test_a_module_in_a_zip_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        packed.writestr("packed_module.py", "def fail():\n    return 1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path / "packed.zip"))
    import packed_module  # type: ignore[import-not-found]  # made above

    error = caught(packed_module.fail)
    linecache.clearcache()
    capture(error, error.__traceback__)
    text = written(error)
    assert text == "".join(traceback.format_exception(error))
    assert "return 1 / 0" in text


def test_lines_of_a_source_that_changed_since_are_left_out(tmp_path: Path) -> None:
    source = tmp_path / "changing.py"
    source.write_text("def fail():\n    1 / 0\nfail()\n")
    error = caught(lambda: exec(compile(source.read_text(), str(source), "exec")))
    captured = orjson.loads(orjson.dumps(capture(error, error.__traceback__)))
    before_the_change = source.stat().st_mtime - 1
    source.write_text("# other\n# lines\n# now\n")
    text = render(captured, before_the_change)
    assert "# other" not in text
    assert f'File "{source}", line 2, in fail\n' in text
    assert text.endswith("ZeroDivisionError: division by zero\n")
    (page,) = frames_for_page(captured, f"{tmp_path}/", before_the_change)
    assert not any("source" in frame for frame in page["frames"])


def run_source(source: str, tmp_path: Path) -> BaseException:
    """Run a source that is found through its loader, like that of a zipped package; return the exception that it
    raises.
    """
    file = str(tmp_path / "made.py")
    loader = SimpleNamespace(get_source=lambda name: source)
    return caught(lambda: exec(compile("1 / 0", file, "exec"), {"__name__": "made", "__loader__": loader}))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("1 / 0  # a NUL \0", "1 / 0  # a NUL \\x00"),
        ("1 / 0  # half \ud800 a pair", "1 / 0  # half \\ud800 a pair"),
        ("1 / 0  # postgresql://joe:hunter2@db/x", "1 / 0  # postgresql://joe:[redacted]@db/x"),
    ],
)
def test_a_line_of_the_source_is_cleaned_as_every_other_text(line: str, shown: str, tmp_path: Path) -> None:
    text = written(run_source(line, tmp_path))
    assert f"    {shown}\n" in text
    text.encode()


def test_a_very_long_line_of_the_source_is_cut_and_the_error_stays(tmp_path: Path) -> None:
    text = written(run_source(f"1 / 0  # {'x' * 1_000_000}", tmp_path))
    assert len(text) <= 65_536
    assert text.startswith("Traceback (most recent call last):\n")
    assert "[truncated]" in text
    assert text.endswith("ZeroDivisionError: division by zero\n")


def cycle_of(length: int, depth: int) -> BaseException:
    """Return the exception of so many functions that call each other in turn, and fail at this depth."""
    sources = [
        f"def f{each}(depth):\n    if depth == 0: fail()\n    f{(each + 1) % length}(depth - 1)\n"
        for each in range(length)
    ]
    names: dict[str, Any] = {"fail": fail}
    for number, source in enumerate(sources):
        exec(compile(source, f"f{number}.py", "exec"), names)
    return caught(lambda: names["f0"](depth))


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_frames_that_repeat_are_folded(length: int) -> None:
    error = cycle_of(length, length * 20)
    (page,) = frames_for_page(orjson.loads(orjson.dumps(capture(error, error.__traceback__))), "/", time.time() + 10)
    frames = [frame for frame in page["frames"] if frame["file"][0] == "f"]
    assert [frame["function"] for frame in frames[:length]] == [f"f{each}" for each in range(length)]
    assert [(frame["cycle"], frame["repeated"]) for frame in frames if "repeated" in frame] == [(length, 19)]
    assert len(frames) == length + 1
    assert page["frames"][-1]["function"] == "fail"


def test_the_frames_of_a_recursion_are_few_and_those_of_a_deep_call_have_few_sources(tmp_path: Path) -> None:
    error = caught(mutual)
    (page,) = frames_for_page(orjson.loads(orjson.dumps(capture(error, error.__traceback__))), "/", time.time() + 10)
    assert len(orjson.dumps(page)) < 5_000
    source = tmp_path / "deep.py"
    calls = [f"def f{each}(): f{each + 1}()" for each in range(500)]
    source.write_text("\n".join([*calls, "def f500(): 1 / 0"]))
    names: dict[str, Any] = {}
    exec(compile(source.read_text(), str(source), "exec"), names)
    error = caught(names["f0"])
    root = f"{tmp_path}/"
    (page,) = frames_for_page(orjson.loads(orjson.dumps(capture(error, error.__traceback__))), root, time.time() + 10)
    assert [frame["function"] for frame in page["frames"] if "source" in frame] == [
        f"f{each}" for each in range(451, 501)
    ]


def test_what_is_beyond_the_bounds_is_marked() -> None:
    error: BaseException = ValueError("0")
    for number in range(1, 200):
        outer = ValueError(str(number))
        outer.__cause__ = error
        error = outer
    assert "[truncated]" in written(error)
    error = ValueError("x" * 100_000)
    assert "[truncated]" in written(error)

    def deep(depth: int) -> None:
        if depth == 0:
            fail()
        try:
            deep(depth - 1)
        except ValueError as inner:
            raise ValueError(depth) from inner

    assert "[truncated]" in written(caught(lambda: deep(60)))


def chained(length: int, kind: type[Exception]) -> BaseException:
    error: BaseException = kind("0")
    for number in range(1, length):
        outer = kind(str(number))
        outer.__cause__ = error
        error = outer
    return error


@pytest.mark.parametrize("kind", [ValueError, NameError])
def test_where_a_chain_is_cut_is_said(kind: type[Exception]) -> None:
    """The last lines that the interpreter adds to a NameError say it, too."""
    lines = written(chained(100, kind)).splitlines()
    assert lines[:2] == [f"{kind.__name__}: 36", "[truncated] more exceptions"]
    assert lines[-1] == f"{kind.__name__}: 99"


def test_a_group_that_holds_the_same_over_and_over_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubled sixteen times, the group has 65,536 leaves but few objects: the log has to limit the work."""
    texts: list[object] = []

    def counted(value: object, *_: object, **__: object) -> str:
        texts.append(value)
        return str(value)

    monkeypatch.setattr(tracebacks, "safe_str", counted)
    group: Any = ExceptionGroup("leaf", [ValueError("x")])
    for _ in range(16):
        group = ExceptionGroup("twice", [group, group])
    for each in (group, ExceptionGroup("wide", [ValueError("x")] * 100_000)):
        texts.clear()
        assert "[truncated] more exceptions" in written(each)
        assert len(texts) == tracebacks.MAX_EXCEPTIONS


def test_of_too_many_frames_both_ends_are_kept() -> None:
    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)
        else:
            raise ValueError("at the bottom")

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(4_000)
    try:
        error = caught(lambda: dive(3_000))
    finally:
        sys.setrecursionlimit(limit)
    text = written(error)
    outermost, *_, innermost = (line.strip() for line in text.splitlines() if line.startswith("  File"))
    assert outermost.endswith("in caught")
    assert innermost.endswith(f"line {dive.__code__.co_firstlineno + 4}, in dive")
    assert 'File "[truncated]", line 0, in 1,979 frames\n' in text


@pytest.mark.parametrize("notes", ["text", 5, {"a": 1}, b"bytes"])
def test_notes_that_are_no_list(notes: object) -> None:
    error = ValueError("noted")
    vars(error)["__notes__"] = notes
    assert written(error) == "".join(traceback.format_exception(error))
