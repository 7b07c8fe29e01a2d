# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Log from four threads, so many records each or until killed; print each record after its call has returned."""

import logging
import os
import sys
import threading
import time
from itertools import count

from app import create_app

app = create_app()
logger = logging.getLogger("storm")
name, *records = sys.argv[1:]


def work(thread: int) -> None:
    for number in range(int(records[0])) if records else count():
        key = f"{name}/{thread}/{number}"
        if number % 7:
            logger.error("%s", key)
        else:
            try:
                raise RuntimeError(key)
            except RuntimeError:
                logger.exception("%s", key)
        os.write(1, f"{key}\n".encode())
        if number % 10 == 0:
            # The threads pause here, so that the database can store all records before the test ends.
            time.sleep(0.05)


logging.getLogger().handlers = [each for each in logging.getLogger().handlers if each.name == "database"]
for thread in range(4):
    threading.Thread(target=work, args=(thread,)).start()
