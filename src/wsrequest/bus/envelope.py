"""The bytes of a message on a broker: its publisher, its number, and a signature.

Everyone who can reach the broker can send bytes on the channel. Only processes that know the
project's secret can sign them. A message of a stranger, or of another project, is not a message.
"""

from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest

import msgspec

__all__ = ["MAX_OVERHEAD_BYTES", "Envelope", "OtherRelease", "Seal", "Stranger"]

MAX_OVERHEAD_BYTES = 128
"""A sealed message is at most this much longer than its payload and the name of its topic."""

_VERSION = b"\x01"
_KEY_BYTES, _SIGNATURE_BYTES = 32, 16


class Stranger(ValueError):
    """The bytes are not signed with a key of this project."""


class OtherRelease(ValueError):
    """The bytes come from this project, but from a release with another format."""


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """One message of one publisher.

    Attributes:
        epoch: random bytes that name the publisher. A process that forks gets another.
        number: 1 for the publisher's first message, and one more for each further message. A
            heartbeat repeats the number of the last message.
        pause_ms: time between the message with the number before and this one.
        topic: its name. Empty for a heartbeat.
        payload: as the topic encodes it.
    """

    epoch: bytes
    number: int
    pause_ms: int
    topic: str
    payload: bytes


class Seal:
    """Signs and checks messages.

    Args:
        secrets: the project's secret keys. The first signs, and any of them is accepted, so that
            keys can be rotated.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = [
            blake2b(secret, digest_size=_KEY_BYTES, person=b"wsrequest.bus").digest()
            for secret in secrets
        ]

    def close(self, envelope: Envelope) -> bytes:
        """Return the signed bytes of a message."""
        body = _VERSION + _encode(envelope)
        return body[:1] + _signature(self._keys[0], body) + body[1:]

    def open(self, sealed: bytes) -> Envelope:
        """Return the message that was signed.

        Raises:
            Stranger: no key of this project has made the signature.
            OtherRelease: the signature is right, and the format is unknown.
        """
        end = 1 + _SIGNATURE_BYTES
        body = sealed[:1] + sealed[end:]
        for key in self._keys:
            if compare_digest(sealed[1:end], _signature(key, body)):
                break
        else:
            raise Stranger
        if sealed[:1] != _VERSION:
            raise OtherRelease
        try:
            return _decode(body[1:])
        except msgspec.MsgspecError as error:
            raise OtherRelease from error


def _signature(key: bytes, body: bytes) -> bytes:
    return blake2b(body, digest_size=_SIGNATURE_BYTES, key=key).digest()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode
