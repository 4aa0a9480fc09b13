"""The send queue: frames in order, bytes counted, one writer."""

import asyncio
import sys
import threading
from contextvars import Context, ContextVar
from typing import Any

import pytest
from asgiref.local import Local

from wsrequest.connection.send_queue import SendQueue

pytestmark = pytest.mark.asyncio
SECONDS = 5.0


class Wire:
    """An ASGI ``send`` that can be held, and an outbox that writes to it."""

    def __init__(self, max_bytes: int = 10) -> None:
        self.sent: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.begun = asyncio.Event()
        self.rooms = self.sendings = 0
        self.error: Exception | None = None
        self.send_queue = SendQueue(self.send, max_bytes, self.on_room, self.on_sending)

    async def send(self, event: dict[str, Any]) -> None:
        self.begun.set()
        await self.open.wait()
        if self.error is not None:
            raise self.error
        self.sent.append(event)

    def on_room(self) -> None:
        self.rooms += 1
        assert self.send_queue.has_room()

    def on_sending(self, since: float) -> None:
        self.sendings += 1

    async def flush(self) -> None:
        await asyncio.wait_for(self.send_queue.flush(), SECONDS)


async def test_frames_are_sent_in_order_each_in_its_kind() -> None:
    wire = Wire()
    for frame in ("text", b"bytes", ""):
        wire.send_queue.put(frame)
    await wire.flush()
    assert wire.sent == [
        {"type": "websocket.send", "text": "text"},
        {"type": "websocket.send", "bytes": b"bytes"},
        {"type": "websocket.send", "text": ""},
    ]
    assert wire.send_queue.waiting_bytes == wire.send_queue.count == 0


async def test_a_rest_ends_with_on_sending() -> None:
    wire = Wire()
    for times in (1, 2):
        wire.open.clear()
        wire.send_queue.put("a")
        wire.send_queue.put("b")
        assert wire.sendings == times
        wire.open.set()
        await wire.flush()
    assert wire.sendings == 2


async def test_a_frame_that_nothing_holds_back_is_sent_at_once() -> None:
    wire = Wire()
    wire.send_queue.put("a")
    if sys.version_info < (3, 12):  # a task begins at the next turn of the loop
        await asyncio.sleep(0)
    assert wire.sent


async def test_the_outbox_is_full_until_its_reader_has_read() -> None:
    wire = Wire(max_bytes=10)
    wire.open.clear()
    wire.send_queue.put("1234567890")
    wire.send_queue.put("x")
    assert not wire.send_queue.has_room() and wire.rooms == 0
    wire.open.set()
    await wire.flush()
    assert wire.send_queue.has_room() and wire.rooms == 1


async def test_a_frame_counts_while_it_is_being_sent() -> None:
    wire = Wire(max_bytes=10)
    wire.open.clear()
    wire.send_queue.put("1234567890")
    await wire.begun.wait()
    assert not wire.send_queue.has_room() and wire.send_queue.count == 0
    wire.open.set()
    await wire.flush()


async def test_text_is_counted_in_bytes() -> None:
    wire = Wire(max_bytes=10)
    wire.open.clear()
    wire.send_queue.put("😀😀😀")  # 12 bytes of UTF-8
    assert not wire.send_queue.has_room()
    wire.open.set()
    await wire.flush()
    assert wire.send_queue.waiting_bytes == 0


async def test_sending_since_is_the_time_of_the_frame_being_sent() -> None:
    wire = Wire()
    assert wire.send_queue.sending_since is None
    wire.open.clear()
    before = asyncio.get_running_loop().time()
    wire.send_queue.put("a")
    await wire.begun.wait()
    assert wire.send_queue.sending_since is not None
    assert before <= wire.send_queue.sending_since <= asyncio.get_running_loop().time()
    wire.open.set()
    await wire.flush()
    assert wire.send_queue.sending_since is None


async def test_sending_since_is_set_before_the_first_turn_of_whoever_sends() -> None:
    """A clock that looked in between, and saw nothing, would not look again."""
    wire = Wire()
    wire.open.clear()
    wire.send_queue.put("a")
    assert wire.send_queue.sending_since is not None
    wire.send_queue.discard()
    assert wire.send_queue.sending_since is None
    await wire.flush()


async def test_a_send_that_fails_breaks_the_outbox() -> None:
    wire = Wire()
    wire.error = OSError("the client has gone")
    for frame in ("a", "b"):
        wire.send_queue.put(frame)
    await wire.flush()
    assert wire.send_queue.is_broken and wire.send_queue.waiting_bytes == wire.send_queue.count == 0
    wire.error = None
    wire.send_queue.put("c")
    await wire.flush()
    assert wire.sent == []


async def test_discard_sends_nothing_more() -> None:
    wire = Wire()
    wire.open.clear()
    wire.send_queue.put("a")
    wire.send_queue.put("b")
    await wire.begun.wait()
    wire.send_queue.discard()
    wire.send_queue.discard()
    await wire.flush()
    assert wire.send_queue.waiting_bytes == wire.send_queue.count == 0
    wire.open.set()
    wire.send_queue.put("c")
    await wire.flush()
    assert wire.sent == []


