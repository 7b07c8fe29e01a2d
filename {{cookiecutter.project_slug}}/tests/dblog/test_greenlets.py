"""Under gevent each greenlet has a session of its own, as each thread has."""

from ..conftest import Command

GREENLETS = """
import gevent.monkey
gevent.monkey.patch_all()
import gevent
from app import create_app
from app.database import db

app = create_app({"TESTING": True})
sessions = set()

def work(mine, other):
    with app.app_context():
        sessions.add(db.session())
        mine.set()
        other.wait(timeout=10)

first, second = gevent.event.Event(), gevent.event.Event()
gevent.joinall([gevent.spawn(work, first, second), gevent.spawn(work, second, first)])
print(len(sessions), "sessions")
"""


def test_two_greenlets_have_two_sessions(command: Command) -> None:
    ended = command("-c", GREENLETS)
    assert ended.stdout == "2 sessions\n", ended.stderr
