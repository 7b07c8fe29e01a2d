"""The net under the check in local_extensions.py: a replayed answer never passed a prompt."""

import json
import sys

sys.exit(json.loads(r""" {{ cookiecutter.project_slug | refusal | tojson }} """) or 0)
