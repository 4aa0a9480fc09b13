"""The bytes that one client leaves unread, above what every client may leave.

A client in the way of others is disconnected. ``request/budget`` limits the sum for all clients.
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
        budget: that of the process.
        base: what the handshake said, for the address.
        limits: those of the connection.
        cut: disconnects the client at once, since others need the memory.
    """

    __slots__ = ("_account", "_buffered_bytes", "_cut", "_limits", "_queued_bytes")

    def __init__(self, budget: Budget, base: Base, limits: Limits, cut: Callable[[], None]) -> None:
        self._account = budget.account_of(place_of(base.environ.get("REMOTE_ADDR", "")))
        self._limits = limits
        self._cut: Callable[[], None] | None = cut
        self._queued_bytes = self._buffered_bytes = 0

    def in_send_queue(self, count: int) -> None:
        """Set how many bytes wait in the send queue, above what every client may leave."""
        self._queued_bytes = count
        self._note()

    def in_server(self, count: int) -> None:
        """Set how many bytes wait in the server's buffer."""
        self._buffered_bytes = count
        self._note()

    def _note(self) -> None:
        if self._cut is not None:
            self._account.leave(self, self._queued_bytes + self._buffered_bytes, self._limits)

    def cut(self) -> None:
        """Disconnect the client. Its bytes count no longer, since all of them are freed."""
        cut, self._cut = self._cut, None
        self._account.leave(self, 0, self._limits)
        if cut is not None:
            cut()
