"""Who may log in: the model, the pages, the commands, and who is acting right now."""

from .access import actor, admin_required, current_user, login_required
from .cli import user_cli
from .first_admin import announce_first_admin
from .names import names
from .views import bp

bp.cli.add_command(user_cli)

__all__ = ["actor", "admin_required", "announce_first_admin", "bp", "current_user", "login_required", "names"]
