"""The macros of templates/macros.html take any field, and the links between pages stay on any page."""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from flask import Flask, flash, render_template_string, request
from flask.testing import FlaskClient
from flask_sqlalchemy.pagination import Pagination
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, MultipleFileField
from werkzeug.datastructures import MultiDict
from wtforms import (
    BooleanField,
    DateTimeField,
    Field,
    FieldList,
    Form,
    FormField,
    HiddenField,
    RadioField,
    SelectField,
    SelectFieldBase,
    SelectMultipleField,
    StringField,
    SubmitField,
    TextAreaField,
    fields,
)
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

Choice: Any = fields.SelectChoice  # type: ignore[attr-defined]  # the types are of WTForms 3.2
CHOICES = [Choice("a", "Apple"), Choice("b", "Banana")]


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    app.config["WTF_CSRF_ENABLED"] = False
    with app.test_request_context("/login"):
        yield


def render(form: Form) -> str:
    return render_template_string("{% from 'macros.html' import whole_form %}{{ whole_form(form, 'Go') }}", form=form)


def form_with(**members: object) -> type[FlaskForm]:
    return type("Made", (FlaskForm,), members)


def labels(page: str) -> dict[str, str]:
    """Return each label by the id of its field."""
    found = re.findall(r'<label for="([^"]+)">(.*?)</label>', page, re.DOTALL)
    return {field: " ".join(re.sub("<[^>]+>", "", text).split()) for field, text in found}


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    "field",
    [
        FileField("Picture"),
        MultipleFileField("Pictures"),
        FormField(form_with(picture=FileField("Picture"))),
        FieldList(FileField("Picture"), min_entries=1),
        FieldList(FormField(form_with(picture=FileField("Picture"))), min_entries=1),
    ],
    ids=["one", "many", "in a form", "in a list", "in forms of a list"],
)
def test_a_form_with_a_file_sends_it(field: object) -> None:
    assert '<form method="post" enctype="multipart/form-data">' in render(form_with(upload=field)())


@pytest.mark.usefixtures("context")
def test_a_form_without_a_file_has_no_enctype() -> None:
    assert '<form method="post">' in render(form_with(name=StringField(), choice=SelectField(choices=CHOICES))())


def test_an_uploaded_file_arrives(app: Flask, client: FlaskClient) -> None:
    made = form_with(picture=FileField("Picture"))

    @app.route("/upload", methods=["GET", "POST"])
    def upload() -> str:
        form = made()
        return form["picture"].data.read().decode() if form.validate_on_submit() else render(form)

    app.config["WTF_CSRF_ENABLED"] = False
    assert "multipart" in client.get("/upload").text
    assert client.post("/upload", data={"picture": (BytesIO(b"bytes"), "a.png")}).text == "bytes"


@pytest.mark.usefixtures("context")
def test_a_checkbox_stands_within_its_label() -> None:
    page = render(form_with(agreed=BooleanField("I agree"), name=StringField("Name"))())
    assert labels(page) == {"agreed": "I agree", "name": "Name"}
    assert re.search(r'<label for="agreed"><input [^>]*type="checkbox"[^>]*> I agree</label>', page)


@pytest.mark.usefixtures("context")
def test_a_form_s_own_buttons_take_the_place_of_ours() -> None:
    page = render(form_with(save=SubmitField("Save"), drop=SubmitField("Drop"))())
    assert re.findall(r'<input [^>]*type="submit"[^>]*value="(\w+)"', page) == ["Save", "Drop"]
    assert "<button>" not in page
    assert "<label" not in page
    assert "<button>Go</button>" in render(form_with(name=StringField())())


@pytest.mark.usefixtures("context")
def test_choices_stand_under_a_common_label() -> None:
    members = SelectMultipleField(
        "Both", choices=CHOICES, widget=ListWidget(prefix_label=False), option_widget=CheckboxInput()
    )
    page = render(form_with(one=RadioField("One", choices=CHOICES), both=members)())
    assert re.findall("<legend>(.*?)</legend>", page) == ["Both", "One"]
    assert labels(page) == {"one-0": "Apple", "one-1": "Banana", "both-0": "Apple", "both-1": "Banana"}
    assert page.count('type="radio"') == page.count('type="checkbox"') == 2


class Address(Form):
    street = StringField("Street", [InputRequired("Which street?")])
    hidden = HiddenField("Hidden")


