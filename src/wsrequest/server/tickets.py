"""Issue and redeem one-time tickets for cookies that a socket set (PROTOCOL.md 6.2).

A ticket is good for one fetch, by one browser, at one origin, within its time. ``ticket_store``
stores the cookies until then.
"""

import secrets
from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock
from time import time
from typing import NamedTuple

from django.utils.crypto import salted_hmac

from wsrequest.request.browser_cookies import BrowserCookies, Issue, ShownCookies, is_expected
from wsrequest.request.set_cookie import Cookie, Key, parse_set_cookie
from wsrequest.server.ticket_store import store_of

__all__ = ["Tickets", "Unfetched"]

_MOST_UNFETCHED = 8
"""How many tickets of one browser can wait. Another one takes over the lines of the oldest."""
_MAX_LINES = 64
_MAX_BYTES = 32_768
"""The limits of one ticket. Its lines become headers of one response."""


class _Line(NamedTuple):
    """One line of Set-Cookie in the store.

    Attributes:
        line: with its path.
        expected: digests of what the browser may hold for the line to be valid. None for anything.
        ends: epoch seconds, from the ticket that it was issued with.
    """

    line: str
    expected: str | None
    ends: float

    @property
    def key(self) -> Key:
        cookie = parse_set_cookie(self.line, "/", 0.0)
        return ("", "", "") if cookie is None else cookie.key


class Unfetched:
    """The tickets that this process issued and that may still be in the store. Thread-safe.

    Args:
        began: called when the first ticket is added, in the thread that issued it.
    """

    def __init__(self, began: Callable[[], None] = lambda: None) -> None:
        self._began = began
        self._lock = Lock()
        self._issues: dict[str, Issue] = {}  # by key, in the order of issuing
        self._of: dict[str, deque[Issue]] = {}  # by holder

    def __len__(self) -> int:
        return len(self._issues)

    def add(self, issue: Issue) -> list[Issue]:
        """Remember a ticket.

        Returns:
            The holder's oldest tickets, if there are too many. The new ticket replaces them, and
            its issuer takes over their records. All of them are stored already, or their records
            could not be taken over.
        """
        with self._lock:
            is_first = not self._issues
            self._issues[issue.key] = issue
            issues = self._of.setdefault(issue.holder, deque())
            issues.append(issue)
            stored = [earlier for earlier in issues if earlier.is_stored]
            oldest = stored[: max(len(issues) - _MOST_UNFETCHED, 0)]
            for earlier in oldest:
                issue.take_over(earlier)
                self._forget(earlier.key)
        if is_first:
            self._began()
        return oldest

    def set_by_others(self, issue: Issue) -> frozenset[int]:
        """Return the hashes of the keys of the cookies that the holder's other tickets set."""
        with self._lock:
            others = [other for other in self._of.get(issue.holder, ()) if other is not issue]
            return frozenset().union(*(other.cookies for other in others))

    def discard(self, key: str) -> None:
        """Forget a ticket that was fetched. Safe to call for any key."""
        with self._lock:
            self._forget(key, is_over=True)

    def pop_ended(self, now: float) -> list[str]:
        """Forget the tickets that have expired, and return their keys."""
        with self._lock:
            ended = [key for key, issue in self._issues.items() if issue.ends <= now]
            for key in ended:
                self._forget(key, is_over=True)
        return ended

    def _forget(self, key: str, *, is_over: bool = False) -> None:
        issue = self._issues.pop(key, None)
        if issue is None:
            return
        issue.is_over = is_over
        issues = self._of[issue.holder]
        issues.remove(issue)
        if not issues:
            del self._of[issue.holder]


