"""The audit trail: who changed what, written in the transaction of the change, so that both stay or neither.

A model with ``__audit__ = True`` has one. Reads top to bottom: marks (what a model asks for), recorder and bulk
(what the ORM does), reading and plain (values), entries and origin (rows), models, queries, then views and commands.
"""

from dataclasses import dataclass

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from ..actor import Actor, Guard, forbid, nobody
from . import recorder
from .cli import cli
from .views import bp

# At the import, since models are used without an application too, and their trail must not depend on one.
recorder.listen()


@dataclass(frozen=True)
class Audit:
    """What ``app.extensions["audit"]`` holds."""

    db: SQLAlchemy
    actor: Actor
    guard: Guard


def init_app(app: Flask, db: SQLAlchemy, *, actor: Actor = nobody, guard: Guard = forbid) -> None:
    """Name the acting user in the trail of ``app``, and show it.

    :param db: whose session reads the trail
    :param actor: tells who is acting, from memory alone, see :data:`app.actor.Actor`
    :param guard: tells who may see the trail, see :data:`app.actor.Guard`
    """
    app.extensions["audit"] = Audit(db, actor, guard)
    app.register_blueprint(bp)
    app.cli.add_command(cli)
