"""The bus of several processes: any broker that sends bytes from one process to all others.

Messages reach the receivers of their own process directly, as on a ``MemoryBus``. For the others
they go to the broker. So a process is current about itself even if the broker is down. Messages of
a topic that needs an order go through the broker for all, if the broker puts them into one.

A broker may lose messages. This bus notices it by their numbers (``sequences``), and by its own
heartbeat: a process that receives sends itself one each second, through the broker. If it does not
come back, the process is cut off.

A database that is the broker also reports its own commits, those of this process among them. They
go to the receivers of commits as if their writer had published them.
"""

import logging
import os
import random
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, TypeVar, cast
from weakref import WeakSet

from wsrequest.bus import engine as engine_module
from wsrequest.bus.base import Post, Subscription, Topic
from wsrequest.bus.codec import CHANGES
from wsrequest.bus.echoes import Echoes
from wsrequest.bus.engine import (
    Engine,
    KeepingReceiver,
    LoggedCommit,
    Receiver,
    Sequenced,
    Unavailable,
)
from wsrequest.bus.envelope import Envelope, Seal
from wsrequest.bus.marks import Marks
from wsrequest.bus.memory import MemoryBus
from wsrequest.bus.opening import Opener
from wsrequest.bus.origins import PREFIX_END, Origins
from wsrequest.bus.publisher import Published, Publisher
from wsrequest.bus.recovery import Recovery
from wsrequest.bus.relayed import LOG, RELAYED, Relayed, RelayedLog
from wsrequest.bus.sequences import Arrival, Sequences
from wsrequest.types import Commit

__all__ = ["BrokerBus"]

T = TypeVar("T")

logger = logging.getLogger("wsrequest.bus")

_CUT_OFF_SECONDS = 3.0  # since the last heartbeat that came back was sent
_WAIT_SECONDS = 0.2  # for messages, before looking at the clock
_PAUSES = (0.05, 1.0)  # seconds before connecting again: the first, and the longest


