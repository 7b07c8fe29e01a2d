"""The crash-safe files between the log call and the database; their format is docs/journal.md.

The rule of this room: it uses files only, no database, no thread and no Flask.
"""
