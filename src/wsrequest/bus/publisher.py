"""Sends the messages of one process to a broker, from a thread of its own.

The thread that publishes only appends to a queue. It never waits for the broker, and no failure of
the broker reaches it. The sending thread starts with the first message.

While the broker is down, messages wait, and they are sent later. When too many wait, all of them
are dropped, and their numbers with them. So every receiver notices the loss.
"""

import atexit
import encodings.idna  # noqa: F401 - see below
import logging
import os
import random
import sys
import threading
from collections import deque
from collections.abc import Callable
from struct import Struct
from time import monotonic
from typing import Any, NamedTuple, cast

from wsrequest.bus.base import Topic
from wsrequest.bus.engine import Engine, KeepingSender, Sender, Unavailable, keeping_of
from wsrequest.bus.envelope import Envelope, Seal

# Looking up a host imports encodings.idna. If a process forks while the sending thread does that,
# the lock of the import is never released in the child, which could then never connect. So it is
# imported before there is a thread.

__all__ = ["EXIT_SECONDS", "LOOPBACK", "LOOPBACK_SECONDS", "Published", "Publisher"]

logger = logging.getLogger("wsrequest.bus")

LOOPBACK_SECONDS = 1.0
"""How often a process that receives sends a heartbeat to itself."""
LOOPBACK = Struct(">QQ")
"""The payload of such a heartbeat: when it was sent, in milliseconds, and the latest mark."""
EXIT_SECONDS = 2.0
"""How long a process that ends waits for its last messages to be sent."""

_MAX_MESSAGES, _MAX_BYTES = 10_000, 2**23  # that wait while the broker is slow or down
_BATCH = 100
_HEARTBEATS = (1.0, 3.0, 9.0)  # seconds after the last message. They show that it was lost
_LATER_HEARTBEATS = 30.0  # seconds between further ones, for as long as the process lives
_PAUSES = (0.05, 2.0)  # seconds before trying again: the first, and the longest


class _Waiting(NamedTuple):
    topic: Topic[Any]
    message: Any
    weight: int
    at: float  # when it was published


class Published(NamedTuple):
    """What became of the messages of a process.

    Attributes:
        sent_count: how many the broker has taken.
        sent_seconds: how long they waited for that, in sum.
        waiting_count: how many still wait.
        dropped_count: how many were dropped.
    """

    sent_count: int
    sent_seconds: float
    waiting_count: int
    dropped_count: int


