# Read by the `flask` command alone: a server such as gunicorn is never in debug by accident.
FLASK_DEBUG=1
