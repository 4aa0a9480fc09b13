"""The bytes of a message on a broker: its publisher, its number, and a signature.

Everyone who can reach the broker can send bytes on the channel. Only processes that know the
project's secret can sign them. A message of a stranger, or of another project, is not a message.
"""

from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest

import msgspec

__all__ = ["MAX_KEYS", "Envelope", "OtherRelease", "Seal", "Stranger"]

MAX_KEYS = 8
"""Secret keys of one project that sign and are accepted. Further ones are left out."""

_VERSION = b"\x01"
_KEY_BYTES, _SIGNATURE_BYTES = 32, 16
_ENVELOPE_BYTES = 80  # all but signatures, topic and payload


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

    A message bears a signature by each key, and one that is known suffices. So keys can be rotated
    while processes with the old and the new settings run side by side.

    Args:
        secrets: the project's secret keys. At most ``MAX_KEYS`` are used, the first ones.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = [
            blake2b(secret, digest_size=_KEY_BYTES, person=b"wsrequest.bus").digest()
            for secret in secrets[:MAX_KEYS]
        ]

    @property
    def overhead_bytes(self) -> int:
        """How much longer a signed message is, at most, than its payload and its topic's name."""
        return _ENVELOPE_BYTES + _SIGNATURE_BYTES * len(self._keys)

    def close(self, envelope: Envelope) -> bytes:
        """Return the signed bytes of a message."""
        body = _encode(envelope)
        head = _VERSION + bytes([len(self._keys)])
        signatures = [_signature(key, _VERSION + body) for key in self._keys]
        return b"".join((head, *signatures, body))

    def open(self, sealed: bytes) -> Envelope:
        """Return the message that was signed.

        Raises:
            Stranger: no signature is by a key of this project.
            OtherRelease: a signature is right, and the format is unknown.
        """
        count = sealed[1] if len(sealed) > 1 else 0
        end = 2 + count * _SIGNATURE_BYTES
        if not 0 < count <= MAX_KEYS or len(sealed) < end:
            raise Stranger
        body = sealed[end:]
        signatures = [sealed[n : n + _SIGNATURE_BYTES] for n in range(2, end, _SIGNATURE_BYTES)]
        if not any(
            compare_digest(signature, expected)
            for expected in (_signature(key, sealed[:1] + body) for key in self._keys)
            for signature in signatures
        ):
            raise Stranger
        if sealed[:1] != _VERSION:
            raise OtherRelease
        try:
            return _decode(body)
        except msgspec.MsgspecError as error:
            raise OtherRelease from error


def _signature(key: bytes, body: bytes) -> bytes:
    return blake2b(body, digest_size=_SIGNATURE_BYTES, key=key).digest()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode
