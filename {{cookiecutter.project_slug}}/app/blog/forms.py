from flask_wtf import FlaskForm
from wtforms import StringField, TextAreaField
from wtforms.validators import DataRequired, Length


class PostForm(FlaskForm):
    title = StringField(
        "Title",
        [DataRequired("A post needs a title."), Length(max=200)],
        filters=[lambda text: " ".join((text or "").split())],
    )
    body = TextAreaField(
        "Text",
        [DataRequired("A post needs a text."), Length(max=16_000)],  # MySQL's TEXT: 65,535 bytes
        render_kw={"rows": 12},
    )
