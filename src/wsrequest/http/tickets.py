"""One-time tickets by which cookies set over a socket become the browser's (PROTOCOL.md 6.2).

Owns what a ticket is good for: one fetch, of one browser, at one origin, within its time. Where the
cookies wait meanwhile is ``ticket_store``'s.
"""

import secrets
from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock
from time import time

from django.utils.crypto import salted_hmac

from wsrequest.http.ticket_store import store_of

__all__ = ["Tickets", "Unfetched"]

_MOST_UNFETCHED = 8
"""Tickets of one browser that wait at a time; one more takes over what the oldest was for."""


class Unfetched:
    """The tickets that this process issued and that may still lie in the store. Thread-safe.

    Args:
        began: called when there is one after there was none, in the thread that issued it.
    """

    def __init__(self, began: Callable[[], None] = lambda: None) -> None:
        self._began = began
        self._lock = Lock()
        self._ends: dict[str, tuple[float, str]] = {}  # by key, in the order of issuing
        self._of: dict[str, deque[str]] = {}  # keys by holder

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, holder: str, key: str, ends: float) -> str | None:
        """Remember a ticket.

        Returns:
            The key of the holder's oldest, which is one too many and is forgotten here.
        """
        with self._lock:
            is_first = not self._ends
            self._ends[key] = ends, holder
            keys = self._of.setdefault(holder, deque())
            keys.append(key)
            oldest = keys[0] if len(keys) > _MOST_UNFETCHED else None
            if oldest is not None:
                self._forget(oldest)
        if is_first:
            self._began()
        return oldest

    def discard(self, key: str) -> None:
        """Forget a ticket that was fetched. Safe to call for any."""
        with self._lock:
            self._forget(key)

    def pop_ended(self, now: float) -> list[str]:
        """Forget the tickets whose time is over, and return their keys."""
        with self._lock:
            ended = [key for key, (ends, _) in self._ends.items() if ends <= now]
            for key in ended:
                self._forget(key)
        return ended

    def _forget(self, key: str) -> None:
        _, holder = self._ends.pop(key, (0.0, ""))
        keys = self._of.get(holder)
        if keys is not None:
            keys.remove(key)
            if not keys:
                del self._of[holder]


class Tickets:
    """Issues and redeems tickets. Both talk to a store, so both belong in a worker thread.

    Args:
        session_engine: dotted path of the project's session store, None without.
        seconds: how long a ticket lives.
        unfetched: those of this process.
    """

    def __init__(
        self, session_engine: str | None, seconds: int, unfetched: Unfetched | None = None
    ) -> None:
        self._store, self._seconds = store_of(session_engine), seconds
        self._unfetched = Unfetched() if unfetched is None else unfetched

    def issue(self, lines: Iterable[str], origin: str, browser: Iterable[str]) -> str:
        """Put cookies aside for a browser; return the ticket for them.

        Args:
            lines: of Set-Cookie.
            origin: that of the handshake.
            browser: ``Base.browser`` of the handshake; not empty.
        """
        cookies, bound = list(lines), sorted(browser)
        ticket = secrets.token_urlsafe(24)
        key, ends = _key(ticket), time() + self._seconds
        oldest = self._unfetched.add(" ".join([origin, *bound]), key, ends)
        if oldest is not None and (left := self._store.take(oldest)) is not None:
            cookies = [*left["cookies"], *cookies]  # nothing is lost, and nothing piles up
        record = {"ends": ends, "origin": origin, "browser": bound, "cookies": cookies}
        self._store.put(key, record, self._seconds)
        return ticket

    def redeem(self, ticket: str, origin: str, browser: Iterable[str]) -> list[str] | None:
        """Return the Set-Cookie values for a ticket, once.

        Args:
            ticket: as it came.
            origin: of the request.
            browser: ``Base.browser`` of the request.

        Returns:
            None for a ticket that is spent or too old, or of another origin or browser; it is
            spent then.
        """
        key = _key(ticket)
        record = self._store.take(key)
        self._unfetched.discard(key)
        if record is None or record["ends"] <= time() or record["origin"] != origin:
            return None
        if not record["browser"] or not set(record["browser"]) <= set(browser):
            return None
        return list(record["cookies"])

    def sweep(self) -> bool:
        """Delete the records of this process's tickets that nobody has fetched in time.

        Returns:
            Whether there are others, whose time is still to come.
        """
        if ended := self._unfetched.pop_ended(time()):
            self._store.drop(ended)
        return bool(len(self._unfetched))


def _key(ticket: str) -> str:
    # In the form of a session's key, as the file store demands, and nobody can make it of a ticket
    # without SECRET_KEY: so no ticket is a session, and no session is a ticket.
    return salted_hmac("wsrequest.ticket", ticket, algorithm="sha256").hexdigest()[:32]
