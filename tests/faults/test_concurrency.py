"""With forks, threads, signals, finalisers and several servers, nothing hangs, is lost, or is stored twice."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from running import serve

from .conftest import PROGRAMS, Site


@pytest.mark.parametrize("way", ["forks", "threads", "signals", "finalisers"])
def test_from_everywhere(site: Site, way: str) -> None:
    said = int(site.program("many", way).stdout)
    site.flush()
    counts = site.counts()
    assert counts.rows == len(counts.messages) == said
    assert counts.agree()


def test_from_forks_in_a_storm(any_site: Site) -> None:
    """Processes that count one problem agree, up to a batch, on when to stop storing, and count each record once."""
    said = int(any_site.program("many", "forks", LOG_STORM_ROWS="50").stdout)
    any_site.flush(LOG_STORM_ROWS="50")
    counts = any_site.counts()
    assert counts.agree()
    assert counts.problems == said
    assert 50 <= counts.rows == len(counts.messages) < said


def test_an_idle_child_that_outlives_its_parent_keeps_no_lock(site: Site) -> None:
    with site.start("many", "orphan") as parent:
        assert parent.stdout
        said = int(parent.stdout.readline())
        assert parent.wait(timeout=60) < 0
        # The child lives until its standard input ends.
        site.flush()
        assert site.counts().rows == said


@pytest.mark.slow
@pytest.mark.parametrize("worker", ["sync", "gthread", "gevent"])
def test_gunicorn_with_preload(site: Site, worker: str) -> None:
    # With more threads gunicorn turns "sync" into "gthread".
    threads = "1" if worker == "sync" else "4"
    kind = ("--worker-class", worker, "--threads", threads)
    words = ("--preload", "--workers", "2", *kind, "--bind", "127.0.0.1:PORT", "served:app")
    environment = site.environment({"PYTHONPATH": f"{site.folder}:{PROGRAMS}"})
    names = [f"request {number}" for number in range(40)]
    gunicorn = site.python.parent / "gunicorn"
    with serve(gunicorn, *words, cwd=site.folder, env=environment) as running, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: requests.get(f"{running.url}/say/{name}", timeout=30).text, names))
    assert answers == names
    site.flush()
    assert site.counts().messages == dict.fromkeys([*names, "loaded"], 1)


@pytest.mark.slow
def test_no_greenlet_waits_for_the_logs_database(site: Site) -> None:
    """The log's server accepts connections and never answers; yet one worker serves all requests."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tries = threading.Semaphore(0)
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(silent.accept()[0])
                except OSError:
                    return
                tries.release()

        thread = threading.Thread(target=accept)
        thread.start()
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing"
        environment = site.environment({"PYTHONPATH": f"{site.folder}:{PROGRAMS}", "LOG_DATABASE_URL": url})
        words = ("--worker-class", "gevent", "--bind", "127.0.0.1:PORT", "served:app")
        with serve(site.python.parent / "gunicorn", *words, cwd=site.folder, env=environment) as running:
            requests.get(f"{running.url}/say/first", timeout=30)
            for number in range(3):
                while tries.acquire(blocking=False):
                    pass
                assert tries.acquire(timeout=30)
                # Now the writer waits for an answer that does not come, and still waits after the request.
                tried = len(held)
                assert requests.get(f"{running.url}/say/request {number}", timeout=30).text == f"request {number}"
                assert len(held) == tried
        silent.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()
    site.flush()
    assert site.counts().messages.keys() >= {f"request {number}" for number in range(3)}
