"""The write-ahead logs of several PostgreSQL databases, read by one thread as one stream.

Each database has its own connections and its own slot. Their commits have no common order, and need
none. If one of them breaks, all are read from the beginning: a process that misses the commits of
one database is as uncertain as one that misses all.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector

from wsrequest.bus.engine import Keeping, Kept, LoggedCommit, Sequenced, Unavailable
from wsrequest.bus.postgres_log import LogReceiver, LogSender, PostgresLogEngine

__all__ = ["PostgresLogsEngine"]


class PostgresLogsEngine:
    """An ``Engine`` for several databases.

    Args:
        streams: one for each database. The first also carries everything that is not a commit.

    Attributes:
        streams: see above. A process must hear itself through each of them.
        databases: the aliases by which commits name them.
        is_sequencing: what the first carries arrives with its number.
        keeping: how many messages the first keeps, or None.
    """

    is_sequencing = True

    def __init__(self, streams: Sequence[PostgresLogEngine]) -> None:
        self.streams = streams
        self.databases = tuple(alias for each in streams for alias in each.databases)
        self.address = "; ".join(each.address for each in streams)
        self.max_message_bytes = streams[0].max_message_bytes
        # Those that are ready, while others are not.
        self._process, self._ready = os.getpid(), dict[PostgresLogEngine, LogReceiver]()

    @property
    def keeping(self) -> Keeping | None:
        """How many messages the first keeps."""
        return self.streams[0].keeping

    @keeping.setter
    def keeping(self, keeping: Keeping) -> None:
        self.streams[0].keeping = keeping

    def connect_sender(self) -> LogSender:
        """See ``Engine.connect_sender``."""
        return self.streams[0].connect_sender()

    def connect_receiver(self, channels: Sequence[str]) -> "_Receiver":
        """See ``Engine.connect_receiver``.

        If one of them is not ready, the next call goes on with the others. What arrives on those
        until then is dropped, because everything before a new connection counts as lost.
        """
        if self._process != os.getpid():
            self._process, self._ready = os.getpid(), {}  # the others are the parent's
        for stream, receiver in list(self._ready.items()):
            try:
                receiver.receive(0)
            except Unavailable:
                self._ready.pop(stream).close()
        for stream in self.streams:
            if stream not in self._ready:
                try:
                    self._ready[stream] = stream.connect_receiver(channels)
                except Unavailable as error:
                    raise Unavailable(f"{stream.address}: {error}") from error
        receivers = [self._ready.pop(stream) for stream in self.streams]
        return _Receiver(dict(zip(receivers, self.streams, strict=True)))


class _Receiver:
    def __init__(self, streams: dict[LogReceiver, PostgresLogEngine]) -> None:
        self._streams = streams

    def receive(self, seconds: float) -> Sequence[bytes | Sequenced | LoggedCommit]:
        """See ``Receiver.receive``."""
        self._wait(min(each.patience(seconds) for each in self._streams))
        found: list[bytes | Sequenced | LoggedCommit] = []
        for index, (receiver, stream) in enumerate(self._streams.items()):
            try:
                for item in receiver.receive(0):
                    if index and isinstance(item, Sequenced):
                        found.append(item.content)  # a heartbeat. Logs have no common order
                    else:
                        found.append(item)
            except Unavailable as error:
                raise Unavailable(f"{stream.address}: {error}") from error
        return found

    def kept(self, channel: str, since: tuple[str, int] | None) -> Kept:
        """See ``KeepingReceiver.kept``."""
        receiver, stream = next(iter(self._streams.items()))
        try:
            return receiver.kept(channel, since)
        except Unavailable as error:
            raise Unavailable(f"{stream.address}: {error}") from error

    def _wait(self, seconds: float) -> None:
        with DefaultSelector() as selector:
            for receiver in self._streams:
                selector.register(receiver.socket, EVENT_READ)
            selector.select(seconds)

    def close(self) -> None:
        """See ``Receiver.close``."""
        for receiver in self._streams:
            with suppress(Exception):
                receiver.close()
