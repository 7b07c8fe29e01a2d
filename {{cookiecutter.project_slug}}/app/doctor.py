"""flask doctor: what a deployment still lacks."""

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from flask import Flask, current_app
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from . import migration_state
from .config import read_config
from .database import db
from .private_files import others_can_read
from .proxies import NO_TRUSTED_HOSTS
from .sqlite import in_memory


def init_app(app: Flask) -> None:
    app.cli.add_command(doctor)


@click.command()
def doctor() -> None:
    """List what a deployment with these settings lacks, one line each; exit with 1 if anything does."""
    # A server reads the configuration without debug, which `.flaskenv` turns on for commands only.
    config, mistakes = read_config({"DEBUG": False})
    lacks = [*mistakes, *lacking_settings(config), *lacking_rights(config), *lacking_revisions()]
    click.echo("\n".join(lacks or ["Nothing is missing."]))
    sys.exit(1 if lacks else 0)


def lacking_settings(config: Mapping[str, Any]) -> Iterator[str]:
    if not config.get("TRUSTED_HOSTS"):
        yield NO_TRUSTED_HOSTS
    if config["SESSION_COOKIE_SECURE"] is False:
        yield "SESSION_COOKIE_SECURE is off, so whoever listens to http gets the session: serve https, and unset it."
    if config["HSTS_SECONDS"] == 0:
        yield "HSTS_SECONDS is 0, so a browser that comes over http is not told to use https from then on: unset it."
    if config["PROXY_HOPS"] == 0 and config["BIND_HOST"] in ("127.0.0.1", "[::1]", "localhost"):
        yield (
            f"PROXY_HOPS is 0 while gunicorn listens on {config['BIND_HOST']}, where only a proxy reaches it: all"
            " visitors would have the proxy's address and come over http, and guesses of passwords for many accounts"
            " would not be refused. Set it to the number of proxies."
        )
    if config["RATELIMIT_ENABLED"] is False:
        yield "RATELIMIT_ENABLED is off, so nobody who guesses passwords is refused: unset it."
    elif config["RATELIMIT_STORAGE_URI"] == "memory://" and (config["WEB_CONCURRENCY"] or 1) > 1:
        yield (
            f"RATELIMIT_STORAGE_URI is memory://, so each of the {config['WEB_CONCURRENCY']} workers counts wrong"
            " passwords for itself: name a store for all, such as redis://127.0.0.1:6379."
        )
    if config["PROXY_HEADERS"] and config["PROXY_HOPS"] == 0:
        yield "PROXY_HEADERS has no effect while PROXY_HOPS is 0: set both, or neither."


def lacking_rights(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each file or folder that others can read.

    The application makes its own files for one user alone, but these may have been there before.
    """
    urls = [make_url(config[name]) for name in ("DATABASE_URL", "LOG_DATABASE_URL") if config[name]]
    files = [url.database for url in urls if url.get_backend_name() == "sqlite" and not in_memory(url)]
    for name in filter(None, (current_app.instance_path, config["LOG_JOURNAL_DIR"], config["LOG_FILE"], *files)):
        path = Path(name)
        if path.exists() and others_can_read(path):
            yield f"{path}: other users of this host have rights to it; run `chmod go= {shlex.quote(name)}`."


def lacking_revisions() -> Iterator[str]:
    for bind in db.engines:
        name = "LOG_DATABASE_URL" if bind else "DATABASE_URL"
        try:
            found = migration_state.state(current_app, bind)
        except SQLAlchemyError:
            yield f"{name}: the database does not answer."
        else:
            if found in migration_state.TODO:
                yield f"{name}: {migration_state.TODO[found]}"
