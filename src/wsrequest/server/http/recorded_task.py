"""Run one HTTP request whose reads are recorded (``pages.recording``)."""

from contextlib import AbstractContextManager
from typing import Protocol

from django.core.handlers.wsgi import WSGIRequest

from wsrequest.request.response import Outcome
from wsrequest.server.http.task import EventSender, HTTPOwner, HTTPTask
from wsrequest.types import Receive, Scope, Send
from wsrequest.workers.queue import QueueKey

__all__ = ["RecordedTask", "Recording"]


class Recording(Protocol):
    """The record of what one request reads. In the worker thread, except for ``end``."""

    def reading(self) -> AbstractContextManager[object]:
        """Return the context in which the request runs."""

    def prepare(self, request: WSGIRequest) -> None:
        """Take the request before any middleware has seen it."""

    def ran(self, outcome: Outcome | None) -> None:
        """Take what the request was answered with, or None if nothing is known. Never raises."""

    def end(self) -> None:
        """Take the end of the request. On the event loop. Safe to call twice."""


class _OutcomeSender(EventSender):
    outcome: Outcome | None = None

    def _send(self, outcome: Outcome) -> None:
        super()._send(outcome)
        self.outcome = outcome


class RecordedTask(HTTPTask):
    """The task of one HTTP request whose reads are recorded.

    Args:
        owner: has it run.
        scope: of type "http".
        receive: the ASGI server's.
        send: the ASGI server's.
        queue_key: takes its turn in the pool.
        recording: what records it.
    """

    __slots__ = ("_recording",)
    _answer_class = _OutcomeSender

    def __init__(
        self, owner: HTTPOwner, scope: Scope, receive: Receive, send: Send, queue_key: QueueKey,
        recording: Recording,
    ) -> None:  # fmt: skip
        super().__init__(owner, scope, receive, send, queue_key)
        self._recording = recording

    def prepare(self, request: WSGIRequest) -> None:
        """Have the request recorded. In the worker thread."""
        self._recording.prepare(request)

    def _run(self) -> None:
        with self._recording.reading():
            super()._run()
        answer = self._answer
        is_sent = isinstance(answer, _OutcomeSender) and answer.last is not None
        self._recording.ran(answer.outcome if is_sent else None)  # type: ignore[union-attr]
        if is_sent:
            answer.outcome = None  # type: ignore[union-attr]  # it is large

    def discard(self) -> None:
        """Release what it holds. Safe to call twice."""
        super().discard()
        self._recording.end()
