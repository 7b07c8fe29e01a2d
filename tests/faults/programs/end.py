# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Log 50 records and end in the way that the argument names."""

import logging
import os
import signal
import sys
import threading

from app import create_app

app = create_app()
logger = logging.getLogger("end")
for number in range(50):
    logger.error("record %s", number)
print("logged", flush=True)
match sys.argv[1]:
    case "sys.exit":
        sys.exit(3)
    case "os._exit":
        os._exit(3)
    case "SIGTERM":
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    case "abort":
        os.abort()
    case "exception":
        raise RuntimeError("nobody caught this")
    case "thread":
        thread = threading.Thread(target=lambda: 1 / 0, name="unlucky")
        thread.start()
        thread.join()
    case "command":

        @app.cli.command("unlucky")
        def unlucky() -> None:
            raise LookupError("in a command")

        app.cli.main(["unlucky"], obj=__import__("flask.cli").cli.ScriptInfo(create_app=lambda: app))
