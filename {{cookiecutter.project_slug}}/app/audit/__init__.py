"""The audit trail: who changed what, written in the transaction of the change, so that both are stored or neither.

A model with ``__audit__ = True`` has a trail. A change passes through these modules: :mod:`.recorder` and :mod:`.bulk`
notice what the ORM does, by the :mod:`.options` of the model; :mod:`.snapshot` reads rows before and after;
:mod:`.entries`, :mod:`.values` and :mod:`.origin` make the trail's rows. :mod:`.queries`, :mod:`.views`, :mod:`.cli`
and :mod:`.format` show them, and :mod:`.forget` makes a person's entries anonymous.
"""

from dataclasses import dataclass

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from .. import components
from ..actor import NO_NAMES, Actor, Guard, Names, Related, forbid, nobody, on_forget, on_related
from . import recorder
from .cli import cli
from .forget import forget
from .views import bp, changes_of_request, changes_of_user

# The recorder listens from the import on: models that are used without an application must have their trail, too.
recorder.listen()


@dataclass(frozen=True)
class Audit:
    """What ``app.extensions["audit"]`` holds."""

    db: SQLAlchemy
    actor: Actor
    guard: Guard
    names: Names


def init_app(
    app: Flask, db: SQLAlchemy, *, actor: Actor = nobody, guard: Guard = forbid, names: Names = NO_NAMES
) -> None:
    """Name the acting user in the trail of ``app``, and show the trail.

    :param db: the extension whose session reads the trail
    :param actor: tells who is acting, without a query, see :data:`app.actor.Actor`
    :param guard: tells who may see the trail, see :data:`app.actor.Guard`
    :param names: tells what users are called, see :class:`app.actor.Names`
    """
    app.extensions["audit"] = Audit(db, actor, guard, names)
    on_forget(app, forget)
    on_related(app, Related(changes_of_request, changes_of_user))
    components.init_app(app)
    app.register_blueprint(bp)
    app.cli.add_command(cli)
