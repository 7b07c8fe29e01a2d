"""From the journals to the tables.

Rule of this room: it runs in the writer's thread (or in a command), over the log's own engine, and it alone inserts,
changes and deletes records. It knows nothing of the pages.
"""