async def test_flush_ends_after_a_discard_in_the_same_turn() -> None:
    """The writing task was cancelled before the server had taken anything."""
    wire = Wire()
    wire.open.clear()
    wire.send_queue.put("a")
    wire.send_queue.discard()
    async with asyncio.timeout(5):
        await wire.send_queue.flush()
    assert wire.sent == []


# The fast path.


async def test_a_frame_takes_the_fast_path_while_nothing_waits() -> None:
    wire, short = Wire(), []
    wire.send_queue.send_at_once = lambda frame: short.append(frame) is None
    wire.send_queue.put("1")
    assert short == ["1"]
    assert wire.send_queue.count == wire.send_queue.waiting_bytes == wire.sendings == 0
    assert wire.send_queue.sending_since is None


async def test_frames_wait_behind_one_that_could_not_take_the_fast_path() -> None:
    wire, short, is_open = Wire(), [], False
    wire.send_queue.send_at_once = lambda frame: is_open and short.append(frame) is None
    wire.open.clear()
    wire.send_queue.put("1")
    await asyncio.sleep(0)  # it is being sent
    is_open = True
    wire.send_queue.put("2")
    assert wire.send_queue.waiting_bytes == 2
    assert not short
    wire.open.set()
    await wire.flush()
    wire.send_queue.put("3")
    assert [event["text"] for event in wire.sent] == ["1"]
    assert short == ["2", "3"]


async def test_nothing_takes_the_fast_path_when_the_client_is_gone() -> None:
    wire, short = Wire(), []
    wire.send_queue.send_at_once = lambda frame: short.append(frame) is None
    wire.send_queue.discard()
    wire.send_queue.put("1")
    assert not short


# In whose context.

SPAN: ContextVar[str] = ContextVar("span", default="nobody's")
LOCAL = Local()


def of_request(name: str) -> Context:
    """The context of a request, as its view saw it in a worker thread."""

    def work() -> None:
        SPAN.set(name)
        LOCAL.name = name

    context = Context()
    thread = threading.Thread(target=context.run, args=(work,))
    thread.start()
    thread.join()
    return context


class Middleware:
    """An ASGI ``send`` behind middleware that looks at the context, before and after it waits."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.scheduler = 1

    async def send(self, event: dict[str, Any]) -> None:
        before = SPAN.get()
        token = SPAN.set(f"send of {before}")
        for _ in range(self.scheduler):
            await asyncio.sleep(0)
        self.seen.append((event["text"], before, SPAN.get(), getattr(LOCAL, "name", None)))
        SPAN.reset(token)


@pytest.mark.parametrize("scheduler", [0, 1, 3])
async def test_a_frame_is_sent_in_the_context_of_its_request(scheduler: int) -> None:
    SPAN.set("the socket")
    LOCAL.name = "the socket"
    middleware = Middleware()
    middleware.scheduler = scheduler
    send_queue = SendQueue(middleware.send, 10, lambda: None, lambda since: None)
    one, two = of_request("one"), of_request("two")
    contexts = [("a", one), ("b", None), ("c", two), ("d", one), ("e", None)]

    def put() -> None:
        for frame, context in contexts:
            send_queue.put(frame, context)

    Context().run(put)
    await asyncio.wait_for(send_queue.flush(), SECONDS)
    names = [(frame, "the socket" if c is None else c[SPAN]) for frame, c in contexts]
    assert middleware.seen == [(frame, name, f"send of {name}", name) for frame, name in names]


async def test_a_request_may_be_in_its_context_while_it_sends() -> None:
    context = of_request("one")
    middleware = Middleware()
    send_queue = SendQueue(middleware.send, 10, lambda: None, lambda since: None)
    context.run(send_queue.put, "a", context)
    await asyncio.wait_for(send_queue.flush(), SECONDS)
    assert [name for _, name, *_ in middleware.seen] == ["one"]
    assert context[SPAN] == "one"


async def test_a_writer_that_is_cancelled_cancels_what_it_sends_in_a_context() -> None:
    ends: list[str] = []

    async def send(event: dict[str, Any]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append(SPAN.get())

    send_queue = SendQueue(send, 10, lambda: None, lambda since: None)
    send_queue.put("a", of_request("one"))
    await asyncio.sleep(0)
    send_queue.discard()
    await asyncio.wait_for(send_queue.flush(), SECONDS)
    assert ends == ["one"]


async def test_a_send_that_fails_in_a_context_breaks_the_outbox() -> None:
    async def send(event: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        raise OSError("the client has gone")

    send_queue = SendQueue(send, 10, lambda: None, lambda since: None)
    send_queue.put("a", of_request("one"))
    await asyncio.wait_for(send_queue.flush(), SECONDS)
    assert send_queue.is_broken
