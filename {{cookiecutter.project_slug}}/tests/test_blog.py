import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.blog.models import Post
from app.database import db

from .conftest import csrf_token, login


@pytest.fixture
def author(client: FlaskClient, user: User) -> User:
    """Return a user who is logged in at `client`."""
    login(client, user)
    return user


@pytest.fixture
def write(app: Flask) -> Callable[..., int]:
    """Return a function that saves a post of another user and returns its id."""

    def save(author: User, title: str = "A title", body: str = "A text") -> int:
        with app.app_context():
            post = Post(title=title, body=body, author_id=author.id)
            db.session.add(post)
            db.session.commit()
            return post.id

    return save


def count_posts(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Post)) or 0


def send(client: FlaskClient, path: str, **fields: str) -> str:
    """Send the form at the path as a browser would, and return the page that follows."""
    token = csrf_token(client.get(path).text)
    return client.post(path, data={"csrf_token": token, **fields}, follow_redirects=True).text


def test_write_read_edit_and_delete(client: FlaskClient, author: User, app: Flask) -> None:
    page = send(client, "/posts/new", title="  On   engines ", body="It weaves\npatterns.")
    assert "<h1>On engines</h1>" in page
    assert "It weaves\npatterns." in page
    assert "ada" in page

    page = send(client, "/posts/1/edit", title="On looms", body="It weaves.")
    assert "<h1>On looms</h1>" in page
    assert "On looms" in client.get("/posts").text

    token = csrf_token(client.get("/posts/1").text)
    client.post("/posts/1/delete", data={"csrf_token": token})
    assert client.get("/posts/1").status_code == 404
    assert count_posts(app) == 0


def test_everybody_reads(client: FlaskClient, user: User, write: Callable[..., int]) -> None:
    post = write(user, "On engines")
    assert "On engines" in client.get("/posts").text
    page = client.get(f"/posts/{post}").text
    assert "On engines" in page
    assert "Edit" not in page


def test_who_wants_to_write_logs_in_first(client: FlaskClient) -> None:
    assert client.get("/posts/new").location == "/login?next=/posts/new"
    assert client.get("/posts/1/edit").location == "/login?next=/posts/1/edit"


@pytest.mark.parametrize("path", ["/posts/{}/edit", "/posts/{}/delete"])
def test_the_posts_of_others_stay_as_they_are(
    client: FlaskClient, author: User, admin: User, write: Callable[..., int], app: Flask, path: str
) -> None:
    post = write(admin, "Not yours")
    token = csrf_token(client.get("/posts/new").text)
    fields = {"csrf_token": token, "title": "Mine", "body": "Mine"}
    assert client.post(path.format(post), data=fields).status_code == 403
    page = client.get(f"/posts/{post}").text
    assert "Not yours" in page
    assert "Delete" not in page


def test_a_delete_is_no_link(client: FlaskClient, author: User, write: Callable[..., int]) -> None:
    post = write(author)
    assert client.get(f"/posts/{post}/delete").status_code == 405
    assert client.get(f"/posts/{post}").status_code == 200


@pytest.mark.parametrize(
    ("title", "body", "sentence"),
    [
        ("", "text", "A post needs a title."),
        ("   ", "text", "A post needs a title."),
        ("title", "", "A post needs a text."),
        ("x" * 201, "text", "Field cannot be longer than 200 characters."),
        ("title", "x" * 16_001, "Field cannot be longer than 16000 characters."),
    ],
    ids=["no title", "blank title", "no text", "long title", "long text"],
)
def test_a_mistake_is_named_and_nothing_typed_is_lost(
    client: FlaskClient, author: User, app: Flask, title: str, body: str, sentence: str
) -> None:
    page = send(client, "/posts/new", title=title, body=body)
    assert sentence in page
    assert 'aria-invalid="true"' in page
    assert body in page
    assert count_posts(app) == 0


def test_the_longest_post_in_the_widest_letters_is_stored(client: FlaskClient, author: User, app: Flask) -> None:
    send(client, "/posts/new", title="\U0001f9f5" * 200, body="\U0001f9f6" * 16_000)
    with app.app_context():
        post = db.session.get_one(Post, 1)
        assert post.title == "\U0001f9f5" * 200
        assert post.body == "\U0001f9f6" * 16_000


