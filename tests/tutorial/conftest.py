"""The files in `project` run only inside a generated project."""

collect_ignore = ["project"]