@pytest.mark.usefixtures("context")
def test_fields_within_fields_have_labels_and_mistakes_of_their_own() -> None:
    made = form_with(
        home=FormField(Address, "Home"),
        others=FieldList(FormField(Address, "Other"), "Others", min_entries=2),
        tags=FieldList(StringField("Tag", [Length(max=2, message="Too long.")]), "Tags", min_entries=1),
    )
    form = made(MultiDict({"others-0-street": "High Street", "tags-0": "long"}))
    assert not form.validate()
    page = render(form)
    assert labels(page)["home-street"] == "Street"
    assert re.findall(r'<small id="([^"]+)-note">Which street\?', page) == ["home-street", "others-1-street"]
    assert '<small id="tags-0-note">Too long.</small>' in page
    assert page.count('type="hidden"') == 3
    assert "Hidden" not in page
    assert "[" not in re.sub("<[^>]+>", "", page)


@pytest.mark.usefixtures("context")
def test_a_hidden_field_s_mistake_is_said() -> None:
    form = form_with(number=HiddenField("Number", [InputRequired("Reload the page.")]))(MultiDict())
    form.validate()
    assert '<p class="ui-notice ui-red" role="alert">Reload the page.</p>' in render(form)


@pytest.mark.usefixtures("context")
def test_a_mistake_takes_the_place_of_the_help_and_belongs_to_its_field() -> None:
    made = form_with(text=TextAreaField("Text", [InputRequired("Write one.")], description="Some words."))
    assert '<small id="text-note">Some words.</small>' in (page := render(made()))
    assert 'aria-describedby="text-note"' in page
    form = made(MultiDict())
    form.validate()
    assert '<small id="text-note">Write one.</small>' in (page := render(form))
    assert 'aria-invalid="true"' in page


KINDS = [kind for name in fields.__all__ if isinstance(kind := getattr(fields, name), type) and issubclass(kind, Field)]


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    # The test above tries those that have several fields; the last one is obsolete.
    "kind",
    [kind for kind in KINDS if kind not in (Field, FormField, FieldList, SelectFieldBase, DateTimeField)],
)
def test_every_other_field_is_shown_once_and_has_one_label(kind: Any) -> None:
    options = {"choices": CHOICES} if issubclass(kind, SelectFieldBase) else {}
    page = render(form_with(it=kind("It", **options))())
    members = 2 if kind is RadioField else 1
    assert len(re.findall(r'name="it"', page)) == members
    if issubclass(kind, SubmitField | HiddenField) or kind.__name__ == "ButtonField":
        assert not labels(page)
    else:
        assert len(labels(page)) == members


# Pages of a list


class Numbers(Pagination):
    """A pagination of the numbers up to a hundred."""

    def _query_items(self) -> list[int]:
        return list(range(100))[self._query_offset :][: self.per_page]

    def _query_count(self) -> int:
        return 100


def test_links_to_other_pages_keep_the_address_and_the_query(app: Flask, client: FlaskClient) -> None:
    @app.get("/user/<name>")
    def of_user(name: str) -> str:
        found = Numbers(page=request.args.get("page", 1, type=int), per_page=10)
        return render_template_string("{% from 'macros.html' import page_links %}{{ page_links(found) }}", found=found)

    asked = "q=a%20%26%20b&tag=x&tag=y&page=2&_external=1&_method=POST&name=eve&endpoint=z"
    page = client.get(f"/user/ada b?{asked}").text
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older
    address = older[1].replace("&amp;", "&")
    assert address == ("/user/ada%20b?q=a+%26+b&tag=x&tag=y&page=3&_external=1&_method=POST&name=eve&endpoint=z")
    assert client.get(address).status_code == 200
    assert "Page 2 of 10" in page
    with app.test_client() as below:
        page = below.get("/user/ada", environ_overrides={"SCRIPT_NAME": "/below"}).text
    assert 'href="/below/user/ada?page=2"' in page


# What is flashed


@pytest.mark.parametrize(
    ("category", "look"),
    [
        ("message", '<p class="ui-notice" role="status">Done &amp; said</p>'),
        ("success", '<p class="ui-notice ui-green" role="status">Done &amp; said</p>'),
        ("warning", '<p class="ui-notice ui-amber" role="status">Done &amp; said</p>'),
        ("error", '<p class="ui-notice ui-red" role="alert">Done &amp; said</p>'),
        ("danger", '<p class="ui-notice ui-red" role="alert">Done &amp; said</p>'),
        ("mine", '<p class="ui-notice" role="status">Done &amp; said</p>'),
    ],
)
def test_a_category_is_the_tone_of_the_message(app: Flask, client: FlaskClient, category: str, look: str) -> None:
    @app.get("/say")
    def say() -> str:
        flash("Done & said", category)
        return ""

    client.get("/say")
    assert look in client.get("/").text
    assert "Done" not in client.get("/").text
