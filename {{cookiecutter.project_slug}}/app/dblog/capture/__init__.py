"""This package makes one line of JSON from a log call.

The rule of this room: it runs in the caller's thread and uses memory only, no database, no ORM and no file; nothing in
here raises into the caller.
"""
