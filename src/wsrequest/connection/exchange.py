"""The frames of one client: each is obeyed at once, or refused.

Owns what a frame asks for. What then becomes of a call is ``inflight``'s. Nothing here waits, so
that cancel, credit and ping are obeyed however busy the connection is.
"""

import logging

from wsrequest.connection.calls import Call
from wsrequest.connection.flow import Flow
from wsrequest.connection.inflight import InFlight
from wsrequest.connection.runs import LiveCall
from wsrequest.connection.subscriptions import Subscriptions, too_large_to_subscribe
from wsrequest.errors import Refused
from wsrequest.http.bodies import Body
from wsrequest.http.requests import check_excluded, check_overrides, check_referrer
from wsrequest.protocol.codec import decode_client, encode_refused, encode_server
from wsrequest.protocol.messages import Cancel, Credit, Part, Ping, Pong, Request
from wsrequest.protocol.session import Key
from wsrequest.types import Frame

__all__ = ["SLOW_READER", "Exchange"]

logger = logging.getLogger("wsrequest.connection")

SLOW_READER = 4001  # PROTOCOL.md 7

_CALL_BYTES = 1536
"""What an unfinished request takes beside its frames: measured with an upload of no byte."""


class Exchange(InFlight):
    """What one client asks for and is answered. Used on the event loop only."""

    __slots__ = ()

    def receive(self, frame: Frame) -> None:
        """Take one frame of the client; whatever is wrong with it is answered."""
        self._watch.hear()
        try:
            message = decode_client(frame, max_bytes=self.terms.limits.message_bytes)
            if isinstance(message, Request):
                self._open(self._session.begin(message), message, len(frame))
                return
            key = self._session.receive(message)
            if isinstance(message, Ping):
                self._reply(encode_server(Pong(message.value)))
            elif key is not None and not isinstance(message, Pong):
                if key in self._calls:
                    self._receive_for_call(self._calls[key], message)
                elif self._subscriptions is not None:
                    self._subscriptions.cancel(key)  # for nothing else concerns one that is live
        except Refused as refused:
            self._refuse(refused)

    def _receive_for_call(self, call: Call, message: Part | Credit | Cancel) -> None:
        # Only progress gives a call more time. Else a client could have what it holds for ever.
        if isinstance(message, Cancel):
            self._drop(call)
        elif isinstance(message, Credit):
            if call.has_begun and message.count:
                call.since = self._watch.heard
            if call.flow is not None:
                call.flow.grant(message.count)
        else:
            if message.body or not message.more:
                call.since = self._watch.heard
            self._account.begin(len(message.body), self.terms.limits, message.id)
            call.held_bytes += len(message.body)
            self._write_body(call, message.body, message.more)

    def _open(self, key: Key, message: Request, frame_bytes: int) -> None:
        try:
            if self._is_draining:
                raise Refused("shutting_down", "the server is about to restart", message.id)
            if message.subscribe and self.service.live is None:
                raise Refused("not_supported", "this server has no live requests", message.id)
            if message.subscribe and frame_bytes > self.terms.limits.subscribe_bytes:
                raise too_large_to_subscribe(self.terms.limits.subscribe_bytes)
            if self.terms.excluded_paths:
                check_excluded(message.url, self.base, self.terms.excluded_paths)
            if message.headers or message.token is not None:
                check_overrides(message, self.base, self.terms.vouching_headers)
            if message.referrer is not None:
                check_referrer(message.referrer, self.base, self.terms.vouching_headers)
            held_bytes = frame_bytes + _CALL_BYTES
            self._account.begin(held_bytes, self.terms.limits, message.id)
        except Refused as refused:
            refused.id = message.id
            self._session.finish(key)
            raise
        limits = self.terms.limits
        flow = None
        if message.credit is not None:
            flow = Flow(message.credit, 2 * limits.part_bytes, self._outbox.has_room)
        if message.subscribe:
            call: Call = self._make_live_call(key, message)
        else:
            call = Call(self, key, message, flow)
        self._calls[key] = call
        call.since, call.account, call.held_bytes = self._watch.heard, self._account, held_bytes
        self._watch.expect(call.since + limits.request_seconds)
        if message.more:
            call.body = Body(self.terms.upload_memory_bytes, self.terms.upload_directory)
            self._write_body(call, message.body or b"", True)
        else:
            self._schedule.add(call)

    def _make_live_call(self, key: Key, message: Request) -> LiveCall:
        live = self.service.live
        assert live is not None  # else _open has refused it
        if self._subscriptions is None:
            self._subscriptions = Subscriptions(self, live)
        return LiveCall(self, key, message)

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

    def _refuse(self, refused: Refused) -> None:
        self._line.journal.refused(refused)
        if refused.code != "id_in_use" and refused.id is not None:
            call = self._calls.get(refused.id)
            if call is not None:  # a refusal with an id finishes that request (5.1)
                self._drop(call)
            elif self._subscriptions is not None and self._subscriptions.cancel(refused.id):
                self._session.finish(refused.id)
        self._reply(encode_refused(refused))

    def _reply(self, frame: Frame) -> None:
        """Send what is cheap to ask for; a client that asks without reading is cut."""
        limits = self.terms.limits
        if self._outbox.count > 2 * (limits.in_flight + limits.waiting):
            self._outbox.discard()
            self._line.close(SLOW_READER, "too much waits to be read")
        else:
            self._outbox.put(frame)
