"""What gunicorn reads by itself. It takes its address from PORT and its workers from WEB_CONCURRENCY."""

import subprocess
import sys
from pathlib import Path


def on_starting(_server: object) -> None:
    """Refuse a wrong configuration once, before any worker can stumble over it.

    In a process of its own: what is imported in this one gevent's workers could not make cooperative any more.
    """
    command = [sys.executable, "-c", "from app.config import load_config; load_config()"]
    checked = subprocess.run(command, cwd=Path(__file__).parent, check=False)
    if checked.returncode:
        sys.exit(checked.returncode)
