"""Split the bytes of a WebSocket into frames, and decode the plain ones.

Implements the part of RFC 6455 section 5.2 that shows where a frame ends. A plain frame is a whole
message of moderate size, as nearly all frames of clients are. All other frames, and all invalid
bytes, are left unchanged for a full implementation.
"""

from collections.abc import Callable

from wsrequest.types import Frame

__all__ = ["MAX_PLAIN_BYTES", "FrameParser", "join"]

# Above this size, decoding a frame costs little compared with handling it. A frame that arrives in
# pieces is joined again for each piece, so this also bounds the cost of many tiny pieces.
MAX_PLAIN_BYTES = 16384

_TEXT, _BINARY = 0x81, 0x82  # whole messages (FIN) without an extension (RSV)
_MASKED = 0x80


class FrameParser:
    """Parses the frames of one client, from the first byte after its handshake.

    Args:
        max_bytes: the largest payload of a plain frame, at most ``MAX_PLAIN_BYTES``.
        take: called with the message of each plain frame. It returns False if it cannot take
            the message now.
        leave: called with the bytes of everything else, in order, as they arrive.
    """

    __slots__ = ("_is_fragmented", "_is_lost", "_kept", "_leave", "_max_bytes", "_owed", "_take")

    def __init__(
        self, max_bytes: int, take: Callable[[Frame], bool], leave: Callable[[bytes], None]
    ) -> None:
        self._max_bytes = min(max_bytes, MAX_PLAIN_BYTES)
        self._take, self._leave = take, leave
        self._kept = b""  # the start of an incomplete frame
        self._owed = 0  # how many bytes of a frame for ``leave`` have not arrived yet
        self._is_fragmented = False  # a message in several frames has begun
        self._is_lost = False  # the client broke the protocol: no more frames can be recognized

    def receive(self, data: bytes) -> None:
        """Parse the bytes that arrived: pieces of any size, with any number of frames."""
        if self._kept:
            data, self._kept = self._kept + data, b""
        start = 0
        if self._owed:
            start = min(self._owed, len(data))
            self._owed -= start
            self._leave(data[:start])
        while start < len(data) and not self._is_lost:
            payload = _payload(data, start)
            if payload is None:
                self._kept = data[start:]
                return
            begin, end = payload
            first = data[start]
            if not data[start + 1] & _MASKED:
                self._is_lost = True  # RFC 6455 5.1
            elif (
                (first == _TEXT or first == _BINARY)
                and not self._is_fragmented
                and end - begin <= self._max_bytes
            ):
                if end > len(data):
                    self._kept = data[start:]
                    return
                message = _read(first, data, begin, end)
                if message is None or not self._take(message):
                    self._leave(data[start:end])
                start = end
            else:
                if first & 0x0F < 8:  # else a control frame, which may come between fragments
                    self._is_fragmented = not first & 0x80
                self._owed = max(0, end - len(data))
                self._leave(data[start:end])
                start = end
        if start < len(data):
            self._leave(data[start:])


def _payload(data: bytes, start: int) -> tuple[int, int] | None:
    """Return the start and end of the payload of the frame at ``start``, or None if unknown yet."""
    left = len(data) - start
    if left < 2:
        return None
    length = data[start + 1] & 0x7F
    if length < 126:
        return start + 6, start + 6 + length
    size = 2 if length == 126 else 8
    if left < 2 + size:
        return None
    length = int.from_bytes(data[start + 2 : start + 2 + size])
    begin = start + 6 + size
    return begin, begin + length


def _read(first: int, data: bytes, begin: int, end: int) -> Frame | None:
    """Return the message of a plain frame, or None for text that is not UTF-8."""
    length = end - begin
    mask = data[begin - 4 : begin] * (length // 4 + 1)
    # One operation on integers of any size unmasks all bytes at once (RFC 6455 5.3).
    bits = int.from_bytes(data[begin:end], "little") ^ int.from_bytes(mask[:length], "little")
    payload = bits.to_bytes(length, "little")
    if first == _BINARY:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def join(message: Frame) -> bytes:
    """Return the server's frame for a message: unfragmented and unmasked."""
    first, payload = (_BINARY, message) if isinstance(message, bytes) else (_TEXT, message.encode())
    length = len(payload)
    if length < 126:
        head = bytes((first, length))
    elif length <= 0xFFFF:
        head = bytes((first, 126)) + length.to_bytes(2)
    else:
        head = bytes((first, 127)) + length.to_bytes(8)
    return head + payload
