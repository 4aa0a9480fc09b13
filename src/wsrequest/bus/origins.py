"""Says which live run wrote a transaction that a database reports.

A rerun's own writes must not make it run again, and two processes must not make each other run
without end. So a rerun writes its origin into its transaction. When the commit comes back, the
process that wrote it knows the run. Others learn how many reruns have triggered each other in a
row.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Any

import msgspec

from wsrequest.bus.envelope import Envelope, Seal
from wsrequest.types import RemoteRerun

__all__ = ["PREFIX_END", "Origins"]

PREFIX_END = ".origin"
"""The channel followed by this is the prefix of the message that holds an origin."""

_MAX_RUNS = 1000
_SECONDS = 60.0  # that a run is remembered. Its commit may wait for a lock or a standby
_TOPIC = "origin"


class Origins:
    """The reruns of one process that have written. From any thread.

    Args:
        seal: signs origins, because everybody who may write to the database can emit messages.
        epoch: returns what names this process.
    """

    def __init__(self, seal: Seal, epoch: Callable[[], bytes]) -> None:
        self._seal, self._epoch = seal, epoch
        self._lock = threading.Lock()
        self._runs: OrderedDict[int, tuple[float, object]] = OrderedDict()  # the oldest first

    def encode(self, run: Any) -> bytes | None:
        """Return what a run writes into its transaction. None unless it is a rerun."""
        if not getattr(run, "is_rerun", False):
            return None
        number, now = id(run) % 2**63, monotonic()
        with self._lock:
            self._runs[number] = now, run
            self._runs.move_to_end(number)
            while (
                len(self._runs) > _MAX_RUNS or next(iter(self._runs.values()))[0] < now - _SECONDS
            ):
                self._runs.popitem(last=False)
        query = id(getattr(run, "query", None)) % 2**63
        feedback_runs = min(getattr(run, "feedback_runs", 0), 2**31)
        payload = _encode((number, query, feedback_runs))
        return self._seal.close(Envelope(self._epoch(), 0, 0, _TOPIC, payload))

    def decode(self, origin: bytes | None) -> object | None:
        """Return the run that wrote an origin, as ``Commit.run`` has it.

        Returns:
            The run itself, if it is one of this process. A ``RemoteRerun`` for one of another
            process. None if nobody of this project has signed the origin.
        """
        if origin is None:
            return None
        try:
            envelope = self._seal.open(origin)
            if envelope.topic != _TOPIC:
                return None
            number, query, feedback_runs = _decode(envelope.payload)
        except ValueError:
            return None
        if envelope.epoch == self._epoch():
            with self._lock:
                found = self._runs.get(number)
            if found is not None:
                return found[1]
        return RemoteRerun(query, feedback_runs)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, int, int]).decode
