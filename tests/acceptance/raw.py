"""WebSocket frames as bytes, for what no WebSocket library would send (RFC 6455 5.2)."""

import struct
import zlib
from collections.abc import Iterator
from functools import cache

from tests.acceptance.client import Client

__all__ = ["BINARY", "CONTINUATION", "TEXT", "bomb", "raw_frame", "send_raw"]

CONTINUATION, TEXT, BINARY = 0, 1, 2
DEFLATED = 0x40  # RSV1 (RFC 7692 6)


def raw_frame(
    opcode: int, payload: bytes, *, fin: bool = True, deflated: bool = False, length: int = -1
) -> bytes:
    """Return one masked frame; ``length`` is what it claims to hold, where that is not true."""
    length = len(payload) if length < 0 else length
    first = opcode | (0x80 if fin else 0) | (DEFLATED if deflated else 0)
    if length < 126:
        head = struct.pack("!BB", first, 0x80 | length)
    elif length < 2**16:
        head = struct.pack("!BBH", first, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, length)
    return head + bytes(4) + payload  # a mask of zeros changes nothing


def send_raw(client: Client, *frames: bytes) -> None:
    """Send bytes past the library; the server may hang up in the middle of them."""
    try:
        for frame in frames:
            client.socket.socket.sendall(frame)
    except OSError:
        pass  # it has: what the test asks for is how the others fare


def bomb(megabytes: int, *, frames: int = 1) -> Iterator[bytes]:
    """Yield a text message that is ``megabytes`` MB of one letter when it is inflated."""
    packed = _packed(megabytes)
    size = -(-len(packed) // frames)
    for n in range(frames):
        yield raw_frame(
            CONTINUATION if n else TEXT,
            packed[n * size : (n + 1) * size],
            fin=n == frames - 1,
            deflated=not n,
        )


@cache
def _packed(megabytes: int) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(deflate.compress(b"a" * 2**20) for _ in range(megabytes))
    return packed + deflate.flush(zlib.Z_SYNC_FLUSH)[:-4]
