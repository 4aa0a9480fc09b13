"""What one client leaves unread, beyond what any client may.

Owns where a connection's unread bytes stand, and the end of a client that is in the way of others.
How much all of them may leave is ``budget``'s.
"""

from collections.abc import Callable

from wsrequest.request.budget import Budget
from wsrequest.request.environ import Base
from wsrequest.server.admission import place_of
from wsrequest.types import Limits

__all__ = ["Unread"]


class Unread:
    """The bytes that wait for one client. Used on the event loop only.

    Args:
        budget: of the process.
        base: of the handshake, for the address.
        limits: of the connection.
        cut: ends the connection at once: what waits is needed for others.
    """

    __slots__ = ("_account", "_cut", "_in_outbox", "_in_server", "_limits")

    def __init__(self, budget: Budget, base: Base, limits: Limits, cut: Callable[[], None]) -> None:
        self._account = budget.account_of(place_of(base.environ.get("REMOTE_ADDR", "")))
        self._limits = limits
        self._cut: Callable[[], None] | None = cut
        self._in_outbox = self._in_server = 0

    def in_send_queue(self, count: int) -> None:
        """So many bytes wait in the outbox, beyond what any may leave."""
        self._in_outbox = count
        self._note()

    def in_server(self, count: int) -> None:
        """So many bytes wait in the server's buffer."""
        self._in_server = count
        self._note()

    def _note(self) -> None:
        if self._cut is not None:
            self._account.leave(self, self._in_outbox + self._in_server, self._limits)

    def cut(self) -> None:
        """End it. Nothing of it counts any more, for all of it is freed."""
        cut, self._cut = self._cut, None
        self._account.leave(self, 0, self._limits)
        if cut is not None:
            cut()
