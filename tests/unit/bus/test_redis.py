"""What redis-py does by itself, and what must be known of it."""

from typing import Any

import pytest
import redis

from wsrequest.bus.engine import Unavailable
from wsrequest.bus.redis import RedisEngine


class PubSub:
    """A subscription whose connection breaks behind one message, and is renewed by redis-py."""

    def __init__(self) -> None:
        self._answers: list[Any] = [
            {"type": "subscribe", "channel": b"channel"},
            {"type": "message", "data": b"one"},
            redis.ConnectionError("broken"),
            {"type": "message", "data": b"three"},
        ]

    def subscribe(self, *channels: str) -> None:
        pass

    def get_message(self, timeout: float) -> Any:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


class Client:
    def pubsub(self) -> PubSub:
        return PubSub()

    def close(self) -> None:
        pass


def test_connection_that_breaks_behind_a_message_is_a_loss() -> None:
    receiver = RedisEngine("Redis", lambda **options: Client()).connect_receiver(["channel"])
    assert receiver.receive(1) == [b"one"]
    with pytest.raises(Unavailable, match="broken"):
        receiver.receive(1)
