"""The fast path between uvicorn's socket and a connection, with real servers and clients."""

import asyncio
import random
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import uvicorn
import uvloop  # noqa: F401  # where it is missing the tests fail, and are not skipped
from django.http import HttpResponse
from django.urls import path
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection, connect

from tests.unit.fixtures import _project as _project
from wsrequest.asgi import Application
from wsrequest.connection.connection import Connection
from wsrequest.server.endpoint import not_found
from wsrequest.server.uvicorn import FastPath, UncompressedSender
from wsrequest.types import Frame

SECONDS = 5.0


class Echo:
    """An ASGI application that says by which way each frame came, and answers by the short one."""

    def __init__(self) -> None:
        self.line: FastPath | None = None
        self.wrapped = ""  # which of the ASGI callables something stands before
        self.is_busy = False
        self.buffered: list[int] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.accepted, self.ended = threading.Event(), threading.Event()
        self.loop: asyncio.AbstractEventLoop

    def take(self, frame: Frame) -> bool:
        is_taken = self.hold.is_set() and not self.is_busy
        if is_taken:
            self.answer("direct", frame)
        return is_taken

    def is_buffered(self, count: int) -> None:
        self.buffered.append(count)

    def reader_is_slow(self) -> None:
        """Nobody waits for so long here."""

    def too_much_waits(self) -> None:
        """Nobody sends so many pings here."""

    def answer(self, way: str, frame: Frame) -> None:
        assert self.line is not None
        text = f"{way} {frame!r}"
        assert self.line.send(text if isinstance(frame, str) else text.encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def wrapped_receive() -> Any:
            return await receive()

        async def wrapped_send(event: Any) -> None:
            await send(event)

        self.loop = asyncio.get_running_loop()
        await receive()
        await send({"type": "websocket.accept"})
        self.line = FastPath.attach(
            wrapped_receive if self.wrapped == "receive" else receive,
            wrapped_send if self.wrapped == "send" else send,
            30.0,
            self,
        )
        self.accepted.set()
        while (event := await receive())["type"] == "websocket.receive":
            self.is_busy = True
            await self.hold.wait()
            self.is_busy = False
            frame = event.get("text") or event.get("bytes")
            if self.line is None:
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
def test_the_application_takes_the_short_way_unless_told_otherwise(
    loop: str, is_on: bool, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WSREQUEST_UVICORN_FAST_PATH = is_on
    attach, take, attached, taken = FastPath.attach, Connection.take, [], []

    def spy_attach(*args: Any) -> FastPath | None:
        attached.append(attach(*args))
        return attached[-1]

    def spy_take(self: Connection, frame: Frame) -> bool:
        taken.append(frame)
        return take(self, frame)

    monkeypatch.setattr(FastPath, "attach", spy_attach)
    monkeypatch.setattr(Connection, "take", spy_take)
    message = '{"id":1,"url":"/quick/a/"}'
    with serving(Application(not_found), loop) as port:
        address = f"ws://127.0.0.1:{port}/ws/"
        with connect(address, compression=None, proxy=None, close_timeout=2) as client:
            client.send(message)
            assert '"status":200' in str(client.recv(SECONDS))
    assert [line is not None for line in attached] == ([True] if is_on else [])
    assert taken == ([message] if is_on else [])


def test_plain_frames_come_and_go_the_short_way(loop: str) -> None:
    with opened(Echo(), loop) as client:
        for message in ("a", "é", b"\xff"):
            client.send(message)
            answer = f"direct {message!r}"
            assert client.recv(SECONDS) == (answer if isinstance(message, str) else answer.encode())


def test_everything_else_comes_by_asgi_and_in_order(loop: str) -> None:
    with opened(Echo(), loop) as client:
        client.socket.sendall(
            raw(Opcode.TEXT, b"1")
            + raw(Opcode.TEXT, b"2", fin=False)
            + raw(Opcode.PING, b"")
            + raw(Opcode.CONT, b"3")
            + raw(Opcode.TEXT, b"4")
        )
        assert [client.recv(SECONDS) for _ in range(3)] == ["direct '1'", "asgi '23'", "asgi '4'"]
        client.send("5")
        assert client.recv(SECONDS) == "direct '5'"
        large = "x" * 100_000
        client.send(large)
        assert client.recv(SECONDS) == f"asgi '{large}'"


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


@pytest.mark.parametrize("reason", ["compressed", "receive", "send", "another server", "renamed"])
def test_there_is_no_short_way(loop: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Echo()
    app.wrapped = reason
    if reason == "renamed":  # by a later uvicorn
        module = import_module("uvicorn.protocols.websockets.websockets_sansio_impl")
        monkeypatch.setitem(sys.modules, module.__name__, ModuleType(module.__name__))
        ws: Any = module.WebSocketsSansIOProtocol
    else:
        ws = "wsproto" if reason == "another server" else "websockets-sansio"
    compression = "deflate" if reason == "compressed" else None
    with opened(app, loop, compression=compression, ws=ws) as client:
        assert app.line is None
        client.send("a")
        assert client.recv(SECONDS) == "asgi 'a'"


@pytest.mark.parametrize("early", [2, 3, 6, 11])  # of the head, all of it, all of the frame
def test_a_client_that_does_not_wait_to_be_accepted_goes_by_asgi(
    loop: str, early: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frame was begun before the line could see it."""
    app, attach, frame = Echo(), FastPath.attach, raw(Opcode.TEXT, b"early")

    def attach_late(receive: Any, send: Any, *args: Any) -> FastPath | None:
        send.__self__.data_received(frame[:early])
        return attach(receive, send, *args)

    monkeypatch.setattr(FastPath, "attach", attach_late)
    with serving(app, loop) as port, socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert app.accepted.wait(SECONDS)
        assert app.line is None
        line.settimeout(SECONDS)
        line.sendall(frame[early:])
        received = b""
        while b"asgi 'early'" not in received:
            more = line.recv(4096)
            assert more
            received += more


def test_a_client_that_does_not_read_is_not_written_to(loop: str) -> None:
    app = Echo()
    with opened(app, loop) as client:
        assert app.line is not None
        sent = 0
        while app.call(app.line.send, "x" * 60_000):  # the client holds some, then the system does
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
        assert app.line is not None
        while app.call(app.line.send, "x" * 60_000):
            pass
        assert not app.ended.is_set()
        app.call(app.line.abort)
        assert app.ended.wait(SECONDS)
        assert app.buffered[-1] == 0
        client.socket.close()


def test_the_end_of_a_connection_is_told_by_asgi(loop: str) -> None:
    app = Echo()
    with opened(app, loop) as client:
        assert app.line is not None
        client.close()
        assert app.ended.wait(SECONDS)
        assert not app.call(app.line.send, "too late")


def test_frames_behind_a_close_are_not_taken(loop: str) -> None:
    app = Echo()
    with opened(app, loop) as client:
        client.socket.sendall(raw(Opcode.CLOSE, b"\x03\xe8") + raw(Opcode.TEXT, b"a"))
        with pytest.raises(ConnectionClosed):
            client.recv(SECONDS)


def test_frames_that_come_when_the_server_has_closed_are_not_taken(loop: str) -> None:
    app = Echo()
    with opened(app, loop) as client:
        assert app.line is not None
        app.call(setattr, app.line._server, "close_sent", True)  # the client's own is on its way
        client.send("a")
        assert client.ping().wait(SECONDS)  # it was read
        with pytest.raises(TimeoutError):
            client.recv(0)
        assert not app.call(app.line.send, "too late")
        app.call(setattr, app.line._server, "close_sent", False)


def test_nothing_is_written_behind_a_close(loop: str) -> None:
    """What the client has closed is not yet gone while the application has not read of it."""
    app = Echo()
    with opened(app, loop) as client:
        assert app.line is not None
        late: list[bool] = []

        def shut() -> None:
            app.line._server.shutdown()  # type: ignore[union-attr]
            late.append(app.line.send("too late"))  # type: ignore[union-attr]

        app.call(shut)
        with pytest.raises(ConnectionClosed):
            client.recv(SECONDS)
        assert late == [False]


def test_a_server_that_stops_closes_the_connection(loop: str) -> None:
    app = Echo()
    with pytest.raises(ConnectionClosed) as caught, opened(app, loop) as client:
        app.call(app.line._server.shutdown)  # type: ignore[union-attr]
        client.recv(SECONDS)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1012
    assert app.ended.wait(SECONDS)


class Sender:
    """An ASGI application that sends what it is told to, as a connection does."""

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = frames
        self.directly: list[bool] = []
        self.has_sender = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        sender = UncompressedSender.attach(send)
        self.has_sender = sender is not None
        await receive()
        for frame in self.frames:
            is_sent = sender is not None and sender.send(frame)
            self.directly.append(is_sent)
            if not is_sent:
                kind = "text" if isinstance(frame, str) else "bytes"
                await send({"type": "websocket.send", kind: frame})
        await receive()


NOISE = random.Random(1).randbytes(100_000)


class Packed:
    """URLs of a project whose one view answers what no compression makes smaller."""

    urlpatterns = (path("packed/", lambda request: HttpResponse(NOISE, content_type="image/png")),)


def sent_by(
    app: Sender, loop: str, compression: str | None, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> tuple[list[Frame], int]:
    """What a client gets of an application, and how many frames of the server were deflated."""
    encode, deflated = PerMessageDeflate.encode, []

    def spy_encode(self: PerMessageDeflate, frame: WebSocketFrame) -> WebSocketFrame:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY) and bytes(frame.data) != b"begin":
            deflated.append(frame)
        return encode(self, frame)

    monkeypatch.setattr(PerMessageDeflate, "encode", spy_encode)
    with serving(app, loop, **options) as port:
        address = f"ws://127.0.0.1:{port}/"
        with connect(address, compression=compression, proxy=None, close_timeout=2) as client:
            client.send("begin")
            return [client.recv(SECONDS) for _ in app.frames], len(deflated)


def test_what_compression_would_not_make_smaller_goes_without(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, packed, loose, text = NOISE[:1000], NOISE, bytes(100_000), "x" * 100_000
    # Between others, since those are deflated with what came before in mind.
    app = Sender([text, packed, loose, small, packed, text])
    frames, deflated_count = sent_by(app, loop, "deflate", monkeypatch)
    assert frames == app.frames
    assert app.directly == [False, True, False, False, True, False]
    assert deflated_count == 4


@pytest.mark.parametrize("reason", ["plain", "another server"])
def test_nothing_goes_past_a_connection_that_does_not_compress(
    loop: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Sender([NOISE])
    ws: Any = "wsproto" if reason == "another server" else "websockets-sansio"
    compression = None if reason == "plain" else "deflate"
    assert sent_by(app, loop, compression, monkeypatch, ws=ws)[0] == [NOISE]
    assert not app.has_sender


def test_a_packed_answer_is_not_packed_again(
    loop: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    send = UncompressedSender.send

    def spy_send(self: UncompressedSender, frame: Frame) -> bool:
        is_sent = send(self, frame)
        sent.extend([len(frame)] if is_sent else [])
        return is_sent

    monkeypatch.setattr(UncompressedSender, "send", spy_send)
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
    assert len(sent) == 2
