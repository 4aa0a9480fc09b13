"""Count the bytes that all connections of a process hold, in memory and in files.

They hold unfinished requests, live requests and unread responses. ``session`` limits what one
connection may hold. This budget stops an attacker with many connections, each within its limit.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakValueDictionary

from wsrequest.errors import Refused
from wsrequest.types import Id, Limits

__all__ = ["Account", "Budget", "Holding", "Reader"]

# The fraction of a process's limit that unread responses may take: in all, and per address.
_UNREAD_SHARE, _UNREAD_SHARE_OF_ADDRESS = 4, 8
# The fraction of the same limit that the unfinished requests of one address may take.
_UNFINISHED_SHARE_OF_ADDRESS = 4


class Holding(Protocol):
    """Something that several live requests may hold together."""

    @property
    def held_bytes(self) -> int:
        """Its size, which never changes."""

    def __hash__(self) -> int:
        """By identity."""


class Reader(Protocol):
    """A client that leaves responses unread."""

    def cut(self) -> None:
        """End its connection, and stop counting its bytes before returning."""


class Budget:
    """The counts of one process. Used on the event loop only.

    Attributes:
        held_bytes: all bytes that were taken and not given back.
        live_bytes: the part of them for live requests, and for responses that wait for these.
        unread_bytes: the part of them that waits for clients that do not read it.
        unread: the unread bytes by client, the client that has not read for longest first.
    """

    __slots__ = ("_accounts", "holdings", "held_bytes", "live_bytes", "unread", "unread_bytes")

    def __init__(self) -> None:
        self.held_bytes = self.live_bytes = self.unread_bytes = 0
        self.unread: dict[Reader, int] = {}
        self.holdings: Counter[Holding] = Counter()
        self._accounts: WeakValueDictionary[str, Account] = WeakValueDictionary()

    def take(self, count: int, max_bytes: int, id: Id | None) -> None:
        """Hold ``count`` more bytes. Unread responses give way to them.

        Args:
            count: bytes.
            max_bytes: the limit of the process.
            id: of the request that needs them.

        Raises:
            Refused: ``too_many_requests``, which is temporary.
        """
        if not self.make_room(count, max_bytes):
            raise Refused(
                "too_many_requests", "the server holds as many unfinished requests as it may", id
            )
        self.held_bytes += count

    def make_room(self, count: int, max_bytes: int) -> bool:
        """Disconnect the clients that have not read for longest, until ``count`` bytes fit.

        No client is disconnected if that would not be enough.

        Returns:
            Whether the bytes may be held.
        """
        if self.held_bytes - self.unread_bytes + count > max_bytes:
            return False
        while self.held_bytes + count > max_bytes:
            next(iter(self.unread)).cut()
        return True

    def give(self, count: int) -> None:
        """Hold ``count`` fewer bytes."""
        self.held_bytes -= count

    def account_of(self, address: str) -> "Account":
        """Return the account of an address, or a new one. It lasts as long as it is in use."""
        account = self._accounts.get(address) if address else None
        if account is None:
            account = Account(self)
            if address:
                self._accounts[address] = account
        return account


class Account:
    """The bytes that the requests of one address hold. Used on the event loop only.

    Args:
        budget: that of the process, which counts the same bytes.

    Attributes:
        held_bytes: bytes taken and not given back, by live requests.
        unfinished_bytes: bytes taken and not given back, by unfinished requests.
        unread_bytes: bytes that wait for its clients.
    """

    __slots__ = (
        "__weakref__", "_budget", "_holdings", "_unread", "held_bytes", "unfinished_bytes",
        "unread_bytes",
    )  # fmt: skip

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._unread: dict[Reader, int] = {}
        self.unread_bytes = 0
        self._holdings: Counter[Holding] = Counter()
        self.held_bytes = self.unfinished_bytes = 0

    def begin(self, count: int, limits: Limits, id: Id | None) -> None:
        """Hold ``count`` more bytes for an unfinished request.

        An address may hold a quarter of the process's limit, so that it cannot keep out all others.
        That is never less than one connection needs to send the largest body.

        Args:
            count: bytes.
            limits: of the connection.
            id: of the request.

        Raises:
            Refused: ``too_many_requests``, which is temporary.
        """
        wanted = self.unfinished_bytes + count
        if (
            wanted > limits.process_bytes // _UNFINISHED_SHARE_OF_ADDRESS
            and wanted > limits.body_bytes + limits.message_bytes
        ):
            raise Refused(
                "too_many_requests",
                "the unfinished requests of your address hold as much as they may; finish or "
                "cancel some (a quarter of WSREQUEST_MAX_PENDING_REQUEST_BYTES)",
                id,
            )
        self._budget.take(count, limits.process_bytes, id)
        self.unfinished_bytes = wanted

    def end(self, count: int) -> None:
        """Hold ``count`` fewer bytes for unfinished requests."""
        self._budget.give(count)
        self.unfinished_bytes -= count

    def take(self, count: int, limits: Limits) -> None:
        """Hold ``count`` more bytes.

        Raises:
            Refused: ``too_many_subscriptions``, which is temporary.
        """
        self._check(count, count, limits)
        self._add(count, count)

    def spare(self, count: int, limits: Limits) -> bool:
        """Hold ``count`` more bytes for something optional.

        Returns:
            Whether they are held. They are not if less than half would be left for the rest.
        """
        budget = self._budget
        if (
            2 * (self.held_bytes + count) > limits.live_bytes_per_address
            or 2 * (budget.live_bytes + count) > limits.live_bytes
            or not budget.make_room(count, limits.process_bytes)
        ):
            return False
        self._add(count, count)
        return True

    def give(self, count: int) -> None:
        """Hold ``count`` fewer bytes."""
        self._add(-count, -count)

    def exchange(self, before: Iterable[Holding], after: Iterable[Holding], limits: Limits) -> None:
        """Replace what is held. A holding that is held more than once counts once.

        Args:
            before: no longer held, even if this raises.
            after: held from now on, unless this raises.
            limits: of the connection.

        Raises:
            Refused: ``too_many_subscriptions``, which is temporary.
        """
        for holding in before:
            mine = _remove(self._holdings, holding)
            everybodys = _remove(self._budget.holdings, holding)
            self._add(-holding.held_bytes * mine, -holding.held_bytes * everybodys)
        held: list[Holding] = []
        for holding in after:
            mine = not self._holdings[holding]
            everybodys = not self._budget.holdings[holding]
            try:
                self._check(holding.held_bytes * mine, holding.held_bytes * everybodys, limits)
            except Refused:
                self.exchange(held, (), limits)
                raise
            self._holdings[holding] += 1
            self._budget.holdings[holding] += 1
            self._add(holding.held_bytes * mine, holding.held_bytes * everybodys)
            held.append(holding)

    def leave(self, reader: Reader, count: int, limits: Limits) -> None:
        """Set the number of bytes that wait for a client.

        If that is too much, clients are disconnected, those that have not read for longest first:
        of this address, or of all. A client that has read something becomes the last of them.

        Args:
            reader: the client.
            count: all bytes that wait for it.
            limits: of the connection.
        """
        budget = self._budget
        more = count - self._unread.get(reader, 0)
        for unread in (self._unread, budget.unread):
            if more < 0:  # it has read, so it goes behind those that have not
                unread.pop(reader, None)
            if count:
                unread[reader] = count
        self.unread_bytes += more
        budget.unread_bytes += more
        budget.held_bytes += more
        if more <= 0:
            return
        most = limits.process_bytes // _UNREAD_SHARE_OF_ADDRESS
        while self.unread_bytes > most and len(self._unread) > 1:
            next(iter(self._unread)).cut()
        most = limits.process_bytes // _UNREAD_SHARE
        while budget.unread_bytes > most and len(budget.unread) > 1:
            next(iter(budget.unread)).cut()

    def _check(self, mine: int, everybodys: int, limits: Limits) -> None:
        budget = self._budget
        if mine and self.held_bytes + mine > limits.live_bytes_per_address:
            raise _full("those of your address (WSREQUEST_MAX_LIVE_BYTES_PER_ADDRESS)")
        if everybodys and (
            budget.live_bytes + everybodys > limits.live_bytes
            or not budget.make_room(everybodys, limits.process_bytes)
        ):
            raise _full("they (WSREQUEST_MAX_LIVE_BYTES)")

    def _add(self, mine: int, everybodys: int) -> None:
        self.held_bytes += mine
        self._budget.live_bytes += everybodys
        self._budget.held_bytes += everybodys


def _remove(holdings: Counter[Holding], holding: Holding) -> bool:
    """Count one holder less. Return whether it was the last."""
    holdings[holding] -= 1
    is_last = not holdings[holding]
    if is_last:
        del holdings[holding]
    return is_last


def _full(who: str) -> Refused:
    return Refused("too_many_subscriptions", f"live requests hold as much as {who} may")
