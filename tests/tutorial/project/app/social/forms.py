from decimal import Decimal

from flask_wtf import FlaskForm
from flask_wtf.file import FileAllowed, FileField
from wtforms import BooleanField, DecimalField, EmailField, PasswordField, SelectField, StringField, SubmitField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # it is newer than its types
from wtforms.validators import DataRequired, Email, EqualTo, Length, NumberRange

from .models import Mood


class RegistrationForm(FlaskForm):
    username = StringField("User name", [DataRequired(), Length(max=64)])
    email = EmailField("Email", [DataRequired(), Email(), Length(max=254)])
    password = PasswordField("Password", [DataRequired()])
    repeated = PasswordField("The same password again", [EqualTo("password", "The passwords differ.")])
    submit = SubmitField("Register")


class ProfileForm(FlaskForm):
    about = StringField("About me", [Length(max=200)])
    language = SelectField("Language", choices=[SelectChoice("en", "English"), SelectChoice("de", "Deutsch")])
    picture = FileField("Picture", [FileAllowed(["png"], "A picture is a PNG file.")])
    quiet = BooleanField("Send me no mail")


class MessageForm(FlaskForm):
    text = StringField("What is going on?", [DataRequired(), Length(max=140)])
    mood = SelectField("Mood", choices=[SelectChoice(mood.name, mood.value) for mood in Mood])
    tip = DecimalField("Tip", [NumberRange(0, 999_999)], default=Decimal(0))


class ForgottenForm(FlaskForm):
    email = EmailField("Email", [DataRequired(), Email()])


class NewPasswordForm(FlaskForm):
    password = PasswordField("New password", [DataRequired()])
