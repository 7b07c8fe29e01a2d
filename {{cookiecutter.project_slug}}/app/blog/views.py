"""The pages on which people read all posts, and write, edit and delete their own."""

# Flask-WTF has no types, and the forms inherit from it.
# mypy: allow-untyped-calls

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from app.accounts import current_user, login_required
from app.database import db

from .forms import NewPostForm, PostForm
from .models import Post

PAGE_SIZE = 20
LAST_PAGE = LAST_ID = 2**31 - 1  # the largest INTEGER of every database

bp = Blueprint("blog", __name__, url_prefix="/posts", template_folder="templates")


@bp.get("")
def index() -> ResponseReturnValue:
    page = min(request.args.get("page", 1, type=int), LAST_PAGE)
    newest_first = select(Post).options(joinedload(Post.author)).order_by(Post.id.desc())
    posts = db.paginate(newest_first, page=page, per_page=PAGE_SIZE)
    return render_template("blog/index.html", posts=posts)


@bp.get("/<int:post_id>")
def detail(post_id: int) -> ResponseReturnValue:
    return render_template("blog/detail.html", post=get_post(post_id))


@bp.route("/new", methods=["GET", "POST"])
@login_required
def create() -> ResponseReturnValue:
    form = NewPostForm()
    if form.validate_on_submit():
        author_id = current_user.id
        post = Post(author_id=author_id)
        form.populate_obj(post)
        db.session.add(post)
        try:
            db.session.commit()
        except IntegrityError:
            # The same form has arrived before.
            db.session.rollback()
            post = db.one_or_404(select(Post).filter_by(author_id=author_id, form_id=form.form_id.data))
        else:
            flash("Your post is published.")
        return redirect(url_for(".detail", post_id=post.id))
    return render_template("blog/form.html", form=form, title="New post")


@bp.route("/<int:post_id>/edit", methods=["GET", "POST"])
@login_required
def edit(post_id: int) -> ResponseReturnValue:
    post = get_own_post(post_id)
    form = PostForm(obj=post)
    if form.validate_on_submit():
        form.populate_obj(post)
        db.session.commit()
        flash("Your changes are saved.")
        return redirect(url_for(".detail", post_id=post.id))
    return render_template("blog/form.html", form=form, title="Edit post")


@bp.post("/<int:post_id>/delete")
@login_required
def delete(post_id: int) -> ResponseReturnValue:
    db.session.delete(get_own_post(post_id))
    db.session.commit()
    flash("Your post is deleted.")
    return redirect(url_for(".index"))


def get_post(post_id: int) -> Post:
    if post_id > LAST_ID:
        abort(404)
    return db.get_or_404(Post, post_id)


def get_own_post(post_id: int) -> Post:
    post = get_post(post_id)
    if post.author_id != current_user.id:
        abort(403)
    return post
