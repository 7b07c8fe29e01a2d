"""The application. Start reading here: create_app wires everything together, from top to bottom."""

from collections.abc import Mapping

from flask import Flask

from . import (
    accounts,
    audit,
    components,
    database,
    dblog,
    doctor,
    extensions,
    logging_config,
    main,
    migration_state,
    proxies,
    request_id,
    security,
    shell,
    static_files,
)
from .config import INSTANCE, PROJECT, load_config


def create_app(config: Mapping[str, object] | None = None) -> Flask:
    """Return an application ready to serve.

    Keys of `config` that are environment variables override them; other keys, such as TESTING,
    go into `app.config`. With TESTING, a database that `config` does not name is a new, empty
    one. If the configuration is wrong, the process ends with one message.
    """
    app = Flask(__name__, instance_path=str(INSTANCE))
    app.config.update(load_config(config))

    logging_config.init_app(app)
    proxies.init_app(app)
    request_id.init_app(app)
    security.init_app(app)
    database.init_app(app)
    components.init_app(app)
    static_files.init_app(app)
    extensions.init_app(app)
    dblog.init_app(app, root=PROJECT, actor=accounts.actor, guard=accounts.admin_required, names=accounts.names)
    audit.init_app(app, database.db, actor=accounts.actor, guard=accounts.admin_required, names=accounts.names)

    app.register_blueprint(main.bp)
    app.register_blueprint(accounts.bp)
    # example
    from . import blog

    app.register_blueprint(blog.bp)
    # end example

    shell.init_app(app)
    migration_state.init_app(app)
    accounts.announce_first_admin(app)
    doctor.init_app(app)
    return app
