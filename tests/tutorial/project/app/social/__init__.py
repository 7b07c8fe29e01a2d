"""Profiles, followers and messages: what the Flask Mega-Tutorial builds, in one feature."""

from .api import api
from .cli import social_cli
from .views import bp

bp.cli.add_command(social_cli)

__all__ = ["api", "bp"]
