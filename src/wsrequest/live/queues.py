"""A queue that is fair to those who wait in it: by address, and then by connection.

Owns the order. Each step takes the same time, however many wait. Pure: standard library only.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

__all__ = ["FairTurns", "Turn"]

T = TypeVar("T", bound=Hashable)


class Turn(NamedTuple):
    """In whose turn something waits.

    Attributes:
        address: what the connections of one client machine have in common.
        connection: which one of them it is.
    """

    address: Hashable
    connection: Hashable


class FairTurns(Generic[T]):
    """Items that wait. ``len`` counts them.

    Addresses are served in turn, of an address its connections in turn, and of a connection the
    first to come. So whoever has one item waits for one item of each other address, not for all.
    """

    def __init__(self) -> None:
        # Ordered dicts, since the first of a plain dict is slow to find after many were taken.
        self._addresses: OrderedDict[Hashable, OrderedDict[Hashable, OrderedDict[T, None]]] = (
            OrderedDict()
        )
        self._scheduler: dict[T, Turn] = {}

    def __len__(self) -> int:
        return len(self._scheduler)

    def __contains__(self, item: T) -> bool:
        return item in self._scheduler

    def has(self, address: Hashable) -> bool:
        """Whether anything of an address waits."""
        return address in self._addresses

    def add(self, item: T, turn: Turn) -> None:
        """Put an item behind the others of its turn. One that waits already stays where it is."""
        if item not in self._scheduler:
            self._scheduler[item] = turn
            connections = self._addresses.setdefault(turn.address, OrderedDict())
            connections.setdefault(turn.connection, OrderedDict())[item] = None

    def discard(self, item: T) -> None:
        """Take an item out, wherever it stands. Does nothing if it does not wait."""
        turn = self._scheduler.pop(item, None)
        if turn is None:
            return
        connections = self._addresses[turn.address]
        items = connections[turn.connection]
        del items[item]
        if not items:
            del connections[turn.connection]
            if not connections:
                del self._addresses[turn.address]

    def pop(
        self, may_have: Callable[[Hashable], bool] = lambda address: True
    ) -> tuple[T, Turn] | None:
        """Take the next item.

        Args:
            may_have: whether an address may have it; one that may not keeps its place.

        Returns:
            The item and its turn; None when nothing waits, or nothing that may be had.
        """
        for address in self._addresses:
            if may_have(address):
                break
        else:
            return None
        connections = self._addresses[address]
        connection = next(iter(connections))
        item = next(iter(connections[connection]))
        turn = self._scheduler[item]
        self.discard(item)
        # Whoever was served goes behind the others.
        if connection in connections:
            connections.move_to_end(connection)
        if address in self._addresses:
            self._addresses.move_to_end(address)
        return item, turn
