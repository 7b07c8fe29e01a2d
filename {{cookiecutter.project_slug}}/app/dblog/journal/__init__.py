"""The crash-safe files between the log call and the database; their format is docs/journal.md.

Rule of this room: files only. No database, no thread, no Flask.
"""
