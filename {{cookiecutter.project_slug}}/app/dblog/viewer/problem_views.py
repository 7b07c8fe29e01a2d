"""The list of problems."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from ..models import OPEN
from . import problems
from .blueprint import bp
from .charts import heights
from .decision_views import read_done
from .queries import reading


@bp.get("/logs/problems")
def show_problems() -> ResponseReturnValue:
    status = request.args.get("status") or OPEN
    with reading() as log:
        listed, older = problems.list_problems(log, status, request.args.get("before"))
        counts = problems.charts(log, listed)
        tally = problems.tally(log)
        done = read_done(log)
    return render_template(
        "dblog/problems.html",
        status=status,
        statuses=(*problems.STATUSES, problems.ALL),
        problems=listed,
        older=older,
        counts=counts,
        charts={number: heights(hours) for number, hours in counts.items()},
        tally=tally,
        cap=problems.COUNT_CAP,
        done=done,
    )
