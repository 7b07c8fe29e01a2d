"""From a log call to one line of JSON.

Rule of this room: it runs in the caller's thread and touches memory only. No database, no ORM, no file; nothing in
here raises into the caller.
"""
