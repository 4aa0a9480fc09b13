"""A process that writes: it reads transactions from its input and answers each with a line.

With ORACLE_LOSSY, what it sends to the bus is dropped, sent twice, swapped or late, by chance. To
the line "settle" it answers when nothing is lost without a later message that shows it.
"""

import json
import os
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

import django

from wsrequest.bus.engine import Sender

_SETTLE_SECONDS = 40.0  # longer than from one heartbeat to the next


class LossySender:
    """Sends messages as a bad network would.

    It never fails twice in a row. Otherwise it might lose the last message and the heartbeats of
    the seconds that follow, and nothing would show the loss in time.
    """

    def __init__(self, sender: Sender, dice: random.Random) -> None:
        self._sender, self._dice = sender, dice
        self._late: list[bytes] = []
        self._hides_loss = False  # nothing was sent since the last message that was dropped
        self.is_honest = False

    @property
    def is_settled(self) -> bool:
        """Whether everything was sent, or what was sent shows what was not."""
        return not (self._hides_loss or self._late)

    def send(self, channel: str, messages: Sequence[bytes]) -> None:
        for message in messages:
            chance = self._dice.random()
            if self.is_honest or not self.is_settled:
                chance = 0.5
            if chance < 0.2:
                self._hides_loss = True
                continue
            if chance < 0.3:
                self._late.append(message)
                continue
            if chance < 0.4:
                time.sleep(0.05)
            self._sender.send(channel, [message] * (2 if chance > 0.9 else 1))
            self._hides_loss = False
            for late in self._late:
                self._sender.send(channel, [late])
            self._late.clear()

    def close(self) -> None:
        self._sender.close()


def _be_lossy(seed: str) -> None:
    from django.apps import apps

    config: Any = apps.get_app_config("wsrequest")
    engine, dice = config.live.bus._publisher._engine, random.Random(seed)
    connect = engine.connect_sender
    engine.connect_sender = lambda: LossySender(connect(), dice)


def _settle() -> bool:
    from django.apps import apps

    config: Any = apps.get_app_config("wsrequest")
    bus, deadline = config.live.bus, time.monotonic() + _SETTLE_SECONDS
    if not bus.flush(_SETTLE_SECONDS):
        return False
    sender = bus._publisher._sender
    if not isinstance(sender, LossySender):
        return True
    sender.is_honest = True
    while not sender.is_settled and time.monotonic() < deadline:
        time.sleep(0.05)  # until the next heartbeat
    return sender.is_settled


def main() -> None:
    """Write until the input ends."""
    django.setup()
    from django.db import close_old_connections

    from tests.oracle.world import forgetting
    from tests.oracle.writes import run

    if seed := os.environ.get("ORACLE_LOSSY"):
        _be_lossy(seed)
    with forgetting():
        print("ready", flush=True)
        for line in sys.stdin:
            if line == "settle\n":
                print(json.dumps(_settle()), flush=True)
                continue
            close_old_connections()  # the database may have been killed
            mode, operations = json.loads(line)
            print(json.dumps(run(mode, operations)), flush=True)


if __name__ == "__main__":
    main()
