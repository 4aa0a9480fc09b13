"""The fast path between uvicorn's socket and a connection, with real servers and clients."""

import asyncio
import gc
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

import pytest
import uvicorn
import uvloop  # noqa: F401  # where it is missing the tests fail, and are not skipped
from django.http import HttpResponse
from django.urls import path
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection, connect

from tests.unit.fixtures import _project as _project
from wsrequest.asgi import Application
from wsrequest.connection.connection import Connection
from wsrequest.server import uvicorn as uvicorn_classes
from wsrequest.server import write_buffer
from wsrequest.server.drain import Drain
from wsrequest.server.endpoint import not_found
from wsrequest.server.http.whole_response import WholeResponse
from wsrequest.server.uvicorn import WebSocketProtocol, is_packed, join
from wsrequest.server.write_buffer import WriteBuffer
from wsrequest.types import Frame

SECONDS = 5.0
WS, HTTP = "wsrequest.server.uvicorn:WebSocketProtocol", "wsrequest.server.uvicorn:HTTPProtocol"


class Echo:
    """An ASGI application that says how each frame came, and answers on the fast path."""

    def __init__(self) -> None:
        self.protocol: WebSocketProtocol | None = None
        self.write: Callable[[Frame], bool] | None = None
        self.wrapped = ""  # which of the ASGI callables a middleware wraps
        self.is_busy = False
        self.early = b""  # what comes before it is served
        self.drained = 0
        self.drain = Drain(self.drain_once)
        self.buffered: list[int] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.accepted, self.ended = threading.Event(), threading.Event()
        self.loop: asyncio.AbstractEventLoop

    async def drain_once(self) -> None:
        self.drained += 1

    def take(self, frame: Frame) -> bool:
        is_taken = self.hold.is_set() and not self.is_busy
        if is_taken:
            self.answer("direct", frame)
        return is_taken

    def is_buffered(self, count: int) -> None:
        self.buffered.append(count)

    def reader_is_slow(self) -> None:
        """No test here waits for that long."""

    def too_much_waits(self) -> None:
        """No test here sends that many pings."""

    def answer(self, way: str, frame: Frame) -> None:
        assert self.write is not None
        text = f"{way} {frame!r}"
        assert self.write(text if isinstance(frame, str) else text.encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def wrapped_receive() -> Any:
            return await receive()

        async def wrapped_send(event: Any) -> None:
            await send(event)

        self.loop = asyncio.get_running_loop()
        found = WriteBuffer.find(scope, send)
        await receive()
        await send({"type": "websocket.accept"})
        if found is not None:
            assert isinstance(found, WebSocketProtocol)
            self.protocol = found
            found.watch(30.0, self.drain)
            found.serve(self)
            found.data_received(self.early)
            self.write = found.bypass_asgi(
                wrapped_receive if self.wrapped == "receive" else receive,
                wrapped_send if self.wrapped == "send" else send,
                self.take,
            )
        self.accepted.set()
        while (event := await receive())["type"] == "websocket.receive":
            self.is_busy = True
            await self.hold.wait()
            self.is_busy = False
            frame = event.get("text") or event.get("bytes")
            if self.write is None:
                await send({"type": "websocket.send", "text": f"asgi {frame!r}"})
            else:
                self.answer("asgi", frame)
        self.ended.set()

    def call(self, function: Any, *args: object) -> Any:
        """Call a function on the server's loop; return what it returns."""

        async def run() -> Any:
            return function(*args)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(SECONDS)


@contextmanager
def serving(app: Any, loop: str, **options: Any) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        options = {"ws": WS, "http": HTTP, **options}
        config = uvicorn.Config(app, loop=loop, lifespan="off", log_level="critical", **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(SECONDS)
            assert not thread.is_alive()


@contextmanager
def opened(
    app: Echo, loop: str, *, compression: str | None = None, **options: Any
) -> Iterator[ClientConnection]:
    with serving(app, loop, **options) as port:
        address = f"ws://127.0.0.1:{port}/"
        with connect(address, compression=compression, proxy=None, close_timeout=2) as client:
            assert app.accepted.wait(SECONDS)
            yield client


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def raw(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return WebSocketFrame(opcode, payload, fin).serialize(mask=True)


@pytest.mark.parametrize("is_on", [True, False])
def test_the_application_takes_the_fast_path_unless_the_setting_turns_it_off(
    loop: str, is_on: bool, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WSREQUEST_UVICORN_FAST_PATH = is_on
    take, write = Connection.take, WebSocketProtocol._write
    taken, written = [], []

    def spy_take(self: Connection, frame: Frame) -> bool:
        taken.append(frame)
        return take(self, frame)

    def spy_write(self: WebSocketProtocol, frame: Frame) -> bool:
        written.append(frame)
        return write(self, frame)

    monkeypatch.setattr(Connection, "take", spy_take)
    monkeypatch.setattr(WebSocketProtocol, "_write", spy_write)
    message = '{"id":1,"url":"/quick/a/"}'
    with serving(Application(not_found), loop) as port:
        address = f"ws://127.0.0.1:{port}/ws/"
        with connect(address, compression=None, proxy=None, close_timeout=2) as client:
            client.send(message)
            answer = client.recv(SECONDS)
            assert '"status":200' in str(answer)
    assert taken == ([message] if is_on else [])
    assert written == ([answer] if is_on else [])


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_frames_come_and_go_the_fast_path(loop: str, compression: str | None) -> None:
    with opened(Echo(), loop, compression=compression) as client:
        for message in ("a", "é", b"\xff", "x" * 100_000, b"x" * 100_000, ""):
            client.send(message)
            answer = f"direct {message!r}"
            assert client.recv(SECONDS) == (answer if isinstance(message, str) else answer.encode())


def test_fragments_and_pings_keep_the_order(loop: str) -> None:
    with opened(Echo(), loop) as client:
        client.socket.sendall(
            raw(Opcode.TEXT, b"1")
            + raw(Opcode.TEXT, b"2", fin=False)
            + raw(Opcode.PING, b"")
            + raw(Opcode.CONT, b"3")
            + raw(Opcode.TEXT, b"4")
        )
        answers = [client.recv(SECONDS) for _ in range(3)]
        assert answers == ["direct '1'", "direct '23'", "direct '4'"]


def test_text_that_is_not_utf_8_closes_the_connection(loop: str) -> None:
    app = Echo()
    with opened(app, loop) as client:
        client.socket.sendall(raw(Opcode.TEXT, b"\xff") + raw(Opcode.TEXT, b"a"))
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(SECONDS)
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1007
        assert app.ended.wait(SECONDS)


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("kind", [Opcode.TEXT, Opcode.BINARY])
def test_a_frame_is_the_one_that_websockets_makes(length: int, kind: Opcode) -> None:
    payload = b"x" * length
    frame = payload.decode() if kind is Opcode.TEXT else payload
    assert join(frame) == WebSocketFrame(kind, payload).serialize(mask=False)


def test_what_cannot_be_taken_now_waits_behind_what_came_before(loop: str) -> None:
    app = Echo()
    with opened(app, loop) as client:
        app.call(app.hold.clear)
        client.send("1")
        assert client.ping().wait(SECONDS)  # it was read, and waits for the application
        client.send("2")
        client.send("3")
        app.call(app.hold.set)
        answers = [str(client.recv(SECONDS)) for _ in range(3)]
        assert answers[0] == "asgi '1'"  # the others, too, if they have come by now
        assert [answer.split()[1] for answer in answers] == ["'1'", "'2'", "'3'"]


@pytest.mark.parametrize("reason", ["receive", "send", "wsproto", "websockets-sansio"])
def test_there_is_no_fast_path(loop: str, reason: str) -> None:
    """With ASGI middleware, and without the class."""
    app = Echo()
    app.wrapped = reason
    with opened(app, loop, ws=WS if reason in ("receive", "send") else reason) as client:
        assert app.write is None
        assert (app.protocol is not None) == (reason in ("receive", "send"))
        client.send("a")
        assert client.recv(SECONDS) == "asgi 'a'"


@pytest.mark.parametrize("early", [2, 3, 6, 11])  # of the head, all of it, all of the frame
def test_a_client_need_not_wait_to_be_accepted(loop: str, early: int) -> None:
    """uvicorn's parser has the first bytes of its frame before the application runs."""
    app, frame = Echo(), raw(Opcode.TEXT, b"early")
    app.early = frame[:early]
    with serving(app, loop) as port, socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert app.accepted.wait(SECONDS)
        line.settimeout(SECONDS)
        line.sendall(frame[early:] + raw(Opcode.TEXT, b"late"))
        received = b""
        while b"'late'" not in received:
            more = line.recv(4096)
            assert more
            received += more
    assert received.index(b"'early'") < received.index(b"'late'")


@pytest.mark.parametrize(("ws", "http"), [("wsproto", HTTP), (WS, "h11"), ("auto", "auto")])
def test_a_uvicorn_without_the_classes_is_reported_once(
    ws: Any, http: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(write_buffer, "_reported", set())
    with serving(Application(not_found), "asyncio", ws=ws, http=http) as port:
        for _ in range(2):
            with connect(f"ws://127.0.0.1:{port}/ws/", proxy=None, close_timeout=2):
                pass
            with socket.create_connection(("127.0.0.1", port)) as line:
                line.sendall(EVENTS)
                line.settimeout(SECONDS)
                assert line.recv(100).startswith(b"HTTP/1.1 200")
    lines = [each.getMessage() for each in caplog.records if "uvicorn" in each.getMessage()]
    missing = [
        option for option, is_ours in (("--ws", ws == WS), ("--http", http == HTTP)) if not is_ours
    ]
    assert [next(part for part in ("--ws", "--http") if part in line) for line in lines] == missing


def test_a_closed_connection_needs_no_garbage_collector(loop: str) -> None:
    app = Echo()
    gc.disable()
    try:
        with opened(app, loop):
            protocol, app.protocol = ref(app.protocol), None
            app.write = None
        assert app.ended.wait(SECONDS)
        end = time.monotonic() + SECONDS
        while protocol() is not None:
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        gc.enable()


def test_a_client_that_does_not_read_is_not_written_to(loop: str) -> None:
    app = Echo()
    with opened(app, loop) as client:
        assert app.protocol is not None and app.write is not None
        sent = 0
        while app.call(app.write, "x" * 60_000):  # the client holds some, then the system does
            sent += 1
            assert sent < 2000
        assert len(app.buffered) == 1 and app.buffered[0] > 60_000  # and it is known how much
        for _ in range(sent):
            client.recv(SECONDS)
        client.send("a")
        assert client.recv(SECONDS) == "direct 'a'"


def test_a_client_that_does_not_read_can_be_cut_off(loop: str) -> None:
    app = Echo()
    with opened(app, loop) as client:
        assert app.protocol is not None and app.write is not None
        while app.call(app.write, "x" * 60_000):
            pass
        assert not app.ended.is_set()
        app.call(app.protocol.abort)
        assert app.ended.wait(SECONDS)
        assert app.buffered[-1] == 0
        client.socket.close()


def test_the_end_of_a_connection_is_told_by_asgi(loop: str) -> None:
    app = Echo()
    with opened(app, loop) as client:
        assert app.protocol is not None and app.write is not None
        client.close()
        assert app.ended.wait(SECONDS)
        assert not app.call(app.write, "too late")


def test_frames_behind_a_close_are_not_taken(loop: str) -> None:
    app = Echo()
    with opened(app, loop) as client:
        client.socket.sendall(raw(Opcode.CLOSE, b"\x03\xe8") + raw(Opcode.TEXT, b"a"))
        with pytest.raises(ConnectionClosed):
            client.recv(SECONDS)


def test_frames_that_come_when_the_server_has_closed_are_not_taken(loop: str) -> None:
    app = Echo()
    with opened(app, loop) as client:
        assert app.protocol is not None and app.write is not None
        app.call(setattr, app.protocol, "close_sent", True)  # the client's own is on its way
        client.send("a")
        assert client.ping().wait(SECONDS)  # it was read
        with pytest.raises(TimeoutError):
            client.recv(0)
        assert not app.call(app.write, "too late")
        app.call(setattr, app.protocol, "close_sent", False)


def test_nothing_is_written_behind_a_close(loop: str) -> None:
    """What the client has closed is not yet gone while the application has not read of it."""
    app = Echo()
    with opened(app, loop) as client:
        assert app.protocol is not None and app.write is not None
        late: list[bool] = []

        def shut() -> None:
            WebSocketsSansIOProtocol.shutdown(app.protocol)  # type: ignore[arg-type]
            late.append(app.write("too late"))  # type: ignore[misc]

        app.call(shut)
        with pytest.raises(ConnectionClosed):
            client.recv(SECONDS)
        assert late == [False]


def test_a_server_that_stops_drains_once_and_then_closes(loop: str) -> None:
    app, other = Echo(), Echo()
    other.drain = app.drain
    with opened(app, loop) as client, opened(other, loop) as second:
        for _ in range(2):  # uvicorn may call it again
            app.call(app.protocol.shutdown)  # type: ignore[union-attr]
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(SECONDS)
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1012
        assert app.ended.wait(SECONDS) and app.drain.is_draining
        # Once drained, the next ones are closed at once.
        other.call(other.protocol.shutdown)  # type: ignore[union-attr]
        with pytest.raises(ConnectionClosed):
            second.recv(SECONDS)
    assert app.drained == 1


def test_websockets_of_another_application_are_left_alone(loop: str) -> None:
    """They share the class, but never ask it to watch them."""
    seen: list[WriteBuffer | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(WriteBuffer.find(scope, send))
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(100):
            await send({"type": "websocket.send", "bytes": bytes(60_000)})
        await receive()

    with serving(app, loop) as port:
        address = f"ws://127.0.0.1:{port}/"
        with connect(address, compression=None, proxy=None, close_timeout=2) as client:
            client.ping()  # while most is unread
            for _ in range(100):
                assert len(client.recv(SECONDS)) == 60_000
    assert isinstance(seen[0], WebSocketProtocol) and seen[0]._timer is None


NOISE = random.Random(1).randbytes(100_000)


EVENTS = b"GET /ws/?url=/table/a/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"


class Packed:
    """URLs of a project whose one view answers what no compression makes smaller."""

    urlpatterns = (path("packed/", lambda request: HttpResponse(NOISE, content_type="image/png")),)


def test_what_compression_would_not_make_smaller_goes_without(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deflate, deflated = PerMessageDeflate.encode, []

    def spy(self: PerMessageDeflate, frame: WebSocketFrame) -> WebSocketFrame:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            deflated.append(bytes(frame.data))
        return deflate(self, frame)

    small, packed, loose, text = NOISE[:1000], NOISE, bytes(100_000), "x" * 100_000
    # Between others, since those are deflated with what came before in mind.
    frames: list[Frame] = [text, packed, loose, small, packed, text]
    app = Echo()
    with opened(app, loop, compression="deflate") as client:
        monkeypatch.setattr(PerMessageDeflate, "encode", spy)
        for frame in frames:
            assert app.call(app.write, frame)
            assert client.recv(SECONDS) == frame
    assert deflated == [text.encode(), loose, small, text.encode()]


def test_a_packed_response_is_not_packed_again(
    loop: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed: list[int] = []

    def spy(frame: bytes) -> bool:
        packed.extend([len(frame)] if is_packed(frame) else [])
        return is_packed(frame)

    monkeypatch.setattr(uvicorn_classes, "is_packed", spy)
    settings.ROOT_URLCONF = Packed
    settings.WSREQUEST_PART_BYTES = 2**16  # so that it comes in two
    with serving(Application(not_found), loop) as port:
        address = f"ws://127.0.0.1:{port}/ws/"
        with connect(address, proxy=None, close_timeout=2) as client:
            client.send('{"id":1,"url":"/packed/","credit":200000}')
            assert b'"status":200' in client.recv(SECONDS, decode=False)
            frames = [client.recv(SECONDS) for _ in range(2)]
    parts = [frame.partition(b"\n")[2] for frame in frames if isinstance(frame, bytes)]
    assert b"".join(parts) == NOISE
    assert len(packed) == 2


class Answer:
    """An ASGI application with one response, written at once if that is possible."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.start = {"type": "http.response.start", "status": status, "headers": headers}
        self.body = body
        pairs = [(name.decode("latin1"), value.decode("latin1")) for name, value in headers]
        self.response = WholeResponse(status, pairs, body)
        self.at_once: list[bool] = []
        self.tries = True
        self.is_wrapped = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()

        async def wrapped(event: Any) -> None:
            await send(event)

        protocol = scope["state"][write_buffer.ResponseBuffer.STATE_KEY]()
        if self.tries:
            callable_ = wrapped if self.is_wrapped else send
            self.at_once.append(protocol.respond(callable_, self.response))
            if self.at_once[-1]:
                return
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body})


def exchanged(app: Any, request: bytes, **options: Any) -> bytes:
    with serving(app, "asyncio", date_header=False, access_log=False, **options) as port:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            client.sendall(request)
            if b"Connection: close" not in request:
                client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))


GET = b"GET /a?b HTTP/1.1\r\nHost: localhost\r\n\r\n"
USUAL = [
    (b"Content-Type", b"text/plain"),
    (b"Content-Length", b"2"),
    (b"Set-Cookie", b"a=b; Path=/"),
]


@pytest.mark.parametrize(
    ("status", "headers", "body", "request_bytes", "is_at_once"),
    [
        (200, USUAL, b"ok", GET, True),
        (404, [*USUAL, (b"Set-Cookie", b"c=\xe9")], b"ok", GET, True),
        (299, USUAL, b"ok", GET, True),
        (200, [(b"Content-Length", b"0")], b"", GET, True),
        (200, USUAL, b"ok", GET.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"), True),
        (200, USUAL, b"ok", GET.replace(b"1.1", b"1.0"), False),
        (200, USUAL, b"ok", GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False),
        (200, USUAL, b"ok", GET.replace(b"GET", b"HEAD"), False),
        (200, [*USUAL, (b"Connection", b"close")], b"ok", GET, False),
        (200, [*USUAL, (b"Transfer-Encoding", b"chunked")], b"ok", GET, False),
        (200, USUAL[:1], b"ok", GET, False),
        (200, [*USUAL, (b"Content-Length", b"2")], b"ok", GET, False),
        (200, USUAL, b"longer", GET, False),
        (200, USUAL, b"", GET, False),
        (204, [], b"", GET, False),
        (304, [(b"ETag", b'"a"')], b"", GET, False),
        (200, [*USUAL, (b"X-Bad", b"a\r\nX-Injected: b")], b"ok", GET, False),
        (200, [*USUAL, (b"X-Bad\r\nX-Injected", b"b")], b"ok", GET, False),
        (200, [*USUAL, (b"X Bad", b"b")], b"ok", GET, False),
        (200, [*USUAL, (b"X-Bad", b"\x00")], b"ok", GET, False),
        (200, [*USUAL, (b"X-Tab", b"a\tb")], b"ok", GET, False),
    ],
)
def test_response_that_is_written_at_once_has_the_bytes_that_uvicorn_writes(
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    request_bytes: bytes,
    is_at_once: bool,
) -> None:
    app = Answer(status, headers, body)
    options = {"headers": [("X-Default", "1")]}
    found = exchanged(app, request_bytes, **options)
    assert app.at_once == [is_at_once]
    app.tries = False
    assert found == exchanged(app, request_bytes, **options)
    is_refused = headers[-1:] and b"bad" in headers[-1][0].lower()  # uvicorn closes the connection
    assert found.startswith(b"" if is_refused else b"HTTP/1.1 ")
    assert b"injected" not in found.lower()


def test_requests_one_after_the_other_are_answered_at_once() -> None:
    app = Answer(200, USUAL, b"ok")
    with serving(app, "asyncio", access_log=False) as port:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            for _ in range(3):
                client.sendall(GET)
                assert client.recv(65536).endswith(b"\r\n\r\nok")
    assert app.at_once == [True, True, True]  # once the server has ended


def test_response_is_not_written_past_a_callable_that_wraps_send() -> None:
    app = Answer(200, USUAL, b"ok")
    app.is_wrapped = True
    assert exchanged(app, GET).endswith(b"\r\n\r\nok")
    assert app.at_once == [False]


def test_pipelined_requests_are_answered_in_order() -> None:
    answers: list[Answer] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b"%02d" % len(answers)
        answers.append(Answer(200, USUAL, body))
        await answers[-1](scope, receive, send)

    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    found = exchanged(app, GET * 4 + last)
    bodies = [part[:2] for part in found.split(b"\r\n\r\n")[1:]]
    assert bodies == [b"00", b"01", b"02", b"03", b"04"]
    assert len(answers) == 5


def test_response_to_a_client_that_left_is_not_written_at_once() -> None:
    has_begun, is_done = threading.Event(), threading.Event()

    class Late(Answer):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            has_begun.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            await super().__call__(scope, receive, send)
            is_done.set()

    app = Late(200, USUAL, b"ok")
    with serving(app, "asyncio", access_log=False) as port:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            client.sendall(GET)
            assert has_begun.wait(SECONDS)
        assert is_done.wait(SECONDS)
    assert app.at_once == [False]
