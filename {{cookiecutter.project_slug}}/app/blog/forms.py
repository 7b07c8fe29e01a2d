from uuid import uuid4

from wtforms import HiddenField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, Optional, Regexp

from app.forms import Form


class PostForm(Form):
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


class NewPostForm(PostForm):
    """The form of a new post. Each shown form has an id of its own, so that sending it twice makes one post."""

    form_id = HiddenField(
        default=lambda: uuid4().hex,
        validators=[Optional(), Regexp("^[0-9a-f]{32}$", message="Reload the page and send the form again.")],
        filters=[lambda text: text or None],
    )
