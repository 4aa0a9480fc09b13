"""Announces the end of a session to other processes, which close its sockets.

Those who can read the bus must not learn a session key, so its hash is sent.
"""

import os
from hashlib import blake2b

import msgspec

from wsrequest.bus.base import Topic

__all__ = ["LOGOUTS", "Logout", "session_digest"]

_BOOT = os.urandom(8).hex()


class Logout(msgspec.Struct, frozen=True, array_like=True):
    """The end of a session.

    Attributes:
        session: the digest of its key.
        except_connection_id: the connection that stays open, or None.
        process: where its sockets are closed already.
    """

    session: str
    except_connection_id: str | None
    process: str

    @classmethod
    def of(cls, session_key: str, except_connection_id: str | None) -> "Logout":
        """Return the end of a session whose sockets this process has closed."""
        return cls(session_digest(session_key), except_connection_id, _process())

    def is_own(self) -> bool:
        """Whether this process has announced it."""
        return self.process == _process()


def session_digest(session_key: str) -> str:
    """Return what names a session to other processes."""
    return blake2b(session_key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _process() -> str:
    return f"{_BOOT}:{os.getpid()}"  # a forked process has another pid


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Logout).decode

LOGOUTS: Topic[Logout] = Topic("logouts", _encode, _decode)
"""The topic of sessions that have ended."""
