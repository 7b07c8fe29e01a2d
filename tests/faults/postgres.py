"""Runs a PostgreSQL server that a test can stop and start, and a connection to it that can be cut."""

import contextlib
import getpass
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from running import free_port


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl."""
    found = shutil.which("initdb")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).parent if found else places[-1].parent if places else None


class Server:
    """A server in a folder of its own; since it refuses to run as root, root starts it as the user postgres."""

    def __init__(self, bin: Path) -> None:
        # Only their owner may enter pytest's folders, so the server has another one.
        self.bin, self.folder, self.port = bin, Path(tempfile.mkdtemp()), free_port()
        self.user = "postgres" if getpass.getuser() == "root" else None
        if self.user:
            shutil.chown(self.folder, self.user)
        self.do("initdb", "--auth=trust", "--username=postgres", "--no-sync")
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def do(self, program: str, *words: str) -> None:
        command: list[str | Path] = [self.bin / program, "-D", self.folder / "data", *words]
        subprocess.run(command, user=self.user, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self.do("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self.do("pg_ctl", "-w", "-m", mode, "stop")

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)


class Wire:
    """Passes everything on to a server, until a statement comes by that begins with the text in `cut`."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.cut: bytes | None = None
        self.deliver = False
        self.cuts = 0
        self.threads: list[threading.Thread] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.start(self.accept)

    def start(self, what: Callable[..., None], *arguments: object) -> None:
        self.threads.append(threading.Thread(target=what, args=arguments, daemon=True))
        self.threads[-1].start()

    def accept(self) -> None:
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            self.start(self.serve, client)

    def serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            back = threading.Thread(target=self.pass_on, args=(server, client))
            back.start()
            self.pass_on(client, server, watch=True)
            back.join()

    def pass_on(self, source: socket.socket, target: socket.socket, watch: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if watch and self.cut and self.cut in data:
                    self.cut = None
                    # The client does not get the server's answer any more.
                    source.shutdown(socket.SHUT_RDWR)
                    if self.deliver:
                        target.sendall(data)
                    self.cuts += 1
                    break
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join()
