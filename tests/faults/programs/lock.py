# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Take the lock of one journal, say whether that worked, and live until the standard input ends."""

import sys
from pathlib import Path

from app.dblog.journal.files import lock_existing

path = Path("instance", "journal.lock")
path.touch()
print("locked" if lock_existing(path) >= 0 else "refused", flush=True)
sys.stdin.read()
