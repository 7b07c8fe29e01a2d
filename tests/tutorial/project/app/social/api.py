"""The same features for programs: they get JSON, and use a token instead of a session."""

from flask import Blueprint, Request, abort, request
from flask.typing import ResponseReturnValue

from app.accounts import current_user, login_required
from app.accounts.models import User
from app.database import db
from app.extensions import csrf, login_manager
from app.negotiation import answer_in_json

from .models import Message
from .people import messages, profile_of, profile_with

api = Blueprint("api", __name__, url_prefix="/api")
csrf.exempt(api)
answer_in_json(api)


def user_of(sent: Request) -> User | None:
    """Return the user whose token the request carries; the log knows the user by it, too."""
    kind, _, token = sent.headers.get("Authorization", "").partition(" ")
    profile = profile_with(token) if kind == "Bearer" and token else None
    return profile.user if profile else None


login_manager.request_loader(user_of)


@api.get("/messages")
def list_messages() -> ResponseReturnValue:
    page = db.paginate(messages(request.args.get("q", "")), per_page=20)
    return {"messages": [as_json(message) for message in page], "pages": page.pages}


@api.post("/messages")
@login_required
def create_message() -> ResponseReturnValue:
    text = (request.get_json().get("text") or "").strip()
    if not 1 <= len(text) <= 140:
        abort(400, "A message has 1 to 140 characters.")
    message = Message(profile_id=profile_of(current_user).id, text=text)
    db.session.add(message)
    db.session.commit()
    return as_json(message), 201


@api.get("/broken")
@login_required
def broken() -> ResponseReturnValue:
    raise RuntimeError("the API is broken")


def as_json(message: Message) -> dict[str, object]:
    author = message.profile.user.username
    return {"id": message.id, "text": message.text, "author": author, "created_at": message.created_at.isoformat()}