class Publisher:
    """Numbers, signs and sends messages.

    Args:
        engine: connects to the broker.
        channel: of all processes of the project.
        seal: signs.

    Attributes:
        epoch: names this publisher in its messages.
        is_looping: whether it sends heartbeats to its own process.
        on_begin: called when the thread that sends has started, in each process. It must be quick
            and raise nothing.
        dropped_count: messages that were dropped because too many waited, or one was too long.
        sent_count: messages that the broker has taken.
        sent_seconds: how long they waited for that, in sum.
    """

    def __init__(self, engine: Engine, channel: str, seal: Seal) -> None:
        self._engine, self._channel, self._seal = engine, channel, seal
        self._is_keeping = keeping_of(engine) is not None
        self._abandoned: list[object] = []
        self._sender: Sender | None = None
        self.on_begin: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        """Start from the beginning in a process that was forked.

        What waits belongs to the parent, and so does its connection. Closing it here would end it
        for the parent too, so it is only kept.
        """
        self.epoch = os.urandom(8)
        self.is_looping = False
        self.dropped_count = self.sent_count = 0
        self.sent_seconds = 0.0
        self._condition = threading.Condition()  # guards everything below
        self._queue: deque[_Waiting] = deque()
        self._queue_bytes = 0
        self._number = self._mark = 0
        self._is_gap = False  # what was dropped came before the queue, and the broker must keep it
        self._is_sending = False  # something that was taken from the queue
        self._thread: threading.Thread | None = None
        self._flushes_at_exit = False
        self._is_closed = False
        # The rest is used by the sending thread only, but for _sent_at.
        self._abandoned.append(self._sender)
        self._sender = None
        self._unsent: list[bytes] = []
        self._unsent_since: list[float] = []  # when each of them was published
        self._unsent_kept: list[bool] = []  # and whether the broker keeps it
        # How many of them are before a message that was dropped, though the broker must keep it.
        self._gap_at: int | None = None
        self._sealed_number = 0  # of the last message that was sealed
        self._sent_at = self._loop_at = monotonic()
        self._heartbeats: list[float] = []  # when they are due
        self._failures = 0

    @property
    def sealed_number(self) -> int:
        """The number of the last message that was sent, or is about to be. From any thread."""
        return self._sealed_number

    @property
    def loopback_channel(self) -> str:
        """The channel on which this process hears itself."""
        return f"{self._channel}:{self.epoch.hex()}"

    def put(self, topic: Topic[Any], message: object) -> None:
        """Send a message after those that were put before. From any thread. Raises nothing."""
        weight = topic.weigh(message)
        with self._condition:
            if self._is_closed:
                return
            if len(self._queue) >= _MAX_MESSAGES or self._queue_bytes + weight > _MAX_BYTES:
                self._drop(len(self._queue))
            self._queue.append(_Waiting(topic, message, weight, monotonic()))
            self._queue_bytes += weight
            self._start()
            self._condition.notify_all()

    def max_bytes(self, topic: Topic[Any]) -> int:
        """Return how long an encoded message may be. A longer one cannot be sent."""
        return self._engine.max_message_bytes - self._seal.overhead_bytes - len(topic.name)

    def loop(self) -> None:
        """Send heartbeats to this process from now on. They arrive if messages would."""
        with self._condition:
            if not (self.is_looping and self._thread) and not self._is_closed:
                self.is_looping = True
                self._loop_at = monotonic()
                self._start()
                self._condition.notify_all()

    def mark(self, number: int) -> None:
        """Send a number to this process with the next heartbeat, at once. Numbers rise."""
        with self._condition:
            self._mark = number
            self._loop_at = monotonic()
            self._condition.notify_all()

    def flush(self, seconds: float) -> bool:
        """See ``Bus.flush``."""
        with self._condition:
            return self._condition.wait_for(lambda: self._is_idle, seconds)

    def published(self) -> Published:
        """Return what became of the messages so far. From any thread."""
        waiting = len(self._queue) + len(self._unsent)
        return Published(self.sent_count, self.sent_seconds, waiting, self.dropped_count)

    def close(self) -> None:
        """Send what waits, and stop. Takes at most ``EXIT_SECONDS``. Safe to call twice."""
        self.flush(EXIT_SECONDS)
        with self._condition:
            self._is_closed = True
            self._queue.clear()
            self._condition.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(EXIT_SECONDS)

    @property
    def _is_idle(self) -> bool:
        return self._is_closed or not (self._queue or self._is_sending)

    def _drop(self, count: int) -> None:
        """Drop everything that waits. The gap in the numbers shows it to the receivers."""
        logger.error(
            "%s does not take messages: %s of them are dropped. All live views of other processes "
            "run again",
            self._engine.address,
            count,
        )
        self.dropped_count += count
        self._is_gap |= any(waiting.topic.is_kept for waiting in self._queue)
        self._number += count
        self._sent_at = monotonic()  # the pause that shows in the next message ends here
        self._queue.clear()
        self._queue_bytes = 0

    def _start(self) -> None:
        if self._thread is not None:
            return
        if not self._flushes_at_exit:
            self._flushes_at_exit = True
            _flush_at_exit(self)
        thread = threading.Thread(
            target=self._run, args=(self._condition,), name="wsrequest-bus-publisher", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            if "shutdown" in str(error):
                self._send(self._take())  # nothing runs after this, so it may take time
            elif not self._failures:  # the next message tries again
                self._failures += 1
                logger.error("the thread that sends messages cannot be started: %s", error)
        else:
            self._thread = thread
            self.on_begin()

    # The sending thread.

    def _run(self, own: threading.Condition) -> None:
        while True:
            with own:
                if self._condition is not own:
                    return  # of a parent process
                if not self._unsent:
                    own.wait_for(self._has_work, self._idle_seconds())
                if self._is_closed:
                    break
                taken = self._take()
            self._send(taken)
            if self._failures:
                self._pause(own)
            else:
                with own:
                    self._is_sending = False
                    own.notify_all()  # flush() may wait
        self._disconnect()

    def _has_work(self) -> bool:
        return bool(self._queue or self._is_closed or self._idle_seconds() <= 0)

    def _idle_seconds(self) -> float:
        due = self._heartbeats[:1]
        if self.is_looping:
            due.append(self._loop_at)
        return min(due) - monotonic() if due else 3600.0

    def _take(self) -> list[tuple[int, _Waiting]]:
        """Take and number the next messages. Needs the lock."""
        taken = []
        for _ in range(min(_BATCH - len(self._unsent), len(self._queue))):
            waiting = self._queue.popleft()
            self._queue_bytes -= waiting.weight
            self._number += 1
            taken.append((self._number, waiting))
        if self._is_gap:
            self._is_gap, self._gap_at = False, len(self._unsent)
        self._is_sending |= bool(taken)
        return taken

    def _seal_all(self, taken: list[tuple[int, _Waiting]]) -> None:
        for number, waiting in taken:
            payload = self._encoded(waiting)
            if payload is None:
                # Its number is missing. A heartbeat shows that even if no message follows.
                self.dropped_count += 1
                if waiting.topic.is_kept:
                    self._gap_at = len(self._unsent)
                self._sent_at = monotonic()
                self._heartbeats = [self._sent_at + seconds for seconds in (0, *_HEARTBEATS)]
            else:
                self._unsent.append(self._sealed(number, waiting.topic.name, payload))
                self._unsent_since.append(waiting.at)
                self._unsent_kept.append(waiting.topic.is_kept)
            self._sealed_number = number

    def _encoded(self, waiting: _Waiting) -> bytes | None:
        topic, message = waiting.topic, waiting.message
        most = self.max_bytes(topic)
        try:
            for form in (topic.encode, lambda message: topic.encode(topic.lighten(message))):
                payload: bytes = form(message)
                if len(payload) <= most:
                    return payload
        except Exception:
            logger.exception("a message of the topic %s cannot be encoded", topic.name)
        return None

    def _sealed(self, number: int, topic: str, payload: bytes) -> bytes:
        now = monotonic()
        pause, self._sent_at = int((now - self._sent_at) * 1000), now
        return self._seal.close(Envelope(self.epoch, number, pause, topic, payload))

    def _send(self, taken: list[tuple[int, _Waiting]]) -> None:
        """Send the messages that were just taken, those of earlier attempts, and heartbeats."""
        self._seal_all(taken)
        now = monotonic()
        try:
            if self._sender is None:
                self._sender = self._engine.connect_sender()
            if self._is_keeping and self._gap_at is not None:
                self._send_unsent(self._sender, self._gap_at)
                self._gap_at = 0
                self._send_unsent(self._sender, len(self._unsent), is_gap=True)
                self._gap_at = None
            if self._unsent:
                self._send_unsent(self._sender, len(self._unsent))
                now = self._sent_at
            if self._heartbeats and self._heartbeats[0] <= now:
                self._sender.send(self._channel, [self._heartbeat()])
                del self._heartbeats[0]
                self._heartbeats = self._heartbeats or [now + _LATER_HEARTBEATS]
            if self.is_looping and self._loop_at <= now:
                self._loop_at = now + LOOPBACK_SECONDS
                self._sender.send(self.loopback_channel, [self._loopback(now)])
        except Exception as error:
            self._fail(error)
        else:
            if self._failures:
                logger.info("%s takes messages again", self._engine.address)
            self._failures = 0

    def _send_unsent(self, sender: Sender, count: int, *, is_gap: bool = False) -> None:
        """Send the first of the messages that wait, perhaps behind one that was dropped."""
        messages = self._unsent[:count]
        if not messages and not is_gap:
            return
        if self._is_keeping:
            keeping, are_kept = cast(KeepingSender, sender), self._unsent_kept[:count]
            keeping.send_and_keep(self._channel, messages, are_kept, is_gap=is_gap)
        else:
            sender.send(self._channel, messages)
        now = self._sent_at = monotonic()
        self.sent_count += len(messages)
        self.sent_seconds += sum(now - since for since in self._unsent_since[:count])
        for each in (self._unsent, self._unsent_since, self._unsent_kept):
            del each[:count]
        self._heartbeats = [now + seconds for seconds in _HEARTBEATS]

    def _heartbeat(self) -> bytes:
        pause = int((monotonic() - self._sent_at) * 1000)
        return self._seal.close(Envelope(self.epoch, self._sealed_number, pause, "", b""))

    def _loopback(self, now: float) -> bytes:
        payload = LOOPBACK.pack(int(now * 1000), self._mark)
        return self._seal.close(Envelope(self.epoch, 0, 0, "", payload))

    def _fail(self, error: Exception) -> None:
        if not self._failures:
            logger.error(
                "%s does not take messages. They are sent when it does: %s",
                self._engine.address,
                error if isinstance(error, Unavailable) else repr(error),
            )
        self._failures += 1
        self._disconnect()

    def _pause(self, own: threading.Condition) -> None:
        first, longest = _PAUSES
        seconds = min(longest, first * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)
        with own:
            own.wait_for(lambda: self._is_closed, seconds)

    def _disconnect(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()


def _flush_at_exit(publisher: Publisher) -> None:
    """Have a process send its last messages before it ends, however Python ends it."""

    def flush(**kwargs: Any) -> None:
        publisher.flush(EXIT_SECONDS)

    atexit.register(flush)
    # Their processes skip atexit. billiard is Celery's copy of multiprocessing.
    for name in ("multiprocessing.util", "billiard.util"):
        util = sys.modules.get(name)
        finalize: Callable[..., object] | None = getattr(util, "Finalize", None)
        if finalize is not None:
            finalize(None, flush, exitpriority=0)
    # A process of Celery's prefork pool is killed as soon as it has said that it ends. This is the
    # last that it does before.
    signals: Any = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(flush, weak=False)
