"""The index, the answers to a load balancer, the error pages, and in debug the demo."""

from . import demo, errors
from .views import bp

__all__ = ["bp", "demo", "errors"]
