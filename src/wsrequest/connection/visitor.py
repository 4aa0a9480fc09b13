"""Whose a connection is, as the answers on it tell: its cookies, its session, its user.

Owns what of one answer holds for the next request. The look into the session store is
``sessions``', when it is due ``watch``'s.
"""

from typing import Protocol

from wsrequest.connection import sockets
from wsrequest.connection.calls import Call
from wsrequest.connection.journal import Journal
from wsrequest.connection.service import Service, Terms
from wsrequest.connection.sessions import SessionCheck
from wsrequest.connection.watch import Watch
from wsrequest.http.browser_cookies import BrowserCookies
from wsrequest.http.cookies import CookieJar
from wsrequest.http.environ import Base
from wsrequest.http.requests import split_url

__all__ = ["Host", "Visitor"]


class Host(Protocol):
    """A connection, seen by its visitor."""

    service: Service
    terms: Terms
    journal: Journal
    watch: Watch

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then close."""


class Visitor:
    """Who is at the other end of one connection. Used on the event loop, except for
    ``session_key`` and ``browser_cookies``.

    Args:
        host: the connection, which is closed when its session ends.
        base: of its handshake.

    Attributes:
        browser_cookies: what the browser is believed to hold; used in any thread.
        session_since: loop time at which a session was last found to name a user; None without
            such.
    """

    __slots__ = ("_host", "_jar", "browser_cookies", "session_since")

    def __init__(self, host: Host, base: Base) -> None:
        self._host, self._jar = host, CookieJar(base.cookie, base.path)
        self.browser_cookies = BrowserCookies(base.cookie, base.path)
        self.session_since: float | None = None

    @property
    def session_key(self) -> str | None:
        """The session that the connection's cookies name."""
        return self._jar.get(self._host.terms.session_cookie_name)

    def news_of(self, call: Call) -> list[str]:
        """The lines of its Set-Cookie that a browser must be told; from any thread."""
        return self._jar.news(call.set_cookies or (), split_url(call.message.url)[0])

    def cookie_for(self, url: str) -> str:
        """The Cookie header that a browser would send to a url now."""
        return self._jar.header(url)

    def cookies_end(self) -> float | None:
        """Epoch seconds at which one of its cookies ends by itself; None when none does."""
        return self._jar.next_end()

    def learn(self, call: Call) -> bool:
        """Cookies hold from the first frame of their answer on, and so does who it was made for.

        Returns:
            Whether other cookies are sent now.
        """
        has_changed = False
        if call.set_cookies is not None:
            has_changed = self._jar.update(call.set_cookies, split_url(call.message.url)[0])
            call.set_cookies = None
        if call.user is not None:
            user, by_session = call.user
            call.user = None
            host = self._host
            host.journal.is_user(user)
            if by_session and self.session_since is None:
                self.session_since = host.service.lane.loop.time()
                host.watch.expect(self.session_since + host.terms.limits.session_check_seconds)
        return has_changed

    def session_is_due(self) -> None:
        """Look whether the session still names somebody."""
        service, key = self._host.service, self.session_key
        engine = self._host.terms.session_engine
        self.session_since = None  # until a request finds a user again
        if key and engine:
            self.session_since = service.lane.loop.time()
            service.lane.submit(SessionCheck(self, engine, key), service.chores)

    def session_ended(self, session_key: str) -> None:
        """Close, unless the connection has another session by now."""
        if session_key == self.session_key:
            self._host.close(sockets.SESSION_ENDED, "the session ended")
