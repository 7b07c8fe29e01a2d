"""gunicorn's settings. It reads this file by itself; options on its command line take precedence."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# An empty package takes the place of `app`, whose own __init__.py would import the whole application.
READ_SETTINGS = """
import json, sys, types
sys.modules["app"] = package = types.ModuleType("app")
package.__path__ = ["app"]
from app.config import load_config
config = load_config()
has_names = bool(config.get("TRUSTED_HOSTS") or config.get("DEBUG"))
print(json.dumps([config["BIND_HOST"], config["PORT"], config["WEB_CONCURRENCY"], has_names]))
"""


def checked_settings() -> tuple[str, int, int, bool]:
    """Return address, port, number of workers, and whether TRUSTED_HOSTS names the site or debug is on.

    If anything in the configuration is wrong, gunicorn ends with one message.

    Another process reads the settings: gevent's workers cannot make modules cooperative that this process has imported.
    """
    command = [sys.executable, "-c", READ_SETTINGS]
    ended = subprocess.run(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        sys.exit(ended.returncode)
    host, port, workers, has_names = json.loads(ended.stdout)
    return host, port, workers, has_names


host, port, workers, has_names = checked_settings()
bind = f"{host}:{port}"
# While one connection is slow or idle, the worker's other threads serve the others.
worker_class = "gthread"
threads = 4
# Only app/proxies.py decides which headers of a proxy are believed. By default gunicorn believes every program on this
# machine, even a proxy that passes on the visitor's own headers.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""


def when_ready(server: Any) -> None:
    if not has_names:
        server.log.warning("TRUSTED_HOSTS is empty, so this site answers under any name: see `flask doctor`.")
