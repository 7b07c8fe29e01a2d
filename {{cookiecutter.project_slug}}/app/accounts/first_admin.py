"""A person who reads the terminal of `flask run` can make a new project's first account in the browser."""

import os
import secrets
import threading
from hmac import compare_digest

import click
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app.migration_state import address_of_run, is_first_start_of_run

from .models import User
from .users import AccountError, any_account, create_user

# The reloader starts the application again in another process, which reads the token from the environment.
TOKEN = "FIRST_ADMIN_TOKEN"

_one_at_a_time = threading.Lock()


def announce_first_admin(app: Flask) -> None:
    """Print the token if this is `flask run` in debug and there is no account."""
    if not (app.debug and is_first_start_of_run()):
        return
    with app.app_context():
        try:
            needed = not any_account()
        except SQLAlchemyError:
            return  # there are no tables yet, and a page says what to do
    if needed:
        os.environ[TOKEN] = secrets.token_urlsafe(12)
        login = f"{address_of_run()}/login"
        click.echo(f"There is no account yet. Make the first admin's at {login} with this token: {os.environ[TOKEN]}")


def may_create(app: Flask) -> bool:
    """Return whether a token was printed that has not been used yet."""
    return app.debug and TOKEN in os.environ


def create(token: str, username: str, password: str) -> User:
    """Return the first admin, and forget the token.

    Raises AccountError for a wrong token, for a bad name or password, and if there is an account already.
    """
    with _one_at_a_time:
        if any_account():
            raise AccountError("The first account has been made already.")
        if not compare_digest(token.strip().encode(), os.environ.get(TOKEN, "").encode()):
            raise AccountError("That is not the token that flask run printed in the terminal.")
        user = create_user(username, password, is_admin=True)
        del os.environ[TOKEN]
        return user
