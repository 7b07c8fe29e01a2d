from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, Length

from app.forms import Form

from .passwords import MIN_PASSWORD
from .users import MAX_NAME

# These attributes tell browsers how to fill in the field.
USER_NAME = {"autocomplete": "username", "autocapitalize": "none", "autofocus": True}
NEW_PASSWORD = {"autocomplete": "new-password", "minlength": MIN_PASSWORD}
OLD_PASSWORD = {"autocomplete": "current-password"}
NEW_PASSWORD_NOTE = f"At least {MIN_PASSWORD} characters, and not easy to guess."


class LoginForm(Form):
    username = StringField(
        "User name", [DataRequired("Type your user name."), Length(max=MAX_NAME)], render_kw=USER_NAME
    )
    password = PasswordField("Password", [DataRequired("Type your password.")], render_kw=OLD_PASSWORD)


class FirstAdminForm(Form):
    token = StringField(
        "Token",
        [DataRequired("Type the token that flask run printed.")],
        description="In the terminal, where flask run printed it.",
        render_kw={"autocomplete": "off", "autofocus": True},
    )
    username = StringField(
        "User name", [DataRequired("Choose a user name."), Length(max=MAX_NAME)], render_kw=USER_NAME
    )
    password = PasswordField(
        "Password",
        [DataRequired("Choose a password.")],
        description=NEW_PASSWORD_NOTE,
        render_kw=NEW_PASSWORD,
    )


class PasswordForm(Form):
    password = PasswordField("Password", [DataRequired("Type your password.")], render_kw=OLD_PASSWORD)
    new_password = PasswordField(
        "New password",
        [DataRequired("Choose a password.")],
        description=NEW_PASSWORD_NOTE,
        render_kw=NEW_PASSWORD,
    )
