"""The calls of one connection that are in flight, to their last frames.

Owns what is unfinished, and how it ends: answered, live, dropped, late, refused for a restart. What
the client asks for is ``exchange``'s, how the socket lives and ends ``connection``'s, and whose
the cookies are ``visitor``'s.
"""

import asyncio
import logging
from contextvars import Context
from typing import Protocol

import msgspec

from wsrequest.connection.calls import Call
from wsrequest.connection.outbox import Outbox
from wsrequest.connection.runs import LiveCall
from wsrequest.connection.schedule import Schedule
from wsrequest.connection.settling import Settling, told
from wsrequest.connection.subscriptions import Subscriptions
from wsrequest.connection.visitor import Host, Visitor
from wsrequest.errors import Refused
from wsrequest.http.browser_cookies import BrowserCookies
from wsrequest.http.environ import Base
from wsrequest.http.requests import WebSocketInfo
from wsrequest.protocol.codec import encode_refused
from wsrequest.protocol.messages import Request
from wsrequest.protocol.session import Key, Session
from wsrequest.types import Frame

__all__ = ["InFlight", "Line"]

logger = logging.getLogger("wsrequest.connection")


class Line(Host, Protocol):
    """A connection, seen by its exchange."""

    outbox: Outbox
    visitor: Visitor

    def all_is_answered(self) -> None:
        """Nothing is in flight any more, while the connection drains. More than once, perhaps."""


