# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Log each line of standard input, and print it when the call has returned."""

import logging
import sys

from app import create_app

app = create_app()
logging.getLogger().handlers = [each for each in logging.getLogger().handlers if each.name == "database"]
print("ready", flush=True)
for line in sys.stdin:
    logging.getLogger("steady").error("%s", line.strip())
    print(line.strip(), flush=True)
