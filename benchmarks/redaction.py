# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "psycopg[binary]>=3.3,<4",
# ]
# ///
"""Measure what the search for secrets costs a record: `uv run benchmarks/redaction.py` takes twenty seconds.

The script compares it with the standard library's `logging.Formatter` for the same record, and prints a table. The
search of `re` for characters that the text does not have shows how quick a search in Python can be.
"""

import importlib
import logging
import re
import statistics
import sys
import time
from collections.abc import Callable

from shared import ROOT, print_table

sys.path.insert(0, str(ROOT / "{{cookiecutter.project_slug}}"))
redact = importlib.import_module("app.redaction").redact
ORDINARY = importlib.import_module("tests.redaction_texts").ORDINARY

CALLS, ROUNDS = 2_000, 21
FORMATTER = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
ABSENT = re.compile("[\x00\x02\x04\x06\x08]")
TEXTS = {
    "short": "x 12",
    "a sentence": "Stock of X-100 is low, only three left in the main store",
    "with values": "Could not reach host: timed out after retries=3 delay=0.5",
    "with an id": "Job 3fa85f64-5717-4562-b3fc-2c963f66afa6 finished in 3 ms",
    "with an address": "GET https://example.com/posts/12?page=3&q=shoes took 13 ms",
    "speaks of a token": "The token of user 5 was renewed, key=5",
    "200 characters": ("Could not reach host: timed out after retries=3 delay=0.5, " * 4)[:200],
    "1,800 characters": "The quick brown fox jumps over the lazy dog. " * 40,
    "with a secret": "login failed: user=ada password=" + "hunter" + "2",
}


def microseconds(call: Callable[[], object]) -> float:
    """Return the time of one call, the median of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        for _ in range(CALLS):
            call()
        rounds.append((time.perf_counter_ns() - start) / CALLS / 1000)
    return statistics.median(rounds)


def measure(text: str) -> tuple[float, float, float]:
    """Return the microseconds that the search for secrets, the Formatter and one search of ``re`` take for a text."""
    record = logging.LogRecord("bench", logging.ERROR, __file__, 1, text, (), None)
    return (
        microseconds(lambda: redact(text)),
        microseconds(lambda: FORMATTER.format(record)),
        microseconds(lambda: ABSENT.search(text)),
    )


def main() -> None:
    rows = {name: measure(text) for name, text in TEXTS.items()}
    ordinary = sorted(map(measure, ORDINARY))
    rows["ordinary records, median"] = ordinary[len(ordinary) // 2]
    rows["ordinary records, slowest"] = ordinary[-1]
    print_table(
        "The search for secrets in one text (µs):",
        ["text", "redact", "logging.Formatter", "ratio", "one search of re"],
        [
            [name, f"{ours:.2f}", f"{peer:.2f}", f"{ours / peer:.2f}", f"{floor:.2f}"]
            for name, (ours, peer, floor) in rows.items()
        ],
    )


if __name__ == "__main__":
    main()
