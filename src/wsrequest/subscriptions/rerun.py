"""A rerun of a view, which no client sent, and whose response goes to all who share it."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from wsrequest.live.query import Run
from wsrequest.protocol.messages import Request
from wsrequest.request.discarding import Discarded
from wsrequest.request.environ import Base, WebSocketInfo, request_attributes
from wsrequest.request.task import MessageTask
from wsrequest.server.context import ConnectionConfig, Live, ServerContext
from wsrequest.subscriptions.run import LiveTask
from wsrequest.types import Frame

__all__ = ["Rerun", "RunContext", "RunIdentity"]


class RunIdentity(NamedTuple):
    """What the response of a run depends on, besides the request.

    Attributes:
        cookie_names: the cookies that count for the response, or None for all.
        cookie: the Cookie header of the run.
        is_personal: whether the response belongs to one connection only.
    """

    cookie_names: frozenset[str] | None
    cookie: str
    is_personal: bool


class RunContext(Protocol):
    """What a run takes from a WebSocket or an SSE response."""

    server: ServerContext
    config: ConnectionConfig
    base: Base
    info: WebSocketInfo


class Rerun:
    """A rerun for all who share its response: a job of the live query manager.

    Args:
        context: of the subscriber whose identity the run has.
        message: the request of the subscriber.
        cookie: the Cookie header that the subscriber has now.
        run: the manager's record of the run.
        live: what the live requests of the process share.
        on_end: called after the manager was given the result.
        run_with_effects: called in place of sending a response that only a run with effects can
            give.
    """

    __slots__ = (
        "_live", "_on_end", "_run", "_run_with_effects", "_task", "base", "config", "info",
        "request_attributes", "server",
    )  # fmt: skip
    protocol_name = None

    def __init__(
        self,
        context: RunContext,
        message: Request,
        cookie: str,
        run: Run,
        live: Live,
        on_end: Callable[[], None] = lambda: None,
        run_with_effects: Callable[[], None] | None = None,
    ) -> None:
        self._on_end, self._run_with_effects = on_end, run_with_effects
        self.server, self.config, self.base = context.server, context.config, context.base
        self.info: WebSocketInfo = context.info.of_live(is_rerun=True)
        self.request_attributes = request_attributes(self.base, self.info)
        self._run, self._live = run, live
        task = LiveTask(self, None, message)
        self._task: LiveTask | None = task  # until it has ended, since it refers to this, too
        task.discarded = Discarded()
        task.live_run, task.cookie, task.is_in_pool = run, cookie, True
        if self.server.activity is not None:
            task.record = self.server.activity.record_of_rerun()
        self.server.pool.submit(task, live.queue_key)

    def give_up(self) -> None:
        """Stop waiting for the run. Its thread counts as blocked until it returns."""
        task = self._task
        if task is None:
            return
        if task.withdraw(self._live.queue_key):
            self._task = None
            self._live.manager.finished(self._run, None, ())
            return
        task.drop()
        task.give_up()

    # The owner of its task.

    @property
    def browser_cookies(self) -> None:
        """None, since a rerun issues no tickets."""

    def changed_cookie_lines(self, task: MessageTask) -> list[str]:
        """Return nothing, since no client takes the cookies that a rerun sets."""
        return []

    def part_ready(self, task: MessageTask, frame: Frame, body_bytes: int) -> None:
        """Do nothing, since a rerun has no parts."""

    def task_ended(self, task: MessageTask, frame: Frame | None) -> None:
        """Give the result to the live query manager."""
        assert isinstance(task, LiveTask)
        self._task = None
        if task.record is not None and self.server.activity is not None:
            body_bytes = 0 if task.result is None else len(task.result.body)
            self.server.activity.reran(task, self.info.connection_id, body_bytes)
        if task.needs_sender and self._run_with_effects is not None:
            self._run_with_effects()
            self._live.manager.finished(self._run, None, (), is_moot=True)
            return
        self._live.manager.finished(
            self._run,
            task.result or task.refusal,
            task.reads,
            expires_seconds=task.expires_seconds,
            observed=RunIdentity(task.cookie_names, task.cookie, task.is_personal),
        )
        self._on_end()
