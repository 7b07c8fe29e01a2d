"""Headers that every response gets, and characters that no request may carry."""

from flask import Flask, Response, abort, request

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",  # the style sheet's icons are data: URLs
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def init_app(app: Flask) -> None:
    # A token lasts as long as its session: who writes for hours can still save.
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    app.before_request(refuse_nul)
    app.after_request(add_headers)


def refuse_nul() -> None:
    """PostgreSQL cannot store or compare NUL, and no browser types one: a 400 instead of a 500."""
    if any("\0" in text for text in (request.path, *request.args.values(), *request.form.values())):
        abort(400, "The request contains a NUL character.")


def add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
