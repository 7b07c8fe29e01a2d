"""Folders that end with the process: for tests, and for the log of an application whose data is in memory."""

import atexit
import functools
import os
import shutil
import tempfile


def scratch_folder() -> str:
    """Make a folder that is removed when this process ends; returns its path."""
    return tempfile.mkdtemp(dir=scratch_root())


@functools.cache
def scratch_root() -> str:
    folder, owner = tempfile.mkdtemp(prefix="app-"), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # not in a forked child
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder
