"""Set up one way of logging as its documentation shows, with a store on disk, to be timed or killed.

handler.py starts a process for each way, in a folder of its own: `python peers.py NAME FOLDER`.
"""

import importlib
import json
import logging
import os
import queue
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any, NamedTuple

FRAMES = 6


class Logging(NamedTuple):
    """How to call a way of logging, how it writes a placeholder, and how to wait until it has stored everything."""

    error: Callable[..., object]
    exception: Callable[..., object]
    text: str = "x %s"
    settle: Callable[[], object] = lambda: None


def through(handler: logging.Handler, settle: Callable[[], object] = lambda: None) -> Logging:
    """Return the standard library's logging with only this handler."""
    logging.getLogger().handlers[:] = [handler]
    logger = logging.getLogger("bench")
    return Logging(logger.error, logger.exception, settle=settle)


def ours(folder: Path) -> Logging:
    dblog = importlib.import_module("app.dblog")
    [handler] = [each for each in logging.getLogger().handlers if isinstance(each, dblog.handler.DatabaseLogHandler)]
    return through(handler, partial(dblog.flush, 30))


def queue_handler(folder: Path) -> Logging:
    records: queue.Queue[Any] = queue.Queue()
    QueueListener(records, logging.FileHandler(folder / "records.txt")).start()

    def settle() -> None:
        while not records.empty():
            time.sleep(0.05)

    return through(QueueHandler(records), settle)


def file_handler(folder: Path) -> Logging:
    return through(logging.FileHandler(folder / "records.txt"))


class SessionHandler(logging.Handler):
    """A handler as many applications have it: it adds a row to a session and commits."""

    def __init__(self, session: Any, close: bool) -> None:
        super().__init__()
        self.make_session = session
        self.close_session = close
        self.row = importlib.import_module("app.dblog.models").LogEntry
        self.now = importlib.import_module("app.database").utcnow
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        session = self.make_session()
        session.add(
            self.row(
                event_id=f"{os.getpid()}-{self.count}",
                created_at=self.now(),
                level=record.levelno,
                logger=record.name,
                message=record.getMessage(),
                trace=logging.Formatter().formatException(record.exc_info) if record.exc_info else None,
                fingerprint=record.name,
            )
        )
        session.commit()
        if self.close_session:
            session.close()


def db_session(folder: Path) -> Logging:
    db = importlib.import_module("app.database").db
    return through(SessionHandler(lambda: db.session, close=False))


def own_session(folder: Path) -> Logging:
    db = importlib.import_module("app.database").db
    orm = importlib.import_module("sqlalchemy.orm")
    return through(SessionHandler(orm.sessionmaker(db.engines["log"]), close=True))


def loguru(folder: Path) -> Logging:
    logger = importlib.import_module("loguru").logger
    logger.remove()
    logger.add(folder / "records.txt", enqueue=True)
    return Logging(logger.error, logger.exception, "x {}", logger.complete)


def sentry(folder: Path) -> Logging:
    """Set up Sentry with its own queue and worker; instead of the network it writes lines to a file."""
    sdk = importlib.import_module("sentry_sdk")
    transport = importlib.import_module("sentry_sdk.transport").Transport
    worker = importlib.import_module("sentry_sdk.worker").BackgroundWorker()
    output = (folder / "records.txt").open("w", buffering=1)

    def capture(_: object, envelope: Any) -> None:
        worker.submit(lambda: print(envelope.get_event()["logentry"], file=output))

    silent = type("FileTransport", (transport,), {"capture_envelope": capture})
    sdk.init(dsn="http://key@127.0.0.1/1", transport=silent)
    return through(logging.NullHandler(), partial(worker.flush, 30))


def opentelemetry(folder: Path) -> Logging:
    """Set up the batch processor with its defaults, and let it export to a file."""
    logs = importlib.import_module("opentelemetry.sdk._logs")
    export = importlib.import_module("opentelemetry.sdk._logs.export")
    provider = logs.LoggerProvider()
    exporter = export.ConsoleLogRecordExporter(out=(folder / "records.txt").open("w"))
    provider.add_log_record_processor(export.BatchLogRecordProcessor(exporter))
    handler = importlib.import_module("opentelemetry.instrumentation.logging.handler").LoggingHandler
    return through(handler(logger_provider=provider), provider.force_flush)


def logstash(folder: Path) -> Logging:
    """Set up python-logstash-async with its queue in SQLite; instead of the network it writes lines to a file."""

    class FileTransport:
        def __init__(self) -> None:
            self.output = (folder / "records.txt").open("ab", buffering=0)

        def send(self, events: list[bytes], use_logging: bool = False) -> None:
            for event in events:
                self.output.write(event)

        def close(self) -> None:
            self.output.close()

    handler = importlib.import_module("logstash_async.handler").AsynchronousLogstashHandler
    async_handler = handler("127.0.0.1", 0, str(folder / "spool.db"), transport=FileTransport())
    return through(async_handler, async_handler.flush)


PEERS: dict[str, Callable[[Path], Logging]] = {
    "dblog": ours,
    "QueueHandler + QueueListener": queue_handler,
    "FileHandler": file_handler,
    "handler on `db.session`": db_session,
    "handler on a session of its own": own_session,
    "loguru, enqueue": loguru,
    "sentry-sdk, no network": sentry,
    "OpenTelemetry, batches": opentelemetry,
    "python-logstash-async": logstash,
}


def fail(depth: int) -> None:
    if depth:
        fail(depth - 1)
    raise ValueError("x")


def nanoseconds(way: Logging, failing: bool, pause: float, count: int) -> list[int]:
    """Return what each of `count` calls, `pause` seconds apart, cost its caller."""
    clock, times = time.perf_counter_ns, []
    for number in range(count):
        if failing:
            try:
                fail(FRAMES - 2)
            except ValueError:
                start = clock()
                way.exception(way.text, number)
                times.append(clock() - start)
        else:
            start = clock()
            way.error(way.text, number)
            times.append(clock() - start)
        if pause:
            time.sleep(pause)
    return times


def flood(way: Logging) -> None:
    """Log numbers until killed, and report each on stdout when its call has returned."""
    number = 0
    while True:
        way.error(way.text, number)
        os.write(1, b".")
        number += 1


def main() -> None:
    name, folder = sys.argv[1:]
    app = importlib.import_module("app").create_app()
    with app.test_request_context("/somewhere"):
        app.preprocess_request()
        way = PEERS[name](Path(folder))
        for line in sys.stdin:
            if line == "flood\n":
                flood(way)
            print(json.dumps(nanoseconds(way, **json.loads(line))), flush=True)
            way.settle()
            print("settled", flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
