"""What Django makes of chance for one request: the secret behind its CSRF tokens, its CSP nonce.

Owns where they are found on a request that was answered.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieStore
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.middleware.csrf import CSRF_SESSION_KEY, get_token

from wsrequest.request.discarding import Discarded

__all__ = ["csp_nonce", "csrf_secret", "csrf_token", "held_secrets"]


def csrf_secret(request: HttpRequest) -> str | None:
    """Return the secret that the CSRF tokens of the answer hold; None when no token was made."""
    meta = request.META
    # get_token() sets the second, which stays there when the cookie has been set.
    found = meta.get("CSRF_COOKIE") if "CSRF_COOKIE_NEEDS_UPDATE" in meta else None
    return None if found is None else str(found)


def csrf_token(request: HttpRequest) -> str | None:
    """Return a token, masked as Django does, of the secret that the answer made or used."""
    secret = csrf_secret(request)
    if secret is None:
        return None
    bare = HttpRequest()  # get_token() marks the request, which is done
    bare.META["CSRF_COOKIE"] = secret
    return get_token(bare)


def held_secrets(
    request: WSGIRequest, discarded: Discarded, session_cookie_name: str
) -> Iterable[str]:
    """The values among which a visitor's CSRF secret is, plain or masked, as it was before a run.

    Args:
        request: of the run.
        discarded: by the run, with what its sessions held before.
        session_cookie_name: of the session whose data is in the cookie itself.
    """
    cookies: dict[str, Any] = request.COOKIES
    yield from dict.values(cookies)  # whoever reads them in this way does not count
    sessions = list(discarded.loaded.values())
    if isinstance(getattr(request, "session", None), CookieStore):
        sessions.append(CookieStore(dict.get(cookies, session_cookie_name)).load())
    for data in sessions:
        yield str(data.get(CSRF_SESSION_KEY))


def csp_nonce(request: HttpRequest) -> str | None:
    """Return the nonce that the answer has used; None when nobody asked for it.

    Django's ContentSecurityPolicyMiddleware keeps it under this name, and so does django-csp.
    """
    found = getattr(request, "_csp_nonce", None)
    return str(found) if found else None  # Django's lazy object is false until it was used
