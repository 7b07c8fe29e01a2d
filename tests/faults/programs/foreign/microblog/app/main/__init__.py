# mypy: ignore-errors
from flask import Blueprint

bp = Blueprint("main", __name__)

from app.main import routes  # noqa: E402, F401  # as the Mega-Tutorial has it: the routes need bp above
