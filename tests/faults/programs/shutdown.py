# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Log wherever code still runs while the interpreter shuts down; print what was logged."""

import atexit
import logging
import os
import threading


def log(name: str) -> None:
    logging.getLogger("shutdown").error("%s", name)
    os.write(1, f"{name}\n".encode())


atexit.register(log, "atexit, registered before the application")

from app import create_app  # noqa: E402  # the exit above has to be registered first

app = create_app()
atexit.register(log, "atexit, registered after the application")


def wait_for_the_end() -> None:
    threading.main_thread().join()
    log("a thread after the main thread")


def chatter() -> None:
    for number in range(100_000):
        logging.getLogger("chatter").error("%s", number)


logging.getLogger().handlers = [each for each in logging.getLogger().handlers if each.name == "database"]
threading.Thread(target=wait_for_the_end).start()
threading.Thread(target=chatter, daemon=True).start()
