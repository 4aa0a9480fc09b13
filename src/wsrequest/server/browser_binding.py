"""Bind tickets to one browser by a cookie (PROTOCOL.md 6.3).

A page's scripts see each ticket, and any program can send an Origin. Neither can have an HttpOnly
cookie of the browser, so a ticket is redeemed only together with that cookie. This module decides
on its name, who gets one, and whether it can be expected to come back.
"""

import re
import secrets
import string
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from wsrequest.request.environ import Base

__all__ = ["accept_headers", "recognize", "set_cookie_line"]

# Over TLS, a browser that knows the prefix lets no script set such a cookie (RFC 6265bis).
# Otherwise, an attacker could plant a cookie by script and redeem tickets elsewhere with it.
_TLS, _PLAIN = "__Http-wsrequest_", "wsrequest_browser_"
_VALUE = re.compile(r"[A-Za-z0-9_-]{32}\Z")
# Two tabs that open at once in a new browser get one each, and keep both. More are not ours.
_MOST = 8


def recognize(base: Base) -> None:
    """Note on a handshake or request which browser it is from, and remove its binding cookies.

    They are set for the path of the socket, so over HTTP views do not see them either.

    Args:
        base: checked by ``check_handshake``.
    """
    if _PLAIN not in base.cookie and _TLS not in base.cookie:
        return
    prefix, kept, digests = _TLS if base.is_secure else _PLAIN, [], []
    for pair in base.cookie.split(";"):
        name, _, value = pair.strip().partition("=")
        if not name.startswith((_TLS, _PLAIN)):
            kept.append(pair)
        elif name.startswith(prefix) and _VALUE.match(value):
            digests.append(_digest(name, value))
    base.cookie = ";".join(kept).strip()
    base.browser = tuple(sorted(digests)) if len(digests) <= _MOST else ()


def accept_headers(
    base: Base, path: str, scope: dict[str, Any], send: object
) -> list[tuple[bytes, bytes]]:
    """Return the headers of an accepted handshake, and note on it whether it can have tickets.

    Args:
        base: after ``recognize``.
        path: of the socket below the script name.
        scope: of the handshake.
        send: the ASGI callable, as the server passed it.
    """
    if base.origin is None or base.browser:
        return []
    passes = _passes_headers(scope, send)
    if not base.is_same_site:
        base.tickets = "no"  # this time. A later handshake has the cookie, if it comes back.
    elif not passes:
        base.tickets = "bind"
    if not passes:
        return []
    line, digest = set_cookie_line(base, path)
    if base.is_same_site:
        base.browser = (digest,)
    return [(b"set-cookie", line.encode("latin1"))]


def set_cookie_line(base: Base, path: str) -> tuple[str, str]:
    """Make a cookie for a browser without one.

    Returns:
        The value of its Set-Cookie header, and the future value of ``Base.browser``.
    """
    name = (_TLS if base.is_secure else _PLAIN) + secrets.token_hex(4)
    value = secrets.token_urlsafe(24)
    script_name = str(base.environ["SCRIPT_NAME"]).encode("latin1")
    where = quote(script_name, safe=string.punctuation.replace(";", "")) + path
    secure = "; Secure" if base.is_secure else ""
    line = f"{name}={value}; Path={where}; HttpOnly; SameSite=Strict{secure}"
    return line, _digest(name, value)


def _digest(name: str, value: str) -> str:
    # The digest that is stored with a ticket does not reveal the cookie.
    return sha256(f"{name}={value}".encode()).hexdigest()[:32]


def _passes_headers(scope: dict[str, Any], send: object) -> bool:
    """Whether the server sends the headers with which a handshake is accepted."""
    version = str(scope.get("asgi", {}).get("spec_version", "2.0"))
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < (2, 1):  # daphne states no version
        return False
    # granian states 2.3, but leaves the headers out.
    return not type(getattr(send, "__self__", None)).__module__.startswith("granian")
