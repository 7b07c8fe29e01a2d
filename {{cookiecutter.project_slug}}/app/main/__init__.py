"""The index, what a load balancer asks, error pages, and the demo of a project in debug."""

from . import demo, errors
from .views import bp

__all__ = ["bp", "demo", "errors"]
