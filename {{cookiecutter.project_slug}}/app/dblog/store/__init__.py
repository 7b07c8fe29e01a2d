"""This package brings records from the journals into the tables.

The rule of this room: it runs in the writer's thread (or in a command), over the log's own engine, and it alone
inserts, changes and deletes records. It imports nothing of the pages.
"""
