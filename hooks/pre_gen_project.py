"""Check the slug once more: replayed answers never pass the prompt, where local_extensions.py checks it."""

import json
import sys

sys.exit(json.loads(r""" {{ cookiecutter.project_slug | refusal | tojson }} """) or 0)
