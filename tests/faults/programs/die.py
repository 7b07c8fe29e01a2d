# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Leave as many journals as the argument says, of 2,000 records each, by killing children that have logged them."""

import logging
import os
import signal
import sys

from app import create_app

app = create_app()
logging.getLogger().handlers = [each for each in logging.getLogger().handlers if each.name == "database"]
for child in range(int(sys.argv[1])):
    if os.fork() == 0:
        for number in range(2_000):
            logging.getLogger(f"problem {number % 20}").error(f"of problem {number % 20}: %s", f"{child}/{number}")
        os.kill(os.getpid(), signal.SIGKILL)
    os.wait()