class Tickets:
    """Issues and redeems tickets. Both use the store, so call them in a worker thread.

    Args:
        session_engine: dotted path of the project's session store, or None.
        seconds: the lifetime of a ticket.
        unfetched: the tickets of this process.
    """

    def __init__(
        self, session_engine: str | None, seconds: int, unfetched: Unfetched | None = None
    ) -> None:
        self._store, self._seconds = store_of(session_engine), seconds
        self._unfetched = Unfetched() if unfetched is None else unfetched

    def issue(
        self,
        lines: Iterable[str],
        origin: str,
        browser: Iterable[str],
        held: BrowserCookies | None = None,
    ) -> str:
        """Store cookies for a browser, and return the ticket for them.

        Args:
            lines: of Set-Cookie.
            origin: that of the handshake.
            browser: ``Base.browser`` of the handshake, not empty.
            held: what the connection believes the browser to hold. None to overwrite anything.

        Returns:
            The ticket. It is empty if one ticket cannot hold that many cookies.
        """
        cookies: dict[Key, Cookie] = {}
        for line in lines:
            if (cookie := parse_set_cookie(line, "/", 0.0)) is not None:
                cookies.pop(cookie.key, None)  # the last one counts, and keeps its own place
                cookies[cookie.key] = cookie
        if not _fits([cookie.line for cookie in cookies.values()]):
            return ""
        bound = sorted(browser)
        ticket = secrets.token_urlsafe(24)
        issue = Issue(
            _key(ticket), " ".join([origin, *bound]), time() + self._seconds, map(hash, cookies)
        )
        oldest = self._unfetched.add(issue)
        try:
            if held is None:
                expected: list[str | None] = [None] * len(cookies)
            else:
                expected = held.expect(cookies.values(), issue, self._is_waiting)
            own = [
                _Line(cookie.line, values, issue.ends)
                for cookie, values in zip(cookies.values(), expected, strict=True)
            ]
            record = {
                "ends": issue.ends,
                "origin": origin,
                "browser": bound,
                "cookies": [*self._take_over(oldest, issue, own), *own],
            }
            self._store.put(issue.key, record, self._seconds)
        except BaseException:
            self._unfetched.discard(issue.key)
            raise
        issue.is_stored = True  # from now on another ticket may take it over
        return ticket

    def redeem(
        self, ticket: str, origin: str, browser: Iterable[str], cookie_header: str = ""
    ) -> list[str] | None:
        """Return the Set-Cookie values for a ticket, once.

        Lines are left out if the browser has since received their cookie from elsewhere.

        Args:
            ticket: as it came.
            origin: of the request.
            browser: ``Base.browser`` of the request.
            cookie_header: of the request.

        Returns:
            None for a ticket that is spent, too old, or of another origin or browser. It is then
            spent.
        """
        key = _key(ticket)
        record = self._store.take(key)
        self._unfetched.discard(key)
        now = time()
        if record is None or record["ends"] <= now or record["origin"] != origin:
            return None
        if not record["browser"] or not set(record["browser"]) <= set(browser):
            return None
        lines = [line for entry in record["cookies"] if (line := _Line(*entry)).ends > now]
        names = [line.key[0] for line in lines]
        shown = ShownCookies(cookie_header, names)
        return [
            line.line
            for name, line in zip(names, lines, strict=True)
            if line.expected is None or is_expected(name, line.expected, shown)
        ]

    def _take_over(self, oldest: list[Issue], issue: Issue, own: list[_Line]) -> list[_Line]:
        """Take what still counts from the records of tickets that a new one replaces."""
        if not oldest:
            return []
        now = time()
        later = issue.cookies | self._unfetched.set_by_others(issue)
        lines: dict[Key, _Line] = {}
        for earlier in oldest:
            record = self._store.take(earlier.key)
            for entry in record["cookies"] if record is not None else ():
                line = _Line(*entry)
                key = line.key
                if line.ends > now and hash(key) not in later:
                    lines.pop(key, None)
                    lines[key] = line
        kept = list(lines.values())
        # Eight newer tickets wait already. Drop first what nobody has fetched for longest.
        while kept and not _fits([line.line for line in (*kept, *own)]):
            del kept[0]
        issue.cookies |= {hash(line.key) for line in kept}
        return kept

    def _is_waiting(self, issue: Issue) -> bool:
        if issue.is_over or issue.ends <= time():
            return False
        # Another process may have redeemed it.
        return not issue.is_stored or self._store.has(issue.key)

    def sweep(self) -> bool:
        """Delete the records of this process's tickets that nobody has fetched in time.

        Returns:
            Whether any tickets are left that have not expired.
        """
        if ended := self._unfetched.pop_ended(time()):
            self._store.drop(ended)
        return bool(len(self._unfetched))


def _fits(lines: list[str]) -> bool:
    return len(lines) <= _MAX_LINES and sum(map(len, lines)) <= _MAX_BYTES


def _key(ticket: str) -> str:
    # In the form of a session key, as the file store requires. It cannot be derived from a ticket
    # without SECRET_KEY, so no ticket is a session, and no session is a ticket.
    return salted_hmac("wsrequest.ticket", ticket, algorithm="sha256").hexdigest()[:32]
