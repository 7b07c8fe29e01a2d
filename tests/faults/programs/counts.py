# mypy: ignore-errors
# It runs in the environment of the generated project.
"""Print the log's content as JSON; see conftest.Counts."""

import json
from collections import Counter

from app import create_app
from app.database import db
from app.dblog.models import LogEntry, LogHour, LogProblem, LogProblemHour
from sqlalchemy import func, select

with create_app().app_context(), db.engines["log"].connect() as log:
    print(
        json.dumps(
            {
                "messages": Counter(log.scalars(select(LogEntry.message))),
                "problems": int(log.scalar(select(func.sum(LogProblem.count))) or 0),
                "hours": int(log.scalar(select(func.sum(LogHour.count))) or 0),
                "problem_hours": int(log.scalar(select(func.sum(LogProblemHour.count))) or 0),
                "without_row": int(log.scalar(select(func.sum(LogHour.without_row))) or 0),
            }
        )
    )
