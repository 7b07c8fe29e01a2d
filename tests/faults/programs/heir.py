# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Adopt the journals of dead processes, and print as JSON how many records of each this process has shipped.

After it has adopted the first one, and before it ships a record, the process prints the journal's name and waits for a
line.
"""

import json
import sys
from collections import Counter

from app import create_app, dblog
from app.dblog.journal import dead
from app.dblog.store import shipping

shipped = Counter()
held = False
adopt, store_batch = dead.adopt, shipping.store_batch


def adopt_and_wait(*journal):
    global held
    reader = adopt(*journal)
    if reader and not held:
        held = True
        print(reader.name, flush=True)
        sys.stdin.readline()
    return reader


def deliver_and_count(engine, events, *rest):
    store_batch(engine, events, *rest)
    shipped.update(event_id.partition("-")[0] for event_id, _ in events)


dead.adopt, shipping.store_batch = adopt_and_wait, deliver_and_count
app = create_app()
print("ready", flush=True)
sys.stdin.readline()
dblog.flush(200)
print(json.dumps(shipped), flush=True)
