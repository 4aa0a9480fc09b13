"""How much of the log one call takes."""

from struct import Struct
from typing import Any

from wsrequest.bus.pgoutput import Decoder
from wsrequest.bus.postgres_log import LogReceiver

_HEAD, _MESSAGE = Struct(">cqqq"), Struct(">cBq")


class Stream:
    """The replication connection, on which messages have arrived."""

    socket = 0

    def __init__(self, messages: list[bytes]) -> None:
        self._data = [
            _HEAD.pack(b"w", 0, 0, 0)
            + _MESSAGE.pack(b"M", 0, 0)
            + b"channel\0"
            + len(message).to_bytes(4, "big")
            + message
            for message in messages
        ]

    def copied(self, seconds: float) -> bytes | None:
        return self._data.pop(0) if self._data else None


def receiver_of(messages: list[bytes]) -> LogReceiver:
    stream: Any = Stream(messages)
    return LogReceiver(stream, stream, Decoder("default", ["channel"]), "channel")


def test_one_call_takes_a_few_large_messages_only() -> None:
    large = b"x" * 2**20
    receiver = receiver_of([large] * 50)
    found: list[Any] = []
    while taken := receiver.receive(0):
        assert len(taken) <= 6
        found += taken
    assert found == [large] * 50


def test_what_is_left_is_not_waited_for() -> None:
    """The socket has nothing more, because all of it was read."""
    receiver = receiver_of([b"x" * 2**20] * 50)
    receiver.receive(0)
    assert receiver.patience(1.0) == 0
    while receiver.receive(0):
        pass
    assert receiver.patience(1.0) == 1.0
