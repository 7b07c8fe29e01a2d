"""What is in `project` is run inside of a project."""

collect_ignore = ["project"]