class InFlight:
    """What one client has asked for and was not answered to its end. On the event loop only.

    Args:
        line: the connection.
        base: of its handshake.
        info: what its requests tell of it.
    """

    __slots__ = (
        "_account", "_calls", "_is_draining", "_last_look", "_line", "_loop", "_outbox",
        "_schedule", "_session", "_settling", "_subscriptions", "_visitor", "_watch", "base",
        "info", "service", "terms",
    )  # fmt: skip

    def __init__(self, line: Line, base: Base, info: WebSocketInfo) -> None:
        self._line, self._outbox, self._visitor = line, line.outbox, line.visitor
        self._watch = line.watch
        self.service, self.terms, self.base, self.info = line.service, line.terms, base, info
        limits = line.terms.limits
        self._loop = line.service.lane.loop
        self._session = Session(limits)
        self._account = line.service.account_of(base)
        self._calls: dict[Key, Call] = {}  # unfinished for the client
        self._schedule = Schedule(
            line.service.lane,
            line.service.source_of(base),
            limits.in_flight,
            line.outbox.has_room,
            self._begin,
        )
        self._subscriptions: Subscriptions | None = None  # made for the first
        self._settling: Settling | None = None
        self._is_draining = False
        self._last_look: asyncio.TimerHandle | None = None  # for calls that outlive the connection

    # Calls.

    def _begin(self, call: Call) -> None:
        call.cookie = self._visitor.cookie_for(call.message.url)
        if isinstance(call, LiveCall) and self._subscriptions is not None:
            self._subscriptions.begin(call)

    @property
    def browser_cookies(self) -> BrowserCookies:
        """What the browser is believed to hold; for any thread."""
        return self._visitor.browser_cookies

    def news_of(self, call: Call) -> list[str]:
        """The lines of its Set-Cookie that a browser must be told; from any thread."""
        return self._visitor.news_of(call)

    def go_on(self) -> None:
        """The client has read: go on with what had to wait for it."""
        self._schedule.fill()
        for call in self._schedule:
            if call.flow is not None:
                call.flow.wake()
        if self._subscriptions is not None:
            self._subscriptions.go_on()

    def part_ready(self, call: Call, frame: Frame, body_bytes: int) -> None:
        """A frame of an answer that goes on."""
        if not call.is_dropped:
            call.since = self._loop.time()
            self._learn(call)
            self._outbox.put(frame, call.context)
        if call.flow is not None and body_bytes:
            call.flow.sent(body_bytes)

    def call_ended(self, call: Call, frame: Frame | None) -> None:
        """A call is back from the lane, with its last frame."""
        if not call.is_dropped:
            if call.set_cookies is not None or call.user is not None:
                self._learn(call)
            if isinstance(call, LiveCall):
                self._live_answered(call, frame)
            elif frame is not None and call.message.settled and not call.has_begun:
                self._settle(call, frame)
            else:
                self._answer(call, frame)
        self._schedule.ended(call)
        if self._last_look is not None and not any(self._schedule):
            self._last_look.cancel()  # it would keep all this alive

    def _answer(self, call: Call, frame: Frame | None) -> None:
        self._forget(call)
        if frame is not None:
            self.put(frame, call.context)

    def _learn(self, call: Call) -> None:
        if self._visitor.learn(call) and self._subscriptions is not None:
            self._subscriptions.refresh()

    # Live requests.

    def _live_answered(self, call: LiveCall, frame: Frame | None) -> None:
        assert self._subscriptions is not None  # made with the call
        if call.needs_sender:  # its body was made where it could not run once more
            self._subscriptions.abandon(call)
            self._begin_with_effects(call)
            return
        if call.result is not None:
            frame = self._subscriptions.answered(call)
        else:
            self._subscriptions.abandon(call)
        if call.result is None or frame is not None:
            self._answer(call, frame)
        elif self._calls.pop(call.key, None) is call:
            self._session.go_live(call.key)
            if self._is_draining and not self._calls:
                self._line.all_is_answered()
        self._subscriptions.renewed(call)

    def _begin_with_effects(self, before: LiveCall) -> None:
        """Run the first run of a live request once more, as one that the client has sent."""
        message = msgspec.structs.replace(before.shown_message, rerun="")
        self._begin_again(LiveCall(self, before.key, message))

    def begin_anew(self, key: Key, message: Request) -> None:
        """Run a live request that goes on once more as one that the client has sent."""
        call = LiveCall(self, key, message)
        call.is_anew = True
        self._begin_again(call)

    def _begin_again(self, call: LiveCall) -> None:
        call.since = self._loop.time()
        self._calls[call.key] = call
        self._watch.expect(call.since + self.terms.limits.request_seconds)
        self._schedule.add(call)

    def _settle(self, call: Call, frame: Frame) -> None:
        if self._subscriptions is None or self._is_draining:
            self._answer(call, told(frame, is_settled=self._subscriptions is None))
            return
        if self._settling is None:
            self._settling = Settling(
                self._loop, self._answer, self._subscriptions.account, self.terms.limits
            )
        self._settling.hold(call, frame, self._subscriptions.when_settled)

    def cookie_for(self, url: str) -> str:
        """The Cookie header that a request to ``url`` would have now."""
        return self._visitor.cookie_for(url)

    def cookies_end(self) -> float | None:
        """Epoch seconds at which one of its cookies ends by itself; None when none does."""
        return self._visitor.cookies_end()

    def has_room(self) -> bool:
        """Whether less waits than the client should be sent at once."""
        return self._outbox.has_room()

    def put(self, frame: Frame, context: Context | None = None) -> None:
        """Send a frame behind those that wait; in a context, or in that of the connection."""
        self._outbox.put(frame, context)
        if self._outbox.waiting_bytes and not self._outbox.has_room():
            self._schedule.hold()

    def show(self, frame: Frame, tag: str | None) -> None:
        """Send a frame of a live request behind those that wait."""
        self.put(frame)

    def finished(self, key: Key) -> None:
        """A live request has ended; its id is free."""
        self._session.finish(key)

    def logged_out(self) -> None:
        """The session's user is gone."""
        if self._subscriptions is not None:
            self._subscriptions.logged_out()

    # Ends of calls.

    def _forget(self, call: Call) -> None:
        if self._calls.get(call.key) is call:  # else the id may be another's by now
            del self._calls[call.key]
            self._session.finish(call.key)
        if self._is_draining and not self._calls:
            self._line.all_is_answered()

    def _drop(self, call: Call) -> bool:
        """The client shall hear no more of a call, which ends as soon as it can.

        Returns:
            Whether it had not been begun, and never will be.
        """
        self._forget(call)
        was_dropped = call.is_dropped  # then its id may be another's by now
        call.drop()
        if self._settling is not None:
            self._settling.drop(call)
        if isinstance(call, LiveCall) and self._subscriptions is not None:
            self._subscriptions.abandon(call)
            if not was_dropped:
                self._subscriptions.renewed(call)
        is_untouched = self._schedule.withdraw(call)
        if is_untouched:
            call.discard()
        return is_untouched

    # What the clock says.

    def is_busy(self) -> bool:
        """Whether the client has something to wait for."""
        return bool(self._calls) or bool(self._subscriptions)

    @property
    def has_calls(self) -> bool:
        """Whether anything is in flight that must be answered before a restart."""
        return bool(self._calls)

    def timed_calls(self) -> list[Call]:
        """Calls that may not go on like this: stalled, or holding a thread."""
        calls = dict.fromkeys([*self._schedule, *self._calls.values()])
        return [call for call in calls if not call.is_lost and (call.is_stalled or call.is_in_lane)]

    def call_expired(self, call: Call) -> None:
        """Refuse a stalled call, and let another thread stand in for the one that it holds."""
        if not call.is_stalled:
            self._schedule.give_up(call)
            return
        if not call.is_dropped:
            logger.warning("%s %s did not answer in time", call.message.method, call.path)
            late = Refused("deadline_exceeded", "no answer in time", call.message.id)
            self._outbox.put(encode_refused(late, has_begun=call.has_begun))
        self._drop(call)
        self._schedule.give_up(call)

    def _give_up(self, calls: list[Call]) -> None:
        for call in calls:
            self._schedule.give_up(call)

    # The end.

    def begin_no_more(self) -> None:
        """Refuse every request from now on, since the server restarts."""
        self._is_draining = True

    def refuse_for_restart(self, *, endless_only: bool = False) -> None:
        """Say what became of each call: after 4004 no request may be left in doubt.

        Args:
            endless_only: leave those alone whose answers end by themselves.
        """
        if self._settling is not None:
            self._settling.flush()
        for call in list(self._calls.values()):
            if endless_only and not call.is_endless:
                continue
            is_untouched = self._drop(call)
            refused = (
                Refused("shutting_down", "the server is about to restart", call.message.id)
                if is_untouched or call.is_endless
                else Refused("deadline_exceeded", "no answer before the restart", call.message.id)
            )
            self._outbox.put(encode_refused(refused, has_begun=call.has_begun))

    def end(self) -> None:
        """Drop all calls, for the connection has ended."""
        self._schedule.stop()
        if self._subscriptions is not None:
            self._subscriptions.end()
        for call in list(self._calls.values()):
            self._drop(call)
        left = [call for call in self._schedule if call.is_in_lane]
        if left:  # they end by themselves, or their threads are replaced as of any late call
            seconds = self.terms.limits.request_seconds
            self._last_look = self._loop.call_later(seconds, self._give_up, left)
