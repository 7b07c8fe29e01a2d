"""The base class of all forms."""

# Flask-WTF has no types.
# mypy: allow-untyped-calls

from typing import Any

from flask import abort, request
from flask_wtf import FlaskForm

from .engines import is_storable


class Form(FlaskForm):
    """A form of Flask-WTF. Such a form takes JSON as well; this one takes only JSON that a browser could have sent."""

    class Meta(FlaskForm.Meta):
        def wrap_formdata(self, form: Any, formdata: Any) -> Any:
            if formdata is not None and request and request.is_json:
                refuse_unless_texts(request.get_json())
            return super().wrap_formdata(form, formdata)


def refuse_unless_texts(sent: object) -> None:
    fields = sent if isinstance(sent, dict) else {"": None}
    if not all(isinstance(text, str) and is_storable(text) for field in fields.items() for text in field):
        abort(400, "A form that is sent as JSON is an object whose values are texts.")
