"""The cookies, session and user of a connection, updated by each response."""

import logging
from typing import Protocol

from django.db import close_old_connections

from wsrequest.connection.log import ConnectionLog
from wsrequest.connection.timeouts import Timeouts
from wsrequest.request.auth import names_somebody
from wsrequest.request.browser_cookies import BrowserCookies
from wsrequest.request.cookies import CookieJar
from wsrequest.request.environ import Base, split_url
from wsrequest.request.task import RequestTask
from wsrequest.server import connections
from wsrequest.server.context import ConnectionConfig, ServerContext

__all__ = ["ConnectionIdentity", "Host", "SessionCheck"]

logger = logging.getLogger("wsrequest.connection")


class Asker(Protocol):
    """The visitor of a connection, seen by a check."""

    def session_ended(self, session_key: str) -> None:
        """The session names nobody any more; on the event loop."""


class SessionCheck:
    """One look.

    Args:
        asker: is told when the session has ended.
        session_engine: dotted path of the session store.
        session_key: what the connection's cookies name.
    """

    __slots__ = ("_asker", "_engine", "_holds", "_key")

    def __init__(self, asker: Asker, session_engine: str, session_key: str) -> None:
        self._asker, self._engine, self._key = asker, session_engine, session_key
        self._holds = True

    def run(self) -> None:
        """Ask the store, in a worker thread. Where it cannot answer, the next look may."""
        try:
            self._holds = names_somebody(self._engine, self._key)
        except Exception:
            logger.exception("looking at a session failed")
        finally:
            close_old_connections()

    def deliver(self) -> None:
        """Tell of an end, on the event loop."""
        if not self._holds:
            self._asker.session_ended(self._key)


class Host(Protocol):
    """A connection, seen by its visitor."""

    server: ServerContext
    config: ConnectionConfig
    log: ConnectionLog
    timeouts: Timeouts

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then close."""


class ConnectionIdentity:
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
        return self._jar.get(self._host.config.session_cookie_name)

    def news_of(self, task: RequestTask) -> list[str]:
        """The lines of its Set-Cookie that a browser must be told; from any thread."""
        return self._jar.news(task.set_cookies or (), split_url(task.message.url)[0])

    def cookie_for(self, url: str) -> str:
        """The Cookie header that a browser would send to a url now."""
        return self._jar.header(url)

    def cookies_end(self) -> float | None:
        """Epoch seconds at which one of its cookies ends by itself; None when none does."""
        return self._jar.next_end()

    def learn(self, task: RequestTask) -> bool:
        """Cookies hold from the first frame of their answer on, and so does who it was made for.

        Returns:
            Whether other cookies are sent now.
        """
        has_changed = False
        if task.set_cookies is not None:
            has_changed = self._jar.update(task.set_cookies, split_url(task.message.url)[0])
            task.set_cookies = None
        if task.user is not None:
            user, by_session = task.user
            task.user = None
            host = self._host
            host.log.is_user(user)
            if by_session and self.session_since is None:
                self.session_since = host.server.pool.loop.time()
                host.timeouts.schedule(
                    self.session_since + host.config.limits.session_check_seconds
                )
        return has_changed

    def session_is_due(self) -> None:
        """Look whether the session still names somebody."""
        server, key = self._host.server, self.session_key
        engine = self._host.config.session_engine
        self.session_since = None  # until a request finds a user again
        if key and engine:
            self.session_since = server.pool.loop.time()
            server.pool.submit(SessionCheck(self, engine, key), server.chores)

    def session_ended(self, session_key: str) -> None:
        """Close, unless the connection has another session by now."""
        if session_key == self.session_key:
            self._host.close(connections.SESSION_ENDED, "the session ended")
