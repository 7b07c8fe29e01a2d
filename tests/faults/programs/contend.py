# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Log 2,000 records of 20 problems, in an order of this process's own, while others do the same."""

import logging
import random
import sys

from app import create_app, dblog

app = create_app()
logging.getLogger().handlers = [each for each in logging.getLogger().handlers if each.name == "database"]
order = [(problem, number) for problem in range(20) for number in range(100)]
random.Random(sys.argv[1]).shuffle(order)
print("ready", flush=True)
sys.stdin.readline()
for problem, number in order:
    logging.getLogger(f"problem {problem}").error(f"of problem {problem}: %s", f"{sys.argv[1]}/{number}")
dblog.flush(100)
