"""README's lines for nginx and for Caddy work in front of gunicorn with the project's own settings."""

import json
import os
import shutil
import socket
import subprocess
import sys
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


def nginx(lines: str, port: int, folder: Path) -> list[Path | str]:
    """Return the command that runs nginx with README's lines at this port."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        absent("nginx is not installed: apt-get install nginx-light")
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, port=port, lines=lines))
    return [found, "-c", settings]


def caddy(lines: str, port: int, folder: Path) -> list[Path | str]:
    """Return the command that runs Caddy with README's lines at this port, without https."""
    settings = folder / "Caddyfile"
    settings.write_text("{\nadmin off\n}\n" + lines.replace("example.org {", f"http://:{port} {{\nbind 127.0.0.1\n"))
    return [Path(sys.executable).with_name("caddy"), "run", "--config", settings, "--adapter", "caddyfile"]


@pytest.fixture(params=[nginx, caddy])
def proxied(request: pytest.FixtureRequest, project: Path, venv: Path, tmp_path: Path) -> Iterator[Site]:
    """Serve the project behind a proxy with README's lines; the application believes all of its headers that it can."""
    [lines] = blocks(chapter((project / "README.md").read_text("utf-8"), "Deploy"), request.param.__name__)
    run(venv / "flask", "db", "upgrade", cwd=project)
    run(venv / "flask", "user", "create", "ada", "--password-stdin", cwd=project, typed="correct horse battery staple")
    env = {"PROXY_HOPS": "1", "PROXY_HEADERS": "host,port,prefix", "TRUSTED_HOSTS": f"127.0.0.1,{NAME}"}
    gunicorn = (venv / "gunicorn", "--bind", "127.0.0.1:PORT", "app:create_app()")
    with serve(*gunicorn, cwd=project, env=env) as site:
        port = free_port()
        command = request.param(lines.replace("127.0.0.1:8000", site.url.removeprefix("http://")), port, tmp_path)
        home = os.environ | {"XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
        with subprocess.Popen(command, env=home, stderr=subprocess.DEVNULL) as process:
            try:
                behind = Site(f"http://127.0.0.1:{port}", site.output)
                wait_until(behind.answers)
                yield behind
            finally:
                process.terminate()


@pytest.mark.slow
def test_a_proxy_overwrites_what_visitors_send_and_waits_for_slow_ones(
    proxied: Site, project: Path, venv: Path
) -> None:
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

    # More visitors than gunicorn has threads send a part of a form and then stop: gunicorn sees none of them. A smaller
    # part would stay in Caddy even if it did not buffer requests.
    head = f"POST /login HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    start = f"{head}Content-Length: 50000\r\n\r\nusername={'a' * 20_000}"
    with ExitStack() as stack:
        host, _, port = proxied.url.removeprefix("http://").partition(":")
        for _ in range(12):
            slow = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
            slow.sendall(start.encode())
        assert requests.get(f"{proxied.url}/healthz", headers={"Host": NAME}, timeout=60).status_code == 200
    whole = requests.post(f"{proxied.url}/login", {"username": "ada"}, headers={"Host": NAME}, timeout=60)
    assert (whole.status_code, proxied.output.read_text().count("The CSRF token is missing")) == (400, 1)
