"""Bugs to plant in the servers: the run must find each."""

from collections.abc import Callable
from itertools import count

from wsrequest.push.events import Event
from wsrequest.push.registry import Registry
from wsrequest.push.room import Listener, Room, RoomKey

__all__ = ["BUGS", "plant"]

_RARELY = 10
_receive = Registry.receive


def _plant(receive: Callable[[Registry, int, Event], None]) -> None:
    Registry.receive = receive  # type: ignore[method-assign, assignment]  # no bound method


def _drops() -> None:
    """Some events get no number and come to nobody."""
    numbers = count()

    def receive(self: Registry, position: int, event: Event) -> None:
        if next(numbers) % _RARELY:
            _receive(self, position, event)

    _plant(receive)


def _repeats() -> None:
    """Some events come twice."""
    numbers = count()

    def receive(self: Registry, position: int, event: Event) -> None:
        for _ in range(1 if next(numbers) % _RARELY else 2):
            _receive(self, position, event)

    _plant(receive)


def _swaps() -> None:
    """Some events come after those that follow them."""
    numbers = count()
    late: list[Event] = []

    def receive(self: Registry, position: int, event: Event) -> None:
        if next(numbers) % _RARELY == 0:
            late.append(event)
            return
        _receive(self, position, event)
        if len(late) == 1 and next(numbers) % 3 == 0:
            _receive(self, position, late.pop())

    _plant(receive)


def _no_loss() -> None:
    """Nobody is told what the bus has lost."""
    Registry.lost = lambda self: None  # type: ignore[method-assign]


def _no_replay() -> None:
    """Who comes back is sent nothing of what came since."""
    enter = Registry.enter

    def no_replay(
        self: Registry, listener: Listener, key: RoomKey, since: str | None = None
    ) -> tuple[Room, bool]:
        return enter(self, listener, key)

    Registry.enter = no_replay  # type: ignore[method-assign]


BUGS: dict[str, Callable[[], None]] = {
    "drops": _drops,
    "repeats": _repeats,
    "swaps": _swaps,
    "no-loss": _no_loss,
    "no-replay": _no_replay,
}


def plant(name: str | None) -> None:
    """Plant a bug in this process for good."""
    if name:
        BUGS[name]()
