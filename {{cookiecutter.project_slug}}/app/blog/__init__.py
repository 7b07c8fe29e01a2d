"""The example: people write posts. Delete this folder and its lines in create_app to drop it."""

from .views import bp

__all__ = ["bp"]
