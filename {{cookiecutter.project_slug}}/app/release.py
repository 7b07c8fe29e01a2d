"""The commit that is checked out, read from the files in .git, since a server may not have the git command."""

from contextlib import suppress
from pathlib import Path


def find_commit(folder: Path) -> str:
    """Return the commit of the repository that the folder is in; "" if there is none or if it cannot be read."""
    for place in (folder, *folder.parents):
        git = place / ".git"
        if git.exists():
            with suppress(OSError, ValueError):
                return _read_head(git)
            return ""
    return ""


def _read_head(git: Path) -> str:
    if git.is_file():
        # In a worktree or a submodule, .git is a file that says where the folder is.
        git = git.parent / git.read_text("utf-8").removeprefix("gitdir:").strip()
    shared = git
    if (git / "commondir").is_file():
        shared = git / (git / "commondir").read_text("utf-8").strip()
    head = (git / "HEAD").read_text("utf-8").strip()
    if not head.startswith("ref:"):
        return _commit(head)
    name = head.removeprefix("ref:").strip()
    if (shared / name).is_file():
        return _commit((shared / name).read_text("utf-8").strip())
    for line in (shared / "packed-refs").read_text("utf-8").splitlines():
        commit, _, packed = line.partition(" ")
        if packed == name:
            return _commit(commit)
    return ""


def _commit(text: str) -> str:
    """Return the text if it is a commit; raises ValueError otherwise."""
    int(text, 16)
    return text[:64]
