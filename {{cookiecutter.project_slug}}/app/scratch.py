"""Folders that are removed when the process ends: for tests, and for the log of an application with data in memory."""

import atexit
import functools
import os
import shutil
import tempfile


def scratch_folder() -> str:
    """Make a folder that is removed when this process ends; return its path."""
    return tempfile.mkdtemp(dir=scratch_root())


@functools.cache
def scratch_root() -> str:
    folder, owner = tempfile.mkdtemp(prefix="app-"), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # not in a forked child
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder
