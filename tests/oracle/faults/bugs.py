"""Bugs to plant in the servers: the run under faults must find each."""

import math
from collections.abc import Callable
from typing import Any

from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.relayed import RelayedLog
from wsrequest.bus.sequences import Arrival, Sequences

__all__ = ["BUGS", "plant"]


def _no_gaps() -> None:
    """The numbers of messages are not looked at."""
    Sequences.check = lambda self, envelope, receiving_seconds: Arrival.NEXT  # type: ignore[method-assign]


def _no_loss() -> None:
    """Whatever was lost is forgotten, also when the connection was lost."""

    def lose(self: Any, topic: Any = None, publisher: bytes | None = None) -> None:
        pass

    BrokerBus._lose = lose  # type: ignore[method-assign]


def _no_messages() -> None:
    """What other processes publish is not passed on."""

    def pass_on(self: Any, envelope: Any, place: Any, *, is_own: bool) -> None:
        pass

    BrokerBus._pass_on = pass_on  # type: ignore[method-assign]


def _no_readings() -> None:
    """Neither the silence of a relay is noticed, nor that it has begun to read again."""

    def follow(self: Any, epoch: bytes, relayed: Any, now: float) -> bool:
        self.heard_at = math.inf
        return bool(relayed.reading)

    RelayedLog.follow = follow  # type: ignore[method-assign]


BUGS: dict[str, Callable[[], None]] = {
    "no-gaps": _no_gaps,
    "no-loss": _no_loss,
    "no-messages": _no_messages,
    "no-readings": _no_readings,
}


def plant(name: str | None) -> None:
    """Plant a bug in this process for good."""
    if name:
        BUGS[name]()
