"""The cookies, session and user of a connection, updated by each response."""

import logging
from importlib import import_module
from typing import Protocol

from django.contrib.auth import get_user
from django.db import close_old_connections
from django.http import HttpRequest

from wsrequest.connection.log import ConnectionLog
from wsrequest.connection.timeouts import Timeouts
from wsrequest.request.browser_cookies import BrowserCookies
from wsrequest.request.cookies import CookieJar
from wsrequest.request.environ import Base, split_url
from wsrequest.request.task import MessageTask
from wsrequest.server import connections
from wsrequest.server.context import ConnectionConfig, ServerContext

__all__ = ["ConnectionIdentity", "Host", "SessionCheck", "names_somebody"]

logger = logging.getLogger("wsrequest.connection")


def names_somebody(session_engine: str, session_key: str) -> bool:
    """Whether a session exists and its user may still log in. Call it on a worker thread.

    False if the session has ended, the user is inactive or gone, or the password was changed.
    """
    request = HttpRequest()
    request.session = import_module(session_engine).SessionStore(session_key)
    return bool(get_user(request).is_authenticated)


class SessionCheck:
    """A job that checks whether the session of a connection is still valid.

    Args:
        identity: whose ``session_ended`` is called if it is not.
        session_engine: dotted path of the session store.
        session_key: what the connection's cookies name.
    """

    __slots__ = ("_engine", "_holds", "_identity", "_key")

    def __init__(
        self, identity: "ConnectionIdentity", session_engine: str, session_key: str
    ) -> None:
        self._identity, self._engine, self._key = identity, session_engine, session_key
        self._holds = True

    def run(self) -> None:
        """Read the session on a worker thread. If the store fails, the next check may succeed."""
        try:
            self._holds = names_somebody(self._engine, self._key)
        except Exception:
            logger.exception("looking at a session failed")
        finally:
            close_old_connections()

    def deliver(self) -> None:
        """Report an ended session, on the event loop."""
        if not self._holds:
            self._identity.session_ended(self._key)


class Host(connections.Socket, Protocol):
    """A connection, as its identity sees it."""

    server: ServerContext
    config: ConnectionConfig
    log: ConnectionLog
    timeouts: Timeouts

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then close."""


class ConnectionIdentity:
    """The cookies, session and user of one connection.

    Used on the event loop, except ``session_key`` and ``browser_cookies``.

    Args:
        host: the connection, which is closed when its session ends.
        base: what its handshake said.

    Attributes:
        browser_cookies: what the browser probably has. For any thread.
        cookies: what a browser would send.
        session_since: loop time at which a session was last valid, or None without a session.
    """

    __slots__ = ("_host", "browser_cookies", "cookies", "session_since")

    def __init__(self, host: Host, base: Base) -> None:
        self._host, self.cookies = host, CookieJar(base.cookie, base.path)
        self.browser_cookies = BrowserCookies(base.cookie, base.path)
        self.session_since: float | None = None

    @property
    def session_key(self) -> str | None:
        """The session that the cookies of the connection name."""
        return self.cookies.get(self._host.config.session_cookie_name)

    @property
    def session_keys(self) -> set[str]:
        """The sessions that they may name later, when a cookie expires."""
        return self.cookies.values(self._host.config.session_cookie_name)

    def changed_cookie_lines(self, task: MessageTask) -> list[str]:
        """Return the lines of a response's Set-Cookie that a browser lacks. For any thread."""
        return self.cookies.changed_lines(task.set_cookies or (), split_url(task.message.url)[0])

    def learn(self, task: MessageTask) -> bool:
        """Take over the cookies and the user of a response, from its first frame on.

        Returns:
            Whether later requests send other cookies.
        """
        has_changed = False
        if task.set_cookies is not None:
            has_changed = self.cookies.update(task.set_cookies, split_url(task.message.url)[0])
            task.set_cookies = None
            if has_changed:
                connections.session_changed(self._host)
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
        """Check whether the session is still valid."""
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
