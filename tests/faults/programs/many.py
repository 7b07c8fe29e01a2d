# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Log in the way that the argument names; print the number of records."""

import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from itertools import count

from app import create_app, dblog

app = create_app()
logger = logging.getLogger("many")
handlers = logging.getLogger().handlers
handlers[:] = [each for each in handlers if each.name == "database"]


def log(name: object, times: int) -> None:
    for number in range(times):
        logger.error("%s/%s", name, number)


def forks() -> int:
    """Log from children of a process whose writer is at work."""
    log("parent", 100)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=log, args=(f"child {number}", 100)) for number in range(8)]
    for child in children:
        child.start()
    log("parent again", 100)
    for child in children:
        child.join()
    return 1_000


def threads() -> int:
    """Log from hundreds of threads."""
    crowd = [threading.Thread(target=log, args=(number, 20)) for number in range(300)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return 6_000


def signals() -> int:
    """Log from a signal's handler that interrupts the thread that logs."""
    heard: list[int] = []
    numbers = count()

    def handle(*_: object) -> None:
        # One signal may interrupt the handler of another, so this takes a single step.
        logger.error("signal/%s", next(numbers))
        heard.append(1)

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
    said = 0
    while len(heard) < 300:
        logger.error("main/%s", said)
        said += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    return said + len(heard)


def finalisers() -> int:
    """Log from __del__, wherever the garbage collector runs."""

    died: list[int] = []

    class Logs:
        def __init__(self, number: int) -> None:
            self.me = self
            self.number = number

        def __del__(self) -> None:
            logger.error("died/%s", self.number)
            died.append(self.number)

    gc.set_threshold(20)
    for number in range(500):
        Logs(number)
        logger.error("main/%s", number)
    gc.collect()
    while len(died) < 500:
        # Some objects are collected in the writer's thread.
        time.sleep(0.01)
    return 1_000


def orphan() -> int:
    """Leave an idle child that outlives its parent and holds none of the parent's locks."""
    log("parent", 50)
    if os.fork() == 0:
        os.read(0, 1)
        os._exit(0)
    print(50, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


print({each.__name__: each for each in (forks, threads, signals, finalisers, orphan)}[sys.argv[1]](), flush=True)
dblog.flush(60)
