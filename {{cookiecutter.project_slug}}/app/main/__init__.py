"""The index, the questions of a load balancer, error pages, and in debug the demo."""

from . import demo, errors
from .views import bp

__all__ = ["bp", "demo", "errors"]
