"""flask user: accounts from the command line."""

import sys
from contextlib import nullcontext

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import select

from app.actor import CannotForget, forget_person, names_left_out
from app.database import db
from app.terminal import Column, inert, plain_errors, prepare_terminal, print_table

from . import sessions
from .models import User, normal_name
from .users import AccountError, change_password, create_user, find_user, free_name

LEFT = (
    "What is left: lines in {file} and its rotated copies, backups, what a proxy logs, and texts that name the person"
    " neither by name nor by email address."
)

USER_COLUMNS = (
    Column("ID", is_number=True),
    Column("NAME", may_be_cut=True),
    Column("ROLE"),
    Column("EMAIL", may_be_cut=True),
    Column("CREATED"),
)
NOT_DELETED = "{name} is logged out everywhere, but not deleted yet: run the same command again."

user_cli = AppGroup("user", help="Create, list and change accounts.", callback=prepare_terminal)


@user_cli.command("create")
@click.argument("name")
@click.option("--email", help="Optional; an address can have one account.")
@click.option("--admin", is_flag=True, help="May see the log and the audit trail.")
@click.option("--password-stdin", is_flag=True, help="Read the password's line from stdin.")
def create(name: str, email: str | None, admin: bool, password_stdin: bool) -> None:
    """Create the account NAME; asks for its password."""
    with plain_errors(AccountError):
        free_name(name)
        user = create_user(name, read_password(password_stdin), email, admin)
        click.echo(inert(f"Created {'the admin' if admin else 'the user'} {user.username}."))


@user_cli.command("list")
def list_users() -> None:
    """Show every account with its number, which log and trail use for it."""
    with plain_errors(AccountError):
        users = db.session.scalars(select(User).order_by(User.username))
        print_table(USER_COLUMNS, map(cells, users), empty="There is no account yet.")


def cells(user: User) -> list[object]:
    role = "admin" if user.is_admin else "user"
    return [user.id, user.username, role, user.email, user.created_at.astimezone().date()]


@user_cli.command("password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password's line from stdin.")
def password(name: str, password_stdin: bool) -> None:
    """Set a new password for NAME, which ends the sessions of the old one."""
    with plain_errors(AccountError):
        user = existing(name)
        change_password(user, read_password(password_stdin))
        click.echo(inert(f"Changed the password of {user.username}."))


@user_cli.command("admin")
@click.argument("name")
@click.option("--revoke", is_flag=True, help="Take the role away instead.")
def admin(name: str, revoke: bool) -> None:
    """Make NAME an admin."""
    with plain_errors(AccountError):
        user = existing(name)
        user.is_admin = not revoke
        db.session.commit()
        click.echo(inert(f"{user.username} is {'no longer' if revoke else 'now'} an admin."))


@user_cli.command("delete")
@click.argument("name")
@click.option("--forget", is_flag=True, help="Also make anonymous what log and trail say about this person.")
def delete(name: str, forget: bool) -> None:
    """Delete the account NAME and what belongs to it."""
    with plain_errors(AccountError, CannotForget):
        user = existing(name)
        names = [each for each in (user.username, user.email) if each]
        if forget:
            forget_user(user, names)
        # The deletion's own entry in the trail must not name the person either.
        with names_left_out(names) if forget else nullcontext():
            db.session.delete(user)
            db.session.commit()
        click.echo(inert(f"Deleted {normal_name(name)}."))
        if forget:
            click.echo(LEFT.format(file=current_app.config["LOG_FILE"] or "app.log, if there was one"))


def forget_user(user: User, names: list[str]) -> None:
    """Forget the person before the account is deleted: if a part of it fails, the same command finds the account again.

    Raises :class:`CannotForget`.
    """
    sessions.end_all(user)  # a person who stays logged in makes more records
    try:
        done = forget_person(user.id, names)
    except CannotForget as error:
        raise CannotForget(f"{error} {NOT_DELETED.format(name=names[0])}") from error
    click.echo("\n".join(done))


def existing(name: str) -> User:
    user = find_user(name)
    if user is None:
        raise click.ClickException(f"There is no user {name!r}; `flask user list` shows all.")
    return user


def read_password(from_stdin: bool) -> str:
    # On a database server the earlier queries have begun a transaction. A migration would wait for its end, so it ends
    # before the prompt.
    db.session.rollback()
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return entered
