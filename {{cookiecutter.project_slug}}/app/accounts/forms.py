from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, Length

from .users import MAX_NAME, MIN_PASSWORD

# What browsers are told about the field.
USER_NAME = {"autocomplete": "username", "autocapitalize": "none", "autofocus": True}


class LoginForm(FlaskForm):
    username = StringField("User name", [DataRequired("Type your user name.")], render_kw=USER_NAME)
    password = PasswordField(
        "Password", [DataRequired("Type your password.")], render_kw={"autocomplete": "current-password"}
    )


class FirstAdminForm(FlaskForm):
    username = StringField(
        "User name", [DataRequired("Choose a user name."), Length(max=MAX_NAME)], render_kw=USER_NAME
    )
    password = PasswordField(
        "Password",
        [DataRequired("Choose a password.")],
        description=f"At least {MIN_PASSWORD} characters.",
        render_kw={"autocomplete": "new-password", "minlength": MIN_PASSWORD},
    )
