# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Prints every route: its rule, its methods and the names of its arguments."""

import json

from app import create_app

print(
    json.dumps(
        [
            {"rule": rule.rule, "methods": sorted(rule.methods or ()), "arguments": sorted(rule.arguments)}
            for rule in create_app().url_map.iter_rules()
        ]
    )
)
