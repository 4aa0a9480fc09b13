"""What Django makes of chance for one request: the secret behind its CSRF tokens, its CSP nonce.

Owns where they are found on a request that was answered.
"""

from django.http import HttpRequest

__all__ = ["csrf_secret", "csp_nonce"]


def csrf_secret(request: HttpRequest) -> str | None:
    """Return the secret that the CSRF tokens of the answer hold; None when no token was made."""
    meta = request.META
    # get_token() sets the second, which stays there when the cookie has been set.
    found = meta.get("CSRF_COOKIE") if "CSRF_COOKIE_NEEDS_UPDATE" in meta else None
    return None if found is None else str(found)


def csp_nonce(request: HttpRequest) -> str | None:
    """Return the nonce that the answer has used; None when nobody asked for it.

    Django's ContentSecurityPolicyMiddleware keeps it under this name, and so does django-csp.
    """
    found = getattr(request, "_csp_nonce", None)
    return str(found) if found else None  # Django's lazy object is false until it was used
