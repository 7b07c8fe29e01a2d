# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "alembic>=1.20.1,<2",
#     "concurrent-log-handler>=0.9.31,<1",
#     "drain3>=0.9.11,<1",
#     "Flask-Limiter>=4.1.1,<5",
#     "Flask-Login>=0.6.3,<1",
#     "Flask-Migrate>=4.1,<5",
#     "Flask-SQLAlchemy>=3.1.1,<4",
#     "Flask-WTF>=1.3,<2",
#     "Flask>=3.1.3,<4",
#     "orjson>=3.13,<4",
#     "portalocker>=4.4,<5",
#     "psycopg[binary]>=3.3,<4",
#     "python-dotenv>=1.2,<2",
#     "SQLAlchemy>=2.1.9,<3",
#     "structlog>=25.5,<27",
#     "WTForms>=3.3,<4",
#     "zxcvbn>=4.5,<5",
# ]
# ///
"""Measure how well records are grouped into problems: `uv run benchmarks/grouping.py [FOLDER]` takes a minute.

The first table is about records of logging calls with their source, the second about the same texts as lines without
it, against drain3. FOLDER holds files NAME_structured.csv of loghub (https://github.com/logpai/loghub), whose lines
both group as well. The script prints Markdown. A record counts as right if its group has all records of its kind and no
others.
"""

import csv
import importlib
import json
import logging
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

from shared import PROJECT, print_table

sys.path.insert(0, str(PROJECT))

from grouping_calls import CALLS, draw

RECORDS = 10_000
Grouped = Sequence[tuple[Hashable, Hashable]]


class Keep(logging.Handler):
    """A handler that keeps each record as in the log's journal, with the number of the call that made it."""

    def __init__(self) -> None:
        super().__init__()
        self.call = 0
        self.kept: list[tuple[int, dict[str, Any]]] = []
        self._encode = importlib.import_module("app.dblog.capture.event").encode
        self._secret = importlib.import_module("app.redaction").secret_names([])

    def emit(self, record: logging.LogRecord) -> None:
        line = self._encode(record, lambda: (None, None), self._secret)
        self.kept.append((self.call, json.loads(line)))


def log_records(in_words: bool = True) -> list[tuple[int, dict[str, Any]]]:
    structlog = importlib.import_module("structlog")
    processors = [structlog.stdlib.PositionalArgumentsFormatter(), structlog.processors.JSONRenderer()]
    structlog.configure(processors=processors, logger_factory=structlog.stdlib.LoggerFactory())
    setattr(sys.modules["grouping_calls"], "events", structlog.get_logger("shop.events"))  # noqa: B010 (mypy knows no such attribute of a module)
    keep = Keep()
    logging.getLogger().handlers = [keep]
    chance = random.Random(1)
    for number in range(RECORDS):
        keep.call = number % len(CALLS)
        CALLS[keep.call](draw(chance, in_words))
    return keep.kept


def score(grouped: Grouped) -> tuple[float, float]:
    """Return the share of lines in exactly the right group, and the share in a group with lines of several kinds."""
    pairs = Counter(grouped)
    kinds, groups = Counter(kind for kind, _ in grouped), Counter(group for _, group in grouped)
    within = defaultdict(set)
    for kind, group in pairs:
        within[group].add(kind)
    right = sum(count for (kind, group), count in pairs.items() if count == kinds[kind] == groups[group])
    merged = sum(groups[group] for group, of in within.items() if len(of) > 1)
    return right / len(grouped), merged / len(grouped)


def drain() -> Callable[[str], Hashable]:
    miner = importlib.import_module("drain3").TemplateMiner(
        config=importlib.import_module("drain3.template_miner_config").TemplateMinerConfig()
    )
    return lambda line: miner.add_log_message(line)["cluster_id"]


def compare(systems: dict[str, list[tuple[Hashable, str]]], mean: bool = True) -> None:
    """Print how lines without their source are grouped, for each system separately."""
    find_key = importlib.import_module("app.dblog.store.message_key").find_key
    rows, means = [], []
    for name, lines in systems.items():
        figures: list[float] = []
        for group in (lambda line: find_key({"message": line}).text, drain()):
            started = time.process_time()
            grouped = [(kind, group(line)) for kind, line in lines]
            figures += [*score(grouped), (time.process_time() - started) / len(lines) * 1e6]
        means.append(figures)
        rows.append([name, f"{len(lines):,}", *shown(figures)])
    if mean:
        rows.append(["mean", "", *shown([statistics.fmean(column) for column in zip(*means, strict=True)])])
    columns = ["right", "merged", "µs a line"]
    header = ["lines of", "", *columns, *(f"drain3: {column}" for column in columns)]
    print_table("Lines without their source, grouped by what looks like a value, and by drain3:", header, rows)


def shown(figures: Sequence[float]) -> list[str]:
    return [f"{each:.1f}" if place % 3 == 2 else f"{each:.3f}" for place, each in enumerate(figures)]


def read(folder: Path) -> dict[str, list[tuple[Hashable, str]]]:
    systems = {}
    for path in sorted(folder.rglob("*_structured.csv")):
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            systems[path.name.partition("_")[0]] = [(row["EventId"], row["Content"]) for row in csv.DictReader(file)]
    return systems or sys.exit(f"{folder} has no file *_structured.csv")


def main() -> None:
    make_row = importlib.import_module("app.dblog.store.rows").make_row
    events = log_records()
    grouped = [(call, make_row("", event, f"{Path(__file__).parent}/")["fingerprint"]) for call, event in events]
    right, merged = score(grouped)
    numbers = [f"{len(CALLS)}", f"{len(events):,}", f"{len({group for _, group in grouped})}"]
    header = ["logging calls", "records", "problems", "right", "merged"]
    print_table("Records, with the source of their calls:", header, [[*numbers, f"{right:.4f}", f"{merged:.4f}"]])
    for call in {call for call, _ in grouped}:
        own = {group for number, group in grouped if number == call}
        if len(own) > 1:
            print(f"call {call} of grouping_calls.py makes {len(own)} problems")
    corpus = {"these calls, names are words": events, "these calls, names have digits": log_records(in_words=False)}
    compare({name: [(call, event["message"]) for call, event in kept] for name, kept in corpus.items()}, mean=False)
    for folder in sys.argv[1:]:
        compare(read(Path(folder)))


if __name__ == "__main__":
    main()
