"""A queue with fair turns: by address, then by connection.

Each step takes the same time, however many items wait. Pure: standard library only.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

__all__ = ["RoundRobin", "Turn"]

T = TypeVar("T", bound=Hashable)


class Turn(NamedTuple):
    """The turn in which something waits.

    Attributes:
        address: what the connections of one client machine have in common.
        connection: one of these connections.
    """

    address: Hashable
    connection: Hashable


class RoundRobin(Generic[T]):
    """Items that wait. ``len`` counts them.

    Addresses are served in turn, then the connections of an address in turn. Within a connection,
    the first item is first. A client with one item therefore waits for one item of each other
    address, not for all of them.
    """

    def __init__(self) -> None:
        # Ordered dicts, because finding the first key of a plain dict is slow after many removals.
        self._addresses: OrderedDict[Hashable, OrderedDict[Hashable, OrderedDict[T, None]]] = (
            OrderedDict()
        )
        self._turns: dict[T, Turn] = {}

    def __len__(self) -> int:
        return len(self._turns)

    def __contains__(self, item: T) -> bool:
        return item in self._turns

    def has(self, address: Hashable) -> bool:
        """Whether an item of an address waits."""
        return address in self._addresses

    def add(self, item: T, turn: Turn) -> None:
        """Add an item at the end of its turn. An item that already waits keeps its place."""
        if item not in self._turns:
            self._turns[item] = turn
            connections = self._addresses.setdefault(turn.address, OrderedDict())
            connections.setdefault(turn.connection, OrderedDict())[item] = None

    def discard(self, item: T) -> None:
        """Remove an item, wherever it is. Does nothing if it does not wait."""
        turn = self._turns.pop(item, None)
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
        """Remove and return the next item.

        Args:
            may_have: whether an address may be served now. An address that may not keeps its place.

        Returns:
            The item and its turn. None if no item waits, or no address may be served.
        """
        for address in self._addresses:
            if may_have(address):
                break
        else:
            return None
        connections = self._addresses[address]
        connection = next(iter(connections))
        item = next(iter(connections[connection]))
        turn = self._turns[item]
        self.discard(item)
        # A turn that was served goes to the end.
        if connection in connections:
            connections.move_to_end(connection)
        if address in self._addresses:
            self._addresses.move_to_end(address)
        return item, turn
