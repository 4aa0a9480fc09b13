"""The live requests of one WebSocket, from their first runs on, and the responses they hold back.

A dispatcher makes this for the first live request of its connection.
"""

from typing import Protocol

import msgspec

from wsrequest.connection.identity import ConnectionIdentity
from wsrequest.connection.send_queue import SendQueue
from wsrequest.protocol.messages import Request, Uncertain
from wsrequest.protocol.server_codec import encode_server
from wsrequest.protocol.session import Key
from wsrequest.push.room import Listener
from wsrequest.request.task import MessageTask
from wsrequest.server.context import Live
from wsrequest.subscriptions.barrier import Barrier
from wsrequest.subscriptions.run import LiveOwner, LiveTask
from wsrequest.subscriptions.subscription_set import SubscriptionSet
from wsrequest.types import Frame

__all__ = ["LiveRequests"]


class LiveDispatcher(LiveOwner, Protocol):
    """The dispatcher of the connection, as its live requests see it."""

    def begin_again(self, task: LiveTask) -> None:
        """Run the task of a live request that was begun before."""

    def went_live(self, task: LiveTask) -> None:
        """Keep the id of a request that its first run has not finished."""

    def answer(self, task: MessageTask, frame: Frame | None) -> None:
        """Finish a task with its last frame."""

    def put(self, frame: Frame) -> None:
        """Send a frame after those that wait."""

    def finished(self, key: Key) -> None:
        """Free the id of a live request that has ended."""


class LiveRequests:
    """The live requests of one connection. Used on the event loop only.

    Args:
        dispatcher: of the connection.
        send_queue: of the connection.
        identity: of the connection.
        live: what the live requests of the process share.

    Attributes:
        subscriptions: those whose first runs were answered.
    """

    __slots__ = (
        "_barrier", "_dispatcher", "_identity", "_send_queue", "base", "config", "info", "server",
        "subscriptions",
    )  # fmt: skip

    def __init__(
        self,
        dispatcher: LiveDispatcher,
        send_queue: SendQueue,
        identity: ConnectionIdentity,
        live: Live,
    ) -> None:
        self._dispatcher, self._send_queue, self._identity = dispatcher, send_queue, identity
        self.server, self.config = dispatcher.server, dispatcher.config
        self.base, self.info = dispatcher.base, dispatcher.info
        self.subscriptions = SubscriptionSet(self, live)
        self._barrier: Barrier | None = None

    def answered(self, task: LiveTask, frame: Frame | None) -> None:
        """Send the response of a first run, and keep the request if it is live."""
        subscriptions = self.subscriptions
        if task.needs_sender:  # its body was made without effects that the response needs
            subscriptions.abandon(task)
            self._begin_with_effects(task)
            return
        if task.result is not None:
            frame = subscriptions.answered(task)
        else:
            subscriptions.abandon(task)
        if task.result is None or frame is not None:
            self._dispatcher.answer(task, frame)
        else:
            self._dispatcher.went_live(task)
        subscriptions.first_run_over(task)

    def _begin_with_effects(self, before: LiveTask) -> None:
        """Repeat the first run of a resumed request, this time with its effects."""
        message = msgspec.structs.replace(before.shown_message, rerun="")
        task = LiveTask(self._dispatcher, before.key, message)
        task.record, before.record = before.record, None
        self._dispatcher.begin_again(task)

    def settle(self, task: MessageTask, frame: Frame) -> None:
        """Hold a response back until the live requests that it changed were sent."""
        if self._barrier is None:
            loop, account = self.server.pool.loop, self.subscriptions.account
            self._barrier = Barrier(loop, self._dispatcher.answer, account, self.config.limits)
        self._barrier.hold(task, frame, self.subscriptions.when_settled)

    def flush(self) -> None:
        """Send all responses that are held back."""
        if self._barrier is not None:
            self._barrier.flush()

    def dropped(self, task: MessageTask, *, is_first_time: bool) -> None:
        """Forget a task, which is not answered any more. Safe to call twice.

        Args:
            is_first_time: False if it was dropped before. Then its id may be another task's.
        """
        if self._barrier is not None:
            self._barrier.drop(task)
        if isinstance(task, LiveTask):
            self.subscriptions.abandon(task)
            if is_first_time:
                self.subscriptions.first_run_over(task)

    # The host of the subscriptions.

    def cookie_for(self, url: str) -> str:
        """Return the Cookie header that a request to ``url`` would have now."""
        return self._identity.cookies.header(url)

    def cookies_end(self) -> float | None:
        """Return the epoch seconds at which the first of its cookies expires, or None."""
        return self._identity.cookies.next_end()

    def has_room(self) -> bool:
        """Whether more may be queued for the client."""
        return self._send_queue.has_room()

    def show(self, frame: Frame, tag: str | None) -> None:
        """Send a frame of a live request after those that wait."""
        self._dispatcher.put(frame)

    def report_uncertain(self, is_uncertain: bool) -> None:
        """Queue the notice whether the client may miss changes, if it negotiated wsrequest.v1."""
        if self.info.subprotocol is not None:
            self._dispatcher.put(encode_server(Uncertain(is_uncertain)))

    def make_listener(self) -> Listener:
        """Return what gets the events of the connection."""
        return Listener(self.info.connection_id, self._send_queue)

    def restart(self, key: Key, message: Request) -> None:
        """Run a live request again as a first run, with all its effects."""
        task = LiveTask(self._dispatcher, key, message)
        task.is_restart = True
        self._dispatcher.begin_again(task)

    def finished(self, key: Key) -> None:
        """Free the id of a live request that has ended."""
        self._dispatcher.finished(key)