class BrokerBus:
    """A ``Bus`` of all processes that use one channel of one broker, and one secret.

    Args:
        engine: connects to the broker.
        channel: the name of the channel.
        secrets: the project's secret keys. The first signs what is published.
        relayed: the logs that another process reads for this one, if any.

    Attributes:
        lost_count: how many times messages of others may have been lost.
        is_connected: whether messages of other processes arrive.
        is_ready: see ``Bus``.
        logged_databases: aliases of the databases that report their commits themselves.
        adapt: changes a commit that a database reports, before it is passed on. Called on the
            receiving thread.
    """

    adapt: Callable[[Commit], Commit]

    def __init__(
        self,
        engine: Engine,
        channel: str,
        secrets: Sequence[bytes],
        relayed: RelayedLog | None = None,
    ) -> None:
        self._engine, self._channel, self._seal = engine, channel, Seal(secrets)
        # One for each stream that must be heard. The first sends what is published.
        streams = engine_module.streams_of(engine)
        self._publishers = [Publisher(each, channel, self._seal) for each in streams]
        self._publisher = self._publishers[0]
        self._is_sequencing = engine_module.is_sequencing(engine)
        self._relayed = relayed
        self._log_channel = relayed.channel if relayed else channel
        databases = engine_module.databases_of(engine)
        self.logged_databases = relayed.databases if relayed else databases
        self.adapt = lambda commit: commit
        self._abandoned: list[object] = []
        self._receiver: Receiver | None = None
        self._reset()
        _buses.add(self)

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._origins = Origins(self._seal, lambda: self._publisher.epoch)
        self._local = MemoryBus()
        self._topics: dict[str, Topic[Any]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._marks = Marks()
        self.lost_count = 0
        self.is_connected = True
        self.is_ready = False
        # The rest is used by the receiving thread only.
        self._abandoned.append(self._receiver)  # it belongs to the parent
        self._receiver = None
        self._sequences = Sequences()
        is_keeping = engine_module.keeping_of(self._engine) is not None
        recovery = Recovery(self._seal, self._channel, self._local, self._topics)
        self._recovery = recovery if is_keeping else None
        self._echoes = Echoes(self._publishers, 0.0)
        self._began_at = 0.0
        self._opener = Opener(self._seal, self._channel, self._lose)
        self._failures = 0

    def after_fork(self) -> None:
        """Start from the beginning in a forked process. The receivers are the parent's."""
        for publisher in self._all_publishers():
            publisher.reset()
        self._reset()

    def _all_publishers(self) -> list[Publisher]:
        marking = self._relayed.publishers if self._relayed else []
        return [*self._publishers, *marking]

    def _notice_fork(self) -> None:
        """Some servers, such as uWSGI, fork without Python's hooks."""
        if self._pid != os.getpid():
            self.after_fork()

    def publish(self, topic: Topic[T], message: T) -> None:
        """See ``Bus.publish``. It only appends to a queue."""
        self._notice_fork()
        if not self._is_closed:
            if topic.number is None or not self._is_sequencing:
                self._local.publish(topic, message)
            self._publisher.put(topic, message)

    def max_bytes(self, topic: Topic[Any]) -> int:
        """Return how long an encoded message may be. A longer one is lost for all receivers."""
        return self._publisher.max_bytes(topic)

    def subscribe(
        self,
        topic: Topic[T],
        receive: Callable[[int, T], None],
        lost: Callable[[], None],
        *,
        post: Post,
        connected: Callable[[bool], None] = lambda is_connected: None,
        queue_length: int = 10_000,
    ) -> Subscription:
        """See ``Bus.subscribe``. The first call of a process begins to receive from the broker.

        Raises:
            RuntimeError: the bus is closed, or the receiving thread cannot be started.
        """
        self._notice_fork()
        self._topics[topic.name] = topic
        subscription = self._local.subscribe(
            topic, receive, lost, post=post, connected=connected, queue_length=queue_length
        )
        with self._lock:
            if self._thread is None and not self._is_closed:
                self._echoes = Echoes(self._publishers, monotonic())
                if self._relayed:
                    self._relayed.begin(monotonic())
                thread = threading.Thread(
                    target=self._run, args=(self._lock,), name="wsrequest-bus-receiver", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:  # too many threads. Nothing would be received
                    subscription.close()
                    raise
                self._thread = thread
        for publisher in self._publishers:
            publisher.loop()
        return subscription

    def position(self, topic: Topic[T]) -> int:
        """See ``Bus.position``."""
        return self._local.position(topic)

    def when_current(self, then: Callable[[bool], None]) -> bool:
        """See ``Bus.when_current``."""
        if not self.logged_databases or self._thread is None or self._is_closed:
            return True
        self._marks.wait(then, self._send_mark, monotonic())
        if not self.is_connected:
            self._marks.end(has_arrived=False)  # nothing comes back
        return False

    def _send_mark(self, number: int) -> None:
        if self._relayed:
            self._relayed.send_mark(self._publisher.epoch, number)
        else:
            for publisher in self._publishers:
                publisher.mark(number)

    def origin_of(self, run: object) -> tuple[str, bytes] | None:
        """Return what a run must write into its transaction in a database that reports commits.

        Returns:
            The arguments of ``pg_logical_emit_message``. None unless it is a rerun: others do not
            pay for it.
        """
        origin = self._origins.encode(run)
        return None if origin is None else (self._log_channel + PREFIX_END, origin)

    def flush(self, seconds: float) -> bool:
        """See ``Bus.flush``."""
        return self._publisher.flush(seconds)

    def when_publishing(self, call: Callable[[], None]) -> None:
        """Have a function called in each process when it begins to publish, for metrics."""
        self._publisher.on_begin = call

    def published(self) -> Published:
        """Return what became of the messages of this process, for metrics. From any thread."""
        each = [publisher.published() for publisher in self._publishers]
        return Published(*map(sum, zip(*each, strict=True)))

    def close(self) -> None:
        """See ``Bus.close``. Takes some seconds if the broker is down."""
        self._is_closed = True
        self._local.close()
        for publisher in self._all_publishers():
            publisher.close()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(engine_module.CALL_SECONDS)

    # The receiving thread.

    def _run(self, own: threading.Lock) -> None:
        while not self._is_closed and self._lock is own:
            self._turn()
        if self._lock is own and self._receiver is not None:
            self._receiver.close()

    def _turn(self) -> None:
        try:
            receiver = self._receiver or self._connect()
            if self._recovery is not None and self._recovery.is_due:
                self._recovery.recover(cast(KeepingReceiver, receiver))
            self.is_ready = self.is_ready or not (self._recovery and self._recovery.is_due)
            for item in receiver.receive(_WAIT_SECONDS):
                if isinstance(item, LoggedCommit):
                    self._take_commit(item)
                else:
                    self._take(item)
            if self.is_connected:
                self._failures = 0
        except Exception as error:
            self._disconnect(error)
        self._look()

    def _connect(self) -> Receiver:
        loopbacks = [publisher.loopback_channel for publisher in self._publishers]
        self._receiver = receiver = self._engine.connect_receiver([self._channel, *loopbacks])
        self._sequences.connection_was_lost()
        # What this process sent before comes to others only, and the loss below covers that.
        self._sequences.excuse(self._publisher.epoch, self._publisher.sealed_number)
        self._began_at = monotonic()
        if self._recovery is not None:
            self._recovery.begin()
        if self.is_connected:
            # Whatever was published before is lost to this process, even if it has just begun: a
            # view may have run before. A process that is cut off reports the loss when it hears
            # again, and not for each connection that it tries.
            self._lose()
        return receiver

    def _disconnect(self, error: Exception) -> None:
        if not self._failures:
            logger.error(
                "%s cannot be heard. Live views run again often until it can: %s",
                self._engine.address,
                error if isinstance(error, Unavailable) else repr(error),
            )
        self._failures += 1
        self._hang_up()
        self._look()
        first, longest = _PAUSES
        seconds = min(longest, first * 2 ** min(self._failures, 10))
        _wait(seconds * random.uniform(0.5, 1.0))

    def _look(self) -> None:
        """Compare the clock with the last heartbeat that came back, and the relay's last one."""
        now = monotonic()
        is_connected = now - self._echoes.heard_at < _CUT_OFF_SECONDS
        if not is_connected and now - self._began_at >= _CUT_OFF_SECONDS:
            self._hang_up()  # it may be half of a connection
        silent = self._engine.address
        if self._relayed and is_connected:
            is_connected = now - self._relayed.heard_at < _CUT_OFF_SECONDS
            silent = 'the relay of the log ("manage.py wsrequest_relay")'
        if self._marks.seconds(now) >= _CUT_OFF_SECONDS:
            self._marks.end(has_arrived=False)  # they do not reach the log
        if is_connected is self.is_connected:
            return
        self.is_connected = is_connected
        if is_connected:
            logger.info("%s can be heard again", silent)
            self._lose()  # silence may have hidden anything
        else:
            logger.warning(
                "%s has been silent for %s seconds: live requests are uncertain",
                silent,
                _CUT_OFF_SECONDS,
            )
            self._failures += 1
            self._marks.end(has_arrived=False)  # nothing comes back
        self._local.connect(is_connected)

    def _hang_up(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.close()

    def _lose(self, topic: Topic[Any] | None = None, publisher: bytes | None = None) -> None:
        self.lost_count += 1
        if topic is None and self._recovery is not None:
            self._recovery.lose(publisher)
        else:
            self._local.lose(topic)
        self._marks.end(has_arrived=True)  # the loss covers what they wait for

    def _take_commit(self, logged: LoggedCommit) -> None:
        if LOG.name in self._topics:  # this process is a relay
            self._local.publish(LOG, logged)
            return
        commit = self.adapt(logged.commit)
        if commit.changes:
            run = self._origins.decode(logged.origin)
            self._local.publish(CHANGES, Commit(commit.changes, run))

    def _take(self, item: bytes | Sequenced) -> None:
        if isinstance(item, Sequenced):
            sealed, place = item.content, (item.epoch, item.number)
        else:
            sealed, place = item, None
        envelope = self._opener.open(sealed)
        if envelope is None:
            return
        is_own = self._echoes.is_own(envelope)
        if is_own and self._echoes.is_heartbeat(envelope):
            is_new = self._echoes.take(envelope)
            self._marks.arrived(self._echoes.mark)
            if is_new and place is not None:
                self._tell_place(*place)
        if is_own and (place is None or not envelope.number):
            return  # its receivers in this process have it
        arrival = self._sequences.check(envelope, monotonic() - self._began_at)
        if arrival is Arrival.AFTER_LOSS:
            logger.warning("messages of a process were lost on %s", self._engine.address)
            self._lose(publisher=envelope.epoch)
        if arrival is not Arrival.REPEATED:
            self._pass_on(envelope, place, is_own=is_own)

    def _tell_place(self, epoch: str, number: int) -> None:
        """Tell the receivers of ordered messages how far the broker is."""
        if self._recovery is not None and not self._recovery.tells((epoch, number)):
            return
        for topic in list(self._topics.values()):
            if topic.number is not None:
                self._local.publish(topic, topic.number(None, epoch, number))

    def _pass_on(self, envelope: Envelope, place: tuple[str, int] | None, *, is_own: bool) -> None:
        topic = self._topics.get(envelope.topic)
        if self._relayed and envelope.topic == RELAYED.name:
            topic = RELAYED
        if topic is None or (is_own and topic.number is None):
            return
        message: Any = self._opener.decode(topic, envelope.payload)
        if message is None:
            return
        if self._relayed and topic is RELAYED:
            self._follow(self._relayed, envelope.epoch, message)
        elif topic.number is not None and place is not None:
            if self._recovery is None or self._recovery.takes(envelope, place):
                self._local.publish(topic, topic.number(message, *place))
        else:
            self._local.publish(topic, message)

    def _follow(self, log: RelayedLog, epoch: bytes, relayed: Relayed) -> None:
        before = log.reading
        if not log.follow(epoch, relayed, monotonic()):
            return
        if log.reading != before and self.is_connected:
            self._lose(CHANGES)  # see _connect
        if isinstance(relayed.entry, LoggedCommit):
            self._take_commit(relayed.entry)
        elif relayed.entry is not None and relayed.entry.epoch == self._publisher.epoch:
            log.take_mark(relayed.entry)
            self._marks.arrived(log.mark)


_buses: WeakSet[BrokerBus] = WeakSet()


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def _after_fork() -> None:
    for bus in list(_buses):
        bus.after_fork()


os.register_at_fork(after_in_child=_after_fork)
