"""Read the random values that Django made for one request: its CSRF secret and its CSP nonce."""

from collections.abc import Iterable
from typing import Any

from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieStore
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.middleware.csrf import CSRF_SESSION_KEY, get_token

from wsrequest.request.discarding import Discarded

__all__ = ["csp_nonce", "csrf_secret", "csrf_token", "held_secrets", "keep_nonce"]

_KEPT_NONCE = "_wsrequest_nonce"


def csrf_secret(request: HttpRequest) -> str | None:
    """Return the secret behind the CSRF tokens of the response, or None if no token was made."""
    meta = request.META
    # get_token() sets the second key, which stays when the cookie has been set.
    secret = meta.get("CSRF_COOKIE") if "CSRF_COOKIE_NEEDS_UPDATE" in meta else None
    return None if secret is None else str(secret)


def csrf_token(request: HttpRequest) -> str | None:
    """Return a token, masked as in Django, of the secret that the response made or used."""
    secret = csrf_secret(request)
    if secret is None:
        return None
    bare = HttpRequest()  # get_token() would mark the finished request
    bare.META["CSRF_COOKIE"] = secret
    return get_token(bare)


def held_secrets(
    request: WSGIRequest, discarded: Discarded, session_cookie_name: str
) -> Iterable[str]:
    """Yield values that include the CSRF secret before a run, plain or masked.

    Args:
        request: of the run.
        discarded: by the run, with what its sessions held before.
        session_cookie_name: of the cookie that may hold the session's data itself.
    """
    cookies: dict[str, Any] = request.COOKIES
    yield from dict.values(cookies)  # bypasses the tracking of cookies that are read
    sessions = list(discarded.loaded.values())
    if isinstance(getattr(request, "session", None), CookieStore):
        sessions.append(CookieStore(dict.get(cookies, session_cookie_name)).load())
    for data in sessions:
        yield str(data.get(CSRF_SESSION_KEY))


def keep_nonce(request: HttpRequest, nonce: str) -> None:
    """Remember the nonce of the page's scripts, which the project may have made itself.

    Args:
        request: that the page answers.
        nonce: as the template has it. It replaces one that was kept before.
    """
    setattr(request, _KEPT_NONCE, nonce)


def csp_nonce(request: HttpRequest) -> str | None:
    """Return the nonce that the response used, or None if no code used it.

    Django's ContentSecurityPolicyMiddleware keeps it under this name, and so does django-csp. One
    of the project's own is known if our template tag has rendered it.
    """
    nonce = getattr(request, "_csp_nonce", None) or getattr(request, _KEPT_NONCE, None)
    return str(nonce) if nonce else None  # Django's lazy object is false until it is used
