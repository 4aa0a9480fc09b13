"""What redis-py does by itself, and what must be known of it."""

from typing import Any

import pytest
import redis

from wsrequest.bus.engine import Unavailable
from wsrequest.bus.redis import RedisEngine


class PubSub:
    """A subscription with some answers. redis-py renews one whose connection breaks."""

    def __init__(self, answers: list[Any]) -> None:
        self._answers = [{"type": "subscribe", "channel": b"channel"}, *answers]

    def subscribe(self, *channels: str) -> None:
        pass

    def get_message(self, timeout: float) -> Any:
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


class Client:
    def __init__(self, *answers: Any) -> None:
        self._answers = answers

    def pubsub(self) -> PubSub:
        return PubSub([*self._answers])

    def close(self) -> None:
        pass


def receiver_of(*answers: Any) -> Any:
    engine = RedisEngine("Redis", lambda **options: Client(*answers))
    return engine.connect_receiver(["channel"])


def message(data: bytes) -> dict[str, Any]:
    return {"type": "message", "data": data}


def test_connection_that_breaks_behind_a_message_is_a_loss() -> None:
    receiver = receiver_of(message(b"one"), redis.ConnectionError("broken"), message(b"three"))
    assert receiver.receive(1) == [b"one"]
    with pytest.raises(Unavailable, match="broken"):
        receiver.receive(1)


def test_one_call_takes_a_few_large_messages_only() -> None:
    large = b"x" * 2**20
    receiver = receiver_of(*[message(large)] * 50)
    found = []
    while taken := receiver.receive(0):
        assert len(taken) <= 5
        found += taken
    assert found == [large] * 50
