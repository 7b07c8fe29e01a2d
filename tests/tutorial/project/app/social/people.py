"""Find profiles and their messages; the pages, the API and the commands share these functions."""

import hashlib
import secrets

from flask import abort
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import contains_eager

from app.accounts.models import User
from app.accounts.users import find_user
from app.database import db

from .models import Message, Profile, followers


def profile_of(user: User) -> Profile:
    """Return the profile of an account, which gets one when it is first needed."""
    profile = db.session.scalar(select(Profile).where(Profile.user_id == user.id))
    if profile is None:
        profile = Profile(user_id=user.id)
        db.session.add(profile)
        db.session.commit()
    return profile


def profile_or_404(name: str) -> Profile:
    user = find_user(name)
    if user is None:
        abort(404)
    return profile_of(user)


def messages(text: str = "") -> Select[Message]:
    """Return the query of messages, newest first; with a text, of those that contain it or that this person wrote."""
    query = select(Message).join(Message.profile).join(Profile.user)
    query = query.options(contains_eager(Message.profile).contains_eager(Profile.user)).order_by(Message.id.desc())
    if text:
        query = query.where(or_(Message.text.icontains(text, autoescape=True), User.username == text.lower()))
    return query


def timeline(profile: Profile) -> Select[Message]:
    """Return the query of a person's own messages and those of the people whom they follow."""
    followed = select(followers.c.followed_id).where(followers.c.follower_id == profile.id)
    return messages().where(or_(Profile.id == profile.id, Profile.id.in_(followed)))


def new_token(profile: Profile) -> str:
    """Return a new token for the API; only its hash is kept."""
    token = secrets.token_urlsafe(32)
    profile.token_hash = hash_of(token)
    db.session.commit()
    return token


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def profile_with(token: str) -> Profile | None:
    return db.session.scalar(select(Profile).where(Profile.token_hash == hash_of(token)))
