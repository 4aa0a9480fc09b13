"""What the connections of a process hold together: unfinished and live requests, unread answers.

Owns the counts of bytes, in memory and in files. What one connection may hold is ``session``'s
limit; many connections of an attacker, each within its own, would be a flood all the same.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakValueDictionary

from wsrequest.errors import Refused
from wsrequest.types import Id, Limits

__all__ = ["Account", "Budget", "Holding", "Reader"]

# Of what a process may hold: unread answers. The rest is for requests, of which half may be live.
_UNREAD_SHARE, _UNREAD_SHARE_OF_ADDRESS = 4, 8
# Of the same: the unfinished requests of one address.
_UNFINISHED_SHARE_OF_ADDRESS = 4


class Holding(Protocol):
    """Something that several live requests may hold together."""

    @property
    def held_bytes(self) -> int:
        """What it takes; always the same."""

    def __hash__(self) -> int:
        """By identity."""


class Reader(Protocol):
    """A client that leaves answers unread."""

    def cut(self) -> None:
        """End its connection. What it leaves counts no more when this returns."""


class Budget:
    """The counts of one process. Used on the event loop only.

    Attributes:
        held_bytes: taken and not given back.
        live_bytes: what of that live requests hold, and answers that wait for them.
        unread_bytes: what of that waits for clients that do not read it.
        unread: the same by client; who has not read for longest comes first.
    """

    __slots__ = ("_accounts", "holdings", "held_bytes", "live_bytes", "unread", "unread_bytes")

    def __init__(self) -> None:
        self.held_bytes = self.live_bytes = self.unread_bytes = 0
        self.unread: dict[Reader, int] = {}
        self.holdings: Counter[Holding] = Counter()
        self._accounts: WeakValueDictionary[str, Account] = WeakValueDictionary()

    def take(self, count: int, max_bytes: int, id: Id | None) -> None:
        """Hold ``count`` bytes more. What nobody reads gives way to them.

        Args:
            count: bytes.
            max_bytes: what may be held in all.
            id: of the request that needs them.

        Raises:
            Refused: ``too_many_requests``, which passes.
        """
        if not self.make_room(count, max_bytes):
            raise Refused(
                "too_many_requests", "the server holds as many unfinished requests as it may", id
            )
        self.held_bytes += count

    def make_room(self, count: int, max_bytes: int) -> bool:
        """Cut those who have not read for longest, until ``count`` bytes more may be held.

        Nobody is cut where that would not be enough.

        Returns:
            Whether they may be held.
        """
        if self.held_bytes - self.unread_bytes + count > max_bytes:
            return False
        while self.held_bytes + count > max_bytes:
            next(iter(self.unread)).cut()
        return True

    def give(self, count: int) -> None:
        """Hold so many bytes less."""
        self.held_bytes -= count

    def account_of(self, address: str) -> "Account":
        """The account of an address, as long as somebody has it; a new one where there is none."""
        account = self._accounts.get(address) if address else None
        if account is None:
            account = Account(self)
            if address:
                self._accounts[address] = account
        return account


class Account:
    """What the requests of one address hold. Used on the event loop only.

    Args:
        budget: of the process, which is charged, too.

    Attributes:
        held_bytes: taken and not given back, by live requests.
        unfinished_bytes: taken and not given back, by unfinished requests.
        unread_bytes: what waits for its clients.
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
        """Hold ``count`` bytes more for an unfinished request.

        An address has a quarter of what the process may hold, so that one cannot keep out all
        others. That is never less than one connection needs to send the largest body.

        Args:
            count: bytes.
            limits: of the connection.
            id: of the request.

        Raises:
            Refused: ``too_many_requests``, which passes.
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
        """Hold ``count`` bytes less for unfinished requests."""
        self._budget.give(count)
        self.unfinished_bytes -= count

    def take(self, count: int, limits: Limits) -> None:
        """Hold ``count`` bytes more.

        Raises:
            Refused: ``too_many_subscriptions``, which passes.
        """
        self._check(count, count, limits)
        self._add(count, count)

    def spare(self, count: int, limits: Limits) -> bool:
        """Hold ``count`` bytes more for what can be done without.

        Returns:
            Whether they are held: they are unless that would leave less than half for the rest.
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
        """Hold so many bytes less."""
        self._add(-count, -count)

    def exchange(self, before: Iterable[Holding], after: Iterable[Holding], limits: Limits) -> None:
        """Hold other things than before. What is held more than once counts once.

        Args:
            before: is held no longer, also when this raises.
            after: is held from now on, unless this raises.
            limits: of the connection.

        Raises:
            Refused: ``too_many_subscriptions``, which passes.
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
        """Count what waits for a client, instead of what counted so far.

        Where that is too much, those are cut who have not read for longest: of the address, or of
        all. Who has read something, and still leaves some, is the last of them.

        Args:
            reader: the client.
            count: bytes, all that wait.
            limits: of the connection.
        """
        budget = self._budget
        more = count - self._unread.get(reader, 0)
        for unread in (self._unread, budget.unread):
            if more < 0:  # it has read, and goes behind those who have not
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
    """Count one holder less. Whether it was the last."""
    holdings[holding] -= 1
    is_last = not holdings[holding]
    if is_last:
        del holdings[holding]
    return is_last


def _full(who: str) -> Refused:
    return Refused("too_many_subscriptions", f"live requests hold as much as {who} may")