def test_what_is_written_is_text_and_never_markup(client: FlaskClient, author: User, write: Callable[..., int]) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}\"'"
    post = write(author, hostile, hostile)
    for path in ("/posts", f"/posts/{post}", f"/posts/{post}/edit"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "{{ 7 * 7 }}" in page


def test_the_list_comes_in_pages_newest_first(client: FlaskClient, user: User, write: Callable[..., int]) -> None:
    for number in range(1, 42):
        write(user, f"Post number {number}.")
    first, second, third = (client.get(f"/posts?page={page}").text for page in (1, 2, 3))
    assert first.index("Post number 41.") < first.index("Post number 22.")
    assert "Post number 21." in second
    assert "Post number 1." in third
    assert "Page 2 of 3" in second
    assert 'rel="next"' not in third
    assert 'rel="prev"' not in first


@pytest.mark.parametrize("page", ["0", "-1", "2", "9" * 30])
def test_there_is_no_page_beyond_the_last(client: FlaskClient, page: str) -> None:
    assert client.get(f"/posts?page={page}").status_code == 404


@pytest.mark.parametrize("post_id", ["1", "2147483647", "2147483648", "9" * 30])
def test_a_post_that_is_not_there_is_a_404(client: FlaskClient, post_id: str) -> None:
    assert client.get(f"/posts/{post_id}").status_code == 404


def test_posts_go_with_their_author(client: FlaskClient, user: User, write: Callable[..., int], app: Flask) -> None:
    write(user)
    with app.app_context():
        db.session.delete(db.session.get_one(User, user.id))
        db.session.commit()
    assert count_posts(app) == 0


def test_the_models_need_no_flask(app: Flask, user: User) -> None:
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        session.add(Post(title="Outside", body="of Flask", author=session.get_one(User, user.id)))
        session.commit()
        found = session.scalars(select(Post)).one()
        assert found.author.username == "ada"
        assert repr(found) == f"<Post {found.id}>"


def test_the_index_leads_to_the_posts(client: FlaskClient, app: Flask) -> None:
    assert 'href="/posts"' in client.get("/").text
    app.debug = True
    assert 'href="/posts/new"' in client.get("/").text


def test_a_form_that_is_sent_twice_makes_one_post(client: FlaskClient, author: User, app: Flask) -> None:
    page = client.get("/posts/new").text
    [form_id] = re.findall(r'name="form_id"[^>]*value="([0-9a-f]{32})"', page)
    fields = {"csrf_token": csrf_token(page), "form_id": form_id, "title": "Once", "body": "A text."}
    first, second = (client.post("/posts/new", data=fields) for _ in range(2))
    assert first.location == second.location == "/posts/1"
    assert count_posts(app) == 1
    client.post("/posts/new", data=fields | {"form_id": "0" * 32})
    assert count_posts(app) == 2


def test_two_forms_at_once_make_one_post(client: FlaskClient, author: User, app: Flask) -> None:
    page = client.get("/posts/new").text
    [form_id] = re.findall(r'name="form_id"[^>]*value="([0-9a-f]{32})"', page)
    fields = {"csrf_token": csrf_token(page), "form_id": form_id, "title": "Once", "body": "A text."}
    name = app.config["SESSION_COOKIE_NAME"]
    cookie = client.get_cookie(name)
    assert cookie
    together = threading.Barrier(4)

    def send_it(_: int) -> str:
        own = app.test_client()
        own.set_cookie(name, cookie.value)
        together.wait(timeout=60)
        return own.post("/posts/new", data=fields).location

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(send_it, range(4))) == {"/posts/1"}
    assert count_posts(app) == 1


def test_a_form_whose_id_was_made_up_is_named_as_a_mistake(client: FlaskClient, author: User, app: Flask) -> None:
    assert "send the form again" in send(client, "/posts/new", title="A", body="B", form_id="x" * 33)
    assert count_posts(app) == 0


def test_the_id_of_a_deleted_post_is_not_given_again(user: User, write: Callable[..., int], app: Flask) -> None:
    first = write(user)
    with app.app_context():
        db.session.delete(db.session.get_one(Post, first))
        db.session.commit()
    assert write(user) > first
