"""Functions that make folders and files that, from the first byte on, only the application's own user can read."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

# Windows has no such modes: files in a user's own profile belong to that user alone.
_HAS_MODES = hasattr(os, "geteuid")
#: With this flag a file is not opened through a link, which may lead to a file of another user.
NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
LINK = "it is a link; name the file that it leads to, or link the folder"


def make_folder(folder: Path) -> None:
    """Make a folder (0700) and the missing ones above it; a folder that exists stays as it is. Raises OSError."""
    for missing in reversed([folder, *folder.parents]):
        with suppress(FileExistsError):
            missing.mkdir(mode=0o700)


def make_own_folder(folder: Path) -> None:
    """Make a folder like :func:`make_folder`. Raises OSError, also if :func:`why_not_ours` names a reason."""
    make_folder(folder)
    if why := why_not_ours(folder):
        raise OSError(errno.EACCES, why)


def make_file(path: Path) -> None:
    """Make an empty file (0600), and its folder like :func:`make_folder`; a file that exists stays as it is.

    Raises OSError, also if the path is a link.
    """
    make_folder(path.parent)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return
    if path.is_symlink():
        raise OSError(errno.ELOOP, LINK)


def why_link(path: Path) -> str | None:
    """Return why a file is not opened if its path is a link, else None. Links in the folders above it are allowed."""
    return f"{path}: {LINK}" if path.is_symlink() else None


def others_can_read(path: Path) -> bool:
    """Return whether other users of the host have rights to a file or folder, and to all folders above it."""
    return _HAS_MODES and all(each.stat().st_mode & 0o077 for each in (path, *path.parents))


def why_not_ours(folder: Path) -> str | None:
    """Return why others can put files into a folder, None if they cannot or if the folder does not exist yet."""
    if not _HAS_MODES:
        return None
    try:
        found = folder.lstat()
    except OSError:
        return None
    if stat.S_ISLNK(found.st_mode):
        return f"{folder} is a link; expected the folder itself"
    if not stat.S_ISDIR(found.st_mode):
        return None
    if found.st_uid != os.geteuid():
        return f"{folder} belongs to another user; expected a folder of the user who runs this"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write to {folder}; expected a folder of one user alone (chmod 700)"
    return None
