"""Whom a request was found to be of, and whether a session still names somebody.

Knows Django's own authentication, and REST framework's by the attribute that both set. Decides
nothing: each message is authenticated by the project's stack.
"""

from importlib import import_module

from django.contrib.auth import get_user
from django.http import HttpRequest
from django.utils.functional import LazyObject

__all__ = ["names_somebody", "seen_user"]


def seen_user(request: HttpRequest) -> tuple[object, bool] | None:
    """Whom the project found a request to be of. Asks no database itself.

    Returns:
        The primary key of the user, and whether a session named it; None for nobody, and where
        no code of the project asked.
    """
    found = request.__dict__
    user = found.get("user")
    by_session = found.get("_cached_user") or found.get("_acached_user")
    if isinstance(user, LazyObject):  # AuthenticationMiddleware's: it became that, if anything
        user = by_session
    key = getattr(user, "pk", None)
    return None if key is None else (key, user is by_session)


def names_somebody(session_engine: str, session_key: str) -> bool:
    """Whether a session is there and its user may still log in. Belongs in a worker thread.

    A session that has ended, a user who is inactive or gone, a password that was changed: no.
    """
    request = HttpRequest()
    request.session = import_module(session_engine).SessionStore(session_key)
    return bool(get_user(request).is_authenticated)
