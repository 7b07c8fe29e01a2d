"""README's lines for nginx work in front of gunicorn with the project's own settings.

The lines for Caddy cannot be tried here: Debian's Caddy is older than the option that buffers requests.
"""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import absent, run
from readmes import blocks, chapter
from requests.adapters import HTTPAdapter
from running import Site, Visitor, free_port, serve, wait_until

NAME = "shop.example"
#: A visitor may claim these. If one were believed, pages would name another site or the log another visitor.
FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "99",
    "X-Forwarded-Prefix": "/evil",
    "X-Request-ID": "forged-by-a-visitor",
}
VISITOR = "127.0.0.2"
NGINX = """
daemon off;
error_log {folder}/error.log;
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; {lines} }}
}}
"""


class FromVisitor(HTTPAdapter):
    """An HTTP adapter that connects from an address that is not the proxy's."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, source_address=(VISITOR, 0))


@pytest.fixture
def proxied(project: Path, venv: Path, tmp_path: Path) -> Iterator[Site]:
    """Serve the project behind nginx with README's lines; the application believes all of its headers that it can."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        absent("nginx is not installed: apt-get install nginx-light")
    [lines] = blocks(chapter((project / "README.md").read_text("utf-8"), "Deploy"), "nginx")
    run(venv / "flask", "db", "upgrade", cwd=project)
    run(venv / "flask", "user", "create", "ada", "--password-stdin", cwd=project, typed="correct horse battery staple")
    env = {"PROXY_HOPS": "1", "PROXY_HEADERS": "host,port,prefix", "TRUSTED_HOSTS": f"127.0.0.1,{NAME}"}
    gunicorn = (venv / "gunicorn", "--bind", "127.0.0.1:PORT", "app:create_app()")
    with serve(*gunicorn, cwd=project, env=env) as site:
        port, settings = free_port(), tmp_path / "nginx.conf"
        lines = lines.replace("http://127.0.0.1:8000", site.url)
        settings.write_text(NGINX.format(folder=tmp_path, port=port, lines=lines))
        with subprocess.Popen([nginx, "-c", settings], stderr=subprocess.DEVNULL) as process:
            try:
                behind = Site(f"http://127.0.0.1:{port}", site.output)
                wait_until(behind.answers)
                yield behind
            finally:
                process.terminate()


@pytest.mark.slow
def test_nginx_overwrites_what_visitors_send_and_waits_for_slow_ones(proxied: Site, project: Path, venv: Path) -> None:
    visitor = Visitor(proxied)
    visitor.mount("http://", FromVisitor())
    visitor.headers.update(FORGED | {"Host": NAME})
    away = visitor.get(f"{proxied.url}/account", allow_redirects=False, timeout=60)
    assert "evil" not in away.headers["Location"]
    answer = visitor.submit("/login", username="ada", password="wrong")
    number = answer.headers["X-Request-ID"]
    assert "forged" not in number
    run(venv / "flask", "log", "flush", "--timeout", "60", cwd=project)
    [line] = run(venv / "flask", "log", "list", "--request", number, "--json", cwd=project).stdout.splitlines()
    row = json.loads(line)
    assert (row["ip"], row["path"]) == (VISITOR, "/login")

    # More visitors than gunicorn has threads send a part of a form and then stop.
    with ExitStack() as stack:
        host, _, port = proxied.url.removeprefix("http://").partition(":")
        for _ in range(12):
            slow = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
            slow.sendall(f"POST /login HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 1000\r\n\r\nusername=".encode())
        assert requests.get(f"{proxied.url}/healthz", headers={"Host": NAME}, timeout=30).status_code == 200
