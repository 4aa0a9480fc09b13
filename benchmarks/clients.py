"""One client of a server, over HTTP or WebSocket: what the load generator is made of.

One structure for both, so that they cost the same here: requests are made before the
start, an answer that is byte for byte a checked one costs a look-up, any other is
parsed and checked. How many there are, and for how long, is ``load``'s.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

HOST = "127.0.0.1"
_KEY = b"\x37\xfa\x21\x3d"  # RFC 6455 5.7; servers unmask whatever the key
_CLOSE = b"\x88\x80" + _KEY
_KNOWN_MAX = 10_000  # an answer that is never the same, by a date say, must not fill the memory
clock = time.perf_counter


class WrongAnswer(Exception):
    """An answer that is not what the view returns: nothing that was measured counts."""


@dataclass(slots=True)
class Tally:
    """What the connections of one run share.

    Attributes:
        expected: the JSON value that every answer must hold; None for an echo.
        latencies: seconds, one for each answer.
        is_sending: whether an answer is followed by the next request.
    """

    expected: Any
    latencies: list[float] = field(default_factory=list)
    is_sending: bool = True
    failure: Exception | None = None


def text_frame(text: str) -> bytes:
    """A client's frame of at most 125 bytes, masked."""
    payload = text.encode()
    assert len(payload) < 126
    masked = bytes(byte ^ _KEY[index % 4] for index, byte in enumerate(payload))
    return bytes([0x81, 0x80 | len(payload)]) + _KEY + masked


class Connection(asyncio.Protocol):
    """One client. Subclasses say what is sent and how an answer is found in the bytes."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.rest = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment] # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("the server closed at once"))

    def data_received(self, data: bytes) -> None:
        try:
            self.take(self.rest + data if self.rest else data)
        except Exception as error:
            self.tally.failure = error
            self.transport.close()

    def take(self, data: bytes) -> None:
        """Take all whole answers out of ``data`` and keep what is left of it."""
        raise NotImplementedError

    def begin(self) -> None:
        """Send the first requests."""
        raise NotImplementedError

    def is_idle(self) -> bool:
        """Whether nothing is in flight."""
        raise NotImplementedError

    def close(self) -> None:
        """End in good order; ``closed`` follows."""
        self.transport.close()


class HTTPConnection(Connection):
    """HTTP/1.1 keep-alive: one request at a time, which ``in_flight`` must agree with."""

    def __init__(self, tally: Tally, port: int, path: str, in_flight: int) -> None:
        super().__init__(tally)
        assert in_flight == 1
        self.request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode()
        self.body = b""  # the answer's body with the empty line before it, once checked
        self.started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.opened.set_result(None)

    def begin(self) -> None:
        self.started = clock()
        self.transport.write(self.request)

    def is_idle(self) -> bool:
        return self.started == 0.0

    def take(self, data: bytes) -> None:
        if not (self.body and data.startswith(b"HTTP/1.1 200 ") and data.endswith(self.body)):
            if not self._check(data):
                self.rest = data
                return
        self.rest = b""
        now = clock()
        tally = self.tally
        tally.latencies.append(now - self.started)
        if tally.is_sending:
            self.started = now
            self.transport.write(self.request)
        else:
            self.started = 0.0

    def _check(self, data: bytes) -> bool:
        """Whether the answer is whole; raise when it is a wrong one."""
        head, found, body = data.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200 "):
            raise WrongAnswer(data[:300])
        fields = dict(
            line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line
        )
        if len(body) < int(fields[b"content-length"]):
            return False
        if json.loads(body) != self.tally.expected:
            raise WrongAnswer(data[:300])
        self.body = found + body
        return True


class WebSocketConnection(Connection):
    """A WebSocket with ``in_flight`` slots. A slot's id is used again when it was answered."""

    def __init__(self, tally: Tally, port: int, path: str, in_flight: int) -> None:
        super().__init__(tally)
        self.port = port
        texts = [f'{{"id":{slot},"url":"{path}"}}' for slot in range(in_flight)]
        self.frames = [text_frame(text) for text in texts]
        self.started = [0.0] * in_flight
        self.known: dict[bytes, int] = {}  # checked answers, and the slot that each belongs to
        if tally.expected is None:
            self.known = {text.encode(): slot for slot, text in enumerate(texts)}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(
            f"GET /ws/ HTTP/1.1\r\nHost: {HOST}:{self.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def begin(self) -> None:
        self.started = [clock()] * len(self.frames)
        self.transport.write(b"".join(self.frames))

    def is_idle(self) -> bool:
        return not any(self.started)

    def close(self) -> None:
        self.transport.write(_CLOSE)

    def take(self, data: bytes) -> None:
        if not self.opened.done():
            self._handshake(data)
            return
        start, end, again, frames, tally = 0, len(data), [], self.frames, self.tally
        while end - start >= 2:
            size, body = data[start + 1], start + 2
            if size == 126:
                if end - start < 4:
                    break
                size, body = int.from_bytes(data[body : body + 2]), body + 2
            elif size > 126:
                raise WrongAnswer("a frame that is masked or too long")
            if end < body + size:
                break
            if data[start] != 0x81:
                self._control(data[start])
                return
            payload = data[body : body + size]
            start = body + size
            slot = self.known.get(payload)
            if slot is None:
                slot = self._check(payload)
            now = clock()
            tally.latencies.append(now - self.started[slot])
            if tally.is_sending:
                self.started[slot] = now
                again.append(frames[slot])
            else:
                self.started[slot] = 0.0
        self.rest = data[start:]
        if again:
            self.transport.write(again[0] if len(again) == 1 else b"".join(again))

    def _handshake(self, data: bytes) -> None:
        head, found, self.rest = data.partition(b"\r\n\r\n")
        if not found:
            self.rest = data
        elif not head.startswith(b"HTTP/1.1 101 "):
            raise WrongAnswer(data[:300])
        else:
            self.opened.set_result(None)

    def _control(self, first_byte: int) -> None:
        if first_byte == 0x88 and self.is_idle():
            self.transport.close()
        else:
            raise WrongAnswer(f"a frame that begins with {first_byte:#x}")

    def _check(self, payload: bytes) -> int:
        answer = json.loads(payload)
        if answer.get("status") != 200 or answer["data"] != self.tally.expected:
            raise WrongAnswer(payload[:300])
        slot: int = answer["id"]
        if not self.started[slot]:
            raise WrongAnswer(f"id {slot} was answered twice")
        if len(self.known) < _KNOWN_MAX:
            self.known[payload] = slot
        return slot
