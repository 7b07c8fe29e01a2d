# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Write 3,000 lines of 200 characters to the rotating file, which holds 1 MB."""

import logging
import sys

from app import create_app

create_app()
logging.getLogger().handlers = [each for each in logging.getLogger().handlers if each.name == "file"]
print("ready", flush=True)
sys.stdin.readline()
for number in range(3_000):
    logging.getLogger("rotate").warning("%s/%s %s", sys.argv[1], number, "x" * 200)
