"""What gunicorn reads by itself; what is given on its command line goes first."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# An empty package stands in for `app`, whose own __init__.py would import the whole application for this.
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
    """Return address, port, number of workers, and whether the site knows its names.

    It ends with one message if anything in the configuration is wrong.

    The settings are read in a process of its own: what is imported in this one gevent's workers could not make
    cooperative any more.
    """
    command = [sys.executable, "-c", READ_SETTINGS]
    ended = subprocess.run(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        sys.exit(ended.returncode)
    host, port, workers, has_names = json.loads(ended.stdout)
    return host, port, workers, has_names


host, port, workers, has_names = checked_settings()
bind = f"{host}:{port}"
# While one connection is slow or idle, a worker's other threads serve.
worker_class = "gthread"
threads = 4
# What a proxy may say is for app/proxies.py alone to believe. By itself gunicorn believes every neighbour on this
# machine, which a proxy that passes on the visitor's own headers is, too.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""


def when_ready(server: Any) -> None:
    if not has_names:
        server.log.warning("TRUSTED_HOSTS is empty, so this site answers under any name: see `flask doctor`.")
