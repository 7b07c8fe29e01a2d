"""Runs a generated project as a site, and visits it with cookies."""

import html
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Ask again and again until the answer is true; fail the test if that takes longer."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"still not so after {seconds} s"
        time.sleep(0.05)


@dataclass
class Site:
    url: str
    output: Path

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=10).ok
        except requests.RequestException:
            return False

    def first_admin_token(self) -> str:
        """Return the token that `flask run` prints while there is no account."""
        found = re.search(r"/login with this token: (\S+)", self.output.read_text())
        assert found, self.output.read_text()
        return found[1]


@contextmanager
def serve(
    *command: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    seconds: float = 60,
    answers: str = "",
    prefix: str = "",
) -> Iterator[Site]:
    """Run a server until the block ends. "PORT" in the command and FLASK_RUN_PORT are a free port.

    `answers` goes to the command's prompts; `prefix` is the sub-path below which the site is.
    """
    port = free_port()
    site = Site(f"http://127.0.0.1:{port}{prefix}", cwd.parent / f"output-{port}.txt")
    words = [str(word).replace("PORT", str(port)) for word in command]
    # Visitors come over plain http, over which a server outside debug has no sessions by default.
    environment = os.environ | {"FLASK_RUN_PORT": str(port), "SESSION_COOKIE_SECURE": "0", **(env or {})}
    with (
        site.output.open("wb") as output,
        subprocess.Popen(
            words, cwd=cwd, env=environment, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
        ) as process,
    ):
        assert process.stdin
        process.stdin.write(answers.encode())
        process.stdin.close()
        try:
            wait_until(lambda: site.answers() or process.poll() is not None, seconds)
            assert process.poll() is None, site.output.read_text()
            yield site
        finally:
            stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask the server to end until it does: a gunicorn worker that is still starting loses the first signal."""
    for _ in range(10):
        if process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=3)
    # Otherwise the block's end would wait for the process for ever.
    os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError("the server did not end")


class Visitor(requests.Session):
    """A visitor who sends forms with their hidden fields."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site

    def see(self, path: str, **headers: str) -> requests.Response:
        return self.get(self.site.url + path, headers=headers, timeout=60)

    def submit(self, page: str, to: str = "", **fields: str) -> requests.Response:
        """Send the form of a page, to the page itself or to another address."""
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.see(page).text)
        assert token, f"{page} has no form"
        form = {"csrf_token": html.unescape(token[1]), **fields}
        return self.post(self.site.url + (to or page), data=form, timeout=60)
