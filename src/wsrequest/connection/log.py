"""Logs the life of a connection: opened, identified, refused, closed.

Each entry stays one line, whatever a client sends. It contains no body, cookie, token, session or
query. Many refusals make one line, and a count in the last.
"""

import logging
import time

from wsrequest.errors import Refused
from wsrequest.request.environ import Base
from wsrequest.server.refusals import printable

__all__ = ["ConnectionLog"]

logger = logging.getLogger("wsrequest.connection")

_USERS = 10  # a client can change its user with each message, and only the first changes are logged


class ConnectionLog:
    """The log lines of one connection.

    Attributes:
        user: the primary key of the user of its last request.
    """

    __slots__ = ("_address", "_changes", "_id", "_opened", "_refusals", "user")

    def __init__(self, connection_id: str, base: Base) -> None:
        self._id, self._address = connection_id, printable(base.environ.get("REMOTE_ADDR"))
        self._opened, self._refusals, self._changes = time.monotonic(), 0, 0
        self.user: object | None = None

    def opened(self, origin: str | None) -> None:
        """Log that the connection is open."""
        logger.info(
            "connection %s opened by %s, origin %s", self._id, self._address, printable(origin)
        )

    def is_user(self, user: object) -> None:
        """Log another user of its requests, after a login or with another token."""
        if user != self.user:
            self.user = user
            self._changes += 1
            level = logging.INFO if self._changes <= _USERS else logging.DEBUG
            logger.log(level, "connection %s is user %s", self._id, _name(user))

    def refused(self, refused: Refused) -> None:
        """Log that a frame was refused."""
        self._refusals += 1
        level = logging.INFO if self._refusals == 1 else logging.DEBUG
        logger.log(level, "connection %s: refused, %s", self._id, printable(str(refused)))

    def closed(self, code: object, reason: str) -> None:
        """Log that the connection has ended, by either side."""
        logger.info(
            "connection %s of %s closed after %.1f s: %s %s, user %s, %s refused",
            self._id,
            self._address,
            time.monotonic() - self._opened,
            code,
            reason,
            _name(self.user),
            self._refusals,
        )


def _name(user: object | None) -> str:
    return "none" if user is None else printable(str(user))
