"""One-time tickets by which cookies set over a socket become the browser's (PROTOCOL.md 6.2).

Owns where the cookies wait meanwhile. That is the project's session store, since
every process of a deployment shares it; the cache where there is no such store.
"""

import secrets
from importlib import import_module
from typing import Any

from django.core.cache import caches

__all__ = ["Tickets"]

_KEY = "_wsrequest_ticket"


class Tickets:
    """Issues and redeems tickets. Both talk to a store, so both belong in a worker thread.

    Args:
        session_engine: dotted path of the project's session store, None without.
        seconds: how long a ticket lives.
    """

    def __init__(self, session_engine: str | None, seconds: int) -> None:
        # A session in a signed cookie has no store: its key is its content, for scripts to read.
        if session_engine == "django.contrib.sessions.backends.signed_cookies":
            session_engine = None
        self._engine, self._seconds = session_engine, seconds

    def issue(self, lines: list[str], origin: str) -> str:
        """Put cookies aside for the browser at ``origin``; return the ticket for them.

        Args:
            lines: of Set-Cookie.
            origin: that of the handshake.
        """
        content = {"origin": origin, "cookies": lines}
        if self._engine is None:
            ticket = secrets.token_urlsafe(24)
            caches["default"].set(_KEY + ticket, content, self._seconds)
            return ticket
        session = import_module(self._engine).SessionStore()
        session[_KEY] = content
        session.set_expiry(self._seconds)
        session.create()
        return str(session.session_key)

    def redeem(self, ticket: str, origin: str) -> list[str] | None:
        """Return the Set-Cookie values for a ticket, once; None for one spent, foreign or old."""
        content = self._take(ticket)
        if not isinstance(content, dict) or content["origin"] != origin:
            return None
        return list(content["cookies"])

    def _take(self, ticket: str) -> Any:
        if self._engine is None:
            content = caches["default"].get(_KEY + ticket)
            return content if caches["default"].delete(_KEY + ticket) else None
        session = import_module(self._engine).SessionStore(ticket)
        content = session.get(_KEY)
        if content is not None:
            session.delete(ticket)
        return content
