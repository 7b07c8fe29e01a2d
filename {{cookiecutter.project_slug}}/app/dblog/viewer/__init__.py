"""The log as people and programs read it: pages, JSON, exports, commands.

The rule of this room: it only SELECTs, apart from the few statements that store what people decide about problems. It
imports nothing from the store.
"""

from . import browsers, decision_views, problem_page, problem_views, row_page, row_table, views
from .blueprint import bp

__all__ = ["bp", "browsers", "decision_views", "problem_page", "problem_views", "row_page", "row_table", "views"]
