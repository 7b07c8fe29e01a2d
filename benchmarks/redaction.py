# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "psycopg[binary]>=3.3,<4",
# ]
# ///
"""Measure what the search for secrets costs a record: `uv run benchmarks/redaction.py` takes ten seconds.

The script compares it with the standard library's `logging.Formatter` for the same record, and prints a table.
"""

import importlib
import logging
import statistics
import sys
import time
from collections.abc import Callable

from shared import ROOT, print_table

sys.path.insert(0, str(ROOT / "{{cookiecutter.project_slug}}"))
redact = importlib.import_module("app.redaction").redact

CALLS, ROUNDS = 2_000, 21
TEXTS = {
    "short": "x 12",
    "a sentence": "Stock of X-100 is low, only three left in the main store",
    "with values": "Could not reach host: timed out after retries=3 delay=0.5",
    "with an id": "Job 3fa85f64-5717-4562-b3fc-2c963f66afa6 finished in 3 ms",
    "with an address": "GET https://example.com/posts/12?page=3&q=shoes took 13 ms",
    "1,800 characters": "The quick brown fox jumps over the lazy dog. " * 40,
    "200 characters": ("Could not reach host: timed out after retries=3 delay=0.5, " * 4)[:200],
    "speaks of a token": "The token of user 5 was renewed, key=5",
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


def main() -> None:
    formatter, rows = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"), []
    for name, text in TEXTS.items():
        record = logging.LogRecord("bench", logging.ERROR, __file__, 1, text, (), None)
        ours, peer = microseconds(lambda: redact(text)), microseconds(lambda: formatter.format(record))  # noqa: B023 (the lambdas run before the loop goes on)
        rows.append([name, f"{ours:.2f}", f"{peer:.2f}", f"{ours / peer:.2f}"])
    print_table("The search for secrets in one text (µs):", ["text", "redact", "logging.Formatter", "ratio"], rows)


if __name__ == "__main__":
    main()
