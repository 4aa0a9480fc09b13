"""One socket: frames in, calls run, frames out, deadlines, and an end in good order.

Owns what is in flight on one connection. Reading waits for nothing but its pace, so
that cancel, credit and ping are obeyed however busy the connection is.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from http.cookies import SimpleCookie
from typing import Any
from uuid import uuid4

from msgspec import Raw

from wsrequest.connection import sockets
from wsrequest.connection.calls import Call
from wsrequest.connection.flow import Flow
from wsrequest.connection.journal import Journal
from wsrequest.connection.outbox import Outbox
from wsrequest.connection.pace import Pace
from wsrequest.connection.schedule import Schedule
from wsrequest.connection.service import Service, Terms
from wsrequest.connection.sessions import SessionCheck
from wsrequest.connection.watch import Watch
from wsrequest.errors import Refused
from wsrequest.http.bodies import Body
from wsrequest.http.cookies import CookieJar
from wsrequest.http.environ import Base
from wsrequest.http.requests import WebSocketInfo, check_overrides, split_url
from wsrequest.protocol.codec import decode_client, encode_refused, encode_server
from wsrequest.protocol.messages import (
    Cancel,
    Credit,
    Hello,
    HelloLimits,
    Part,
    Ping,
    Pong,
    Request,
)
from wsrequest.protocol.session import Key, Session
from wsrequest.types import Frame

__all__ = ["SUBPROTOCOL", "Connection"]

logger = logging.getLogger("wsrequest.connection")

SUBPROTOCOL = "wsrequest.v1"
# PROTOCOL.md 7. Of the codes below 3000 daphne sends none but 1000.
SILENT, SLOW_READER, NO_REQUEST, RESTART, FAILED = 4000, 4001, 4002, 4004, 4005

FAREWELL_SECONDS = 0.5  # a round trip, and a client that is not the fastest

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Connection:
    """An accepted WebSocket.

    Args:
        send: the ASGI callable.
        base: of its handshake.
        subprotocol: what was agreed on; a client with one is greeted and pinged.
        service: what the process runs requests with.
        terms: the settings that hold for this connection.
    """

    def __init__(
        self, send: Send, base: Base, subprotocol: str | None, service: Service, terms: Terms
    ) -> None:
        self.service, self.terms, self.base = service, terms, base
        self.connection_id = uuid4().hex
        self.info = WebSocketInfo(self.connection_id, subprotocol)
        self.journal = Journal(self.connection_id, base)
        self._send = send
        self._loop = service.lane.loop
        self._jar = CookieJar(base.cookie)
        self._session = Session(terms.limits)
        self._outbox = Outbox(
            send, terms.limits.outbound_bytes, self._room, self._sending, self._broken
        )
        self._calls: dict[Key, Call] = {}  # unfinished for the client
        self._schedule = Schedule(
            service.lane, terms.limits.in_flight, self._outbox.has_room, self._begin
        )
        self._watch = Watch(self, terms.limits, pings=subprotocol is not None)
        self._task: asyncio.Task[Any] | None = None
        self._closing: tuple[int, str] | None = None
        self._left: object = None  # the code with which the client has gone
        self._pace = Pace(terms.limits.messages_per_second)
        self._session_since: float | None = None  # when a session was last found to name a user
        self._is_draining = False
        self._last_look: asyncio.TimerHandle | None = None  # for calls that outlive the connection
        self._ended: asyncio.Future[None] | None = None  # for whoever drains
        self._farewell: asyncio.TimerHandle | None = None  # closes when it has been drained

    def run(self, receive: Receive) -> Awaitable[None]:
        """Serve the connection until either side closes it."""
        serving = self._run(receive)
        if asyncio.current_task() is None:  # granian's own task implementation
            return self._loop.create_task(serving)
        return serving

    async def _run(self, receive: Receive) -> None:
        self._task = asyncio.current_task()
        sockets.add(self)
        self.journal.opened(self.base.origin)
        if self.info.subprotocol:
            self._outbox.put(encode_server(self._hello()))
        self._watch.start()
        try:
            await self._read(receive)
        except asyncio.CancelledError:
            # Our own doing: with a receive() pending granian's close would wait forever. Or the
            # server's, which is about to end: hypercorn's workers hear of it in this way only.
            is_ours = self._closing is not None
            if is_ours:
                self._task.uncancel()  # type: ignore[union-attr] # set above
            else:
                self._closing = (RESTART, "the server restarts")
                self._refuse_for_restart(list(self._calls.values()))
            await self._close()
            if not is_ours:
                raise
        finally:
            self._end()

    async def _read(self, receive: Receive) -> None:
        while True:
            event = await receive()
            if event["type"] != "websocket.receive":
                self._left = event.get("code")
                return
            text = event.get("text")
            try:
                self.receive(event["bytes"] if text is None else text)
            except Exception:
                logger.exception("connection %s failed", self.connection_id)
                self.close(FAILED, "the server failed")
            if self._pace.is_turn_over():
                await asyncio.sleep(self._pace.next_turn(self._loop.time()))

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then close. On the event loop; safe to call twice."""
        if self._closing is None and self._task is not None:
            self._closing = (code, reason)
            self._task.cancel()

    def close_soon(self, code: int, reason: str) -> None:
        """Like ``close``, from any thread."""
        self.service.lane.post(partial(self.close, code, reason))

    async def drain(self) -> None:
        """Begin nothing more, answer what is in flight, close for a restart; return when closed."""
        self._is_draining = True
        if self._task is None:
            return
        if self._ended is None:
            self._ended = self._loop.create_future()
        self._refuse_for_restart([call for call in self._calls.values() if call.is_endless])
        if not self._calls:
            self.close_for_restart()
        await asyncio.shield(self._ended)  # others may be waiting, too

    def close_for_restart(self) -> None:
        """Refuse what is in flight, and close. On the event loop; safe to call twice."""
        self._refuse_for_restart(list(self._calls.values()))
        self.close(RESTART, "the server restarts")

    @property
    def session_key(self) -> str | None:
        """The session that the connection's cookies name."""
        return self._jar.get(self.terms.session_cookie_name)

    def has_news(self, cookies: "SimpleCookie") -> bool:
        """Whether ``cookies`` say what the connection's do not say yet."""
        return self._jar.would_change(cookies)

    # Frames in.

    def receive(self, frame: Frame) -> None:
        """Take one frame of the client; whatever is wrong with it is answered."""
        self._watch.hear()
        try:
            message = decode_client(frame, max_bytes=self.terms.limits.message_bytes)
            key = self._session.receive(message)
            if isinstance(message, Request):
                self._open(key, message, len(frame))
            elif isinstance(message, Ping):
                self._reply(encode_server(Pong(message.value)))
            elif key is not None and not isinstance(message, Pong):
                self._receive_for_call(self._calls[key], message)
        except Refused as refused:
            self._refuse(refused)

    def _receive_for_call(self, call: Call, message: Part | Credit | Cancel) -> None:
        call.since = self._watch.heard
        if isinstance(message, Cancel):
            self._drop(call)
        elif isinstance(message, Credit):
            if call.flow is not None:
                call.flow.grant(message.count)
        else:
            self.service.budget.take(len(message.body), self.terms.limits.process_bytes, message.id)
            call.held_bytes += len(message.body)
            self._write_body(call, message.body, message.more)

    def _open(self, key: Key, message: Request, frame_bytes: int) -> None:
        try:
            if self._is_draining:
                raise Refused("shutting_down", "the server is about to restart", message.id)
            if message.headers:
                check_overrides(message.headers, self.base, self.terms.vouching_headers)
            self.service.budget.take(frame_bytes, self.terms.limits.process_bytes, message.id)
        except Refused as refused:
            refused.id = message.id
            self._session.finish(key)
            raise
        limits = self.terms.limits
        flow = None
        if message.credit is not None:
            flow = Flow(message.credit, 4 * limits.part_bytes, self._outbox.has_room)
        call = self._calls[key] = Call(self, key, message, flow)
        call.since, call.held_bytes = self._watch.heard, frame_bytes
        self._watch.expect(limits.request_seconds)
        if message.more:
            call.body = Body(self.terms.upload_memory_bytes, self.terms.upload_directory)
            self._write_body(call, message.body or b"", True)
        else:
            self._schedule.add(call)

    def _write_body(self, call: Call, part: bytes, more: bool) -> None:
        body, id = call.body, call.message.id
        assert body is not None and id is not None  # more needs an id, and opened the body
        try:
            body.write(part)
        except OSError as error:
            message = call.message
            logger.error("keeping the body of %s %s failed: %s", message.method, call.path, error)
            raise Refused("internal_error", "the server cannot keep the body", id) from error
        if not more:
            body.is_complete = True
            self._schedule.add(call)
        elif part:
            self._reply(encode_server(Credit(id, len(part))))

    # Calls.

    def _begin(self, call: Call) -> None:
        call.cookie = self._jar.header(split_url(call.message.url)[0])

    def _room(self) -> None:
        """The client has read: go on with what had to wait for it."""
        self._schedule.fill()
        for call in self._schedule:
            if call.flow is not None:
                call.flow.wake()

    def part_ready(self, call: Call, frame: Frame, body_bytes: int) -> None:
        """A frame of an answer that goes on."""
        if not call.is_dropped:
            call.since = self._loop.time()
            self._learn(call)
            self._outbox.put(frame)
        if call.flow is not None and body_bytes:
            call.flow.sent(body_bytes)

    def call_ended(self, call: Call, frame: Frame | None) -> None:
        """A call is back from the lane, with its last frame."""
        if not call.is_dropped:
            self._forget(call)
            self._learn(call)
            if frame is not None:
                self._outbox.put(frame)
                if not self._outbox.has_room():
                    self._schedule.hold()
        self._schedule.ended(call)
        if self._last_look is not None and not any(self._schedule):
            self._last_look.cancel()  # it would keep all this alive

    def _learn(self, call: Call) -> None:
        """Cookies hold from the first frame of their answer on, and so does who it was made for."""
        if call.set_cookies is not None:
            self._jar.update(call.set_cookies)
            call.set_cookies = None
        if call.user is not None:
            user, by_session = call.user
            call.user = None
            self.journal.is_user(user)
            if by_session and self._session_since is None:
                self._session_since = self._loop.time()
                self._watch.expect(self.terms.limits.session_check_seconds)

    def _forget(self, call: Call) -> None:
        if self._calls.get(call.key) is call:  # else the id may be another's by now
            del self._calls[call.key]
            self._session.finish(call.key)
        if self._is_draining and not self._calls and self._farewell is None:
            # Its next request may be on the way. It is to be read and refused: granian and
            # hypercorn reset a connection that they close unread, and the answers go with it.
            self._farewell = self._loop.call_later(FAREWELL_SECONDS, self.close_for_restart)

    def _drop(self, call: Call) -> bool:
        """The client shall hear no more of a call, which ends as soon as it can.

        Returns:
            Whether it had not been begun, and never will be.
        """
        self._forget(call)
        call.drop()
        is_untouched = self._schedule.withdraw(call)
        if is_untouched:
            call.discard()
        return is_untouched

    def _refuse_for_restart(self, calls: list[Call]) -> None:
        """Say what became of each call: after 4004 no request may be left in doubt."""
        for call in calls:
            is_untouched = self._drop(call)
            refused = (
                Refused("shutting_down", "the server is about to restart", call.message.id)
                if is_untouched or call.is_endless
                else Refused("deadline_exceeded", "no answer before the restart", call.message.id)
            )
            self._outbox.put(encode_refused(refused, has_begun=call.has_begun))

    def _refuse(self, refused: Refused) -> None:
        self.journal.refused(refused)
        if refused.code != "id_in_use" and refused.id is not None:
            call = self._calls.get(refused.id)
            if call is not None:  # a refusal with an id finishes that request (5.1)
                self._drop(call)
        self._reply(encode_refused(refused))

    def _reply(self, frame: Frame) -> None:
        """Send what is cheap to ask for; a client that asks without reading is cut."""
        limits = self.terms.limits
        if self._outbox.count > 2 * (limits.in_flight + limits.waiting):
            self._outbox.discard()
            self.close(SLOW_READER, "too much waits to be read")
        else:
            self._outbox.put(frame)

    # What the clock says.

    def timed_calls(self) -> list[Call]:
        """Calls that may not go on like this: stalled, or holding a thread."""
        calls = dict.fromkeys([*self._schedule, *self._calls.values()])
        return [call for call in calls if not call.is_lost and (call.is_stalled or call.is_in_lane)]

    def _broken(self) -> None:
        """The server does not send a frame; who waits for it must not wait forever."""
        self.close(FAILED, "an answer could not be sent")

    def _sending(self) -> None:
        self._watch.expect(self.terms.limits.slow_reader_seconds)

    def sending_since(self) -> float | None:
        """Loop time at which the frame now being sent was begun; None when none is."""
        return self._outbox.sending_since

    def is_busy(self) -> bool:
        """Whether the client has something to wait for."""
        return bool(self._calls)

    def session_since(self) -> float | None:
        """Loop time at which a session was last found to name a user; None without such."""
        return self._session_since

    def session_is_due(self) -> None:
        """Look whether the session still names somebody."""
        key, engine = self.session_key, self.terms.session_engine
        self._session_since = None  # until a request finds a user again
        if key and engine:
            self._session_since = self._loop.time()
            self.service.lane.submit(SessionCheck(self, engine, key), self.service.chores)

    def session_ended(self, session_key: str) -> None:
        """Close, unless the connection has another session by now."""
        if session_key == self.session_key:
            self.close(sockets.SESSION_ENDED, "the session ended")

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

    def reader_is_slow(self) -> None:
        """Cut a client that does not read what waits for it."""
        self._outbox.discard()
        self.close(SLOW_READER, "a frame waited too long to be read")

    def ping_is_due(self) -> None:
        """Ask a silent client for a sign of life."""
        self._outbox.put(encode_server(Ping(Raw(b"1"))))

    def client_is_silent(self, *, was_pinged: bool) -> None:
        """Cut a client that gives no sign of life."""
        if was_pinged:
            self._outbox.discard()
            self.close(SILENT, "no pong came")
        elif self._watch.has_spoken:
            self.close(SILENT, "nothing came")
        else:
            self.close(NO_REQUEST, "no request came")

    # The end.

    def _hello(self) -> Hello:
        limits = self.terms.limits
        return Hello(
            SUBPROTOCOL,
            limits.ping_seconds,
            HelloLimits(
                limits.message_bytes,
                limits.body_bytes,
                limits.in_flight,
                limits.waiting,
                limits.part_bytes,
                limits.window_bytes,
            ),
        )

    async def _close(self) -> None:
        assert self._closing is not None
        code, reason = self._closing
        try:
            async with asyncio.timeout(self.terms.limits.pong_seconds):
                await self._outbox.flush()
        except TimeoutError:
            self._outbox.discard()
        try:
            async with asyncio.timeout(self.terms.limits.pong_seconds):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except Exception as error:  # servers raise errors of their own when the client has gone
            logger.debug("closing failed: %r", error)

    def _end(self) -> None:
        sockets.discard(self)
        self.journal.closed(*(self._closing or (self._left, "by the client")))
        self._watch.stop()
        self._schedule.stop()
        self._outbox.discard()
        for call in list(self._calls.values()):
            self._drop(call)
        left = [call for call in self._schedule if call.is_in_lane]
        if left:  # they end by themselves, or their threads are replaced as of any late call
            seconds = self.terms.limits.request_seconds
            self._last_look = self._loop.call_later(seconds, self._give_up, left)
        self._task = None
        if self._farewell is not None:
            self._farewell.cancel()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
