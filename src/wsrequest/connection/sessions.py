"""Looks whether the session of a connection still names its user.

A job for a lane. When it is due is ``watch``'s, what follows from it ``visitor``'s.
"""

import logging
from typing import Protocol

from django.db import close_old_connections

from wsrequest.http.identity import names_somebody

__all__ = ["SessionCheck"]

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
