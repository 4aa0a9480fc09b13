"""How requests and connections end: canceled, late, abandoned by the client, closed, drained.

Long by its cases: each way to end meets each state that a call or a connection can be in.
"""

import asyncio
import gc
import threading
import tracemalloc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from django.core.signals import request_finished

from tests.unit.peer import SECONDS, Peer, connected, happens, make_server, opened, pool_open
from tests.unit.views import ORDER, STAGES
from wsrequest.protocol.messages import Part, Ping, Refusal, Response
from wsrequest.server import connections
from wsrequest.server.context import ConnectionConfig
from wsrequest.types import Limits

pytestmark = pytest.mark.asyncio

SOON = 0.2  # a deadline that passes during a test, and not before a busy machine has begun


async def told(finished: threading.Semaphore, count: int = 1) -> None:
    """Wait for so many ``request_finished``."""
    for _ in range(count):
        assert await asyncio.to_thread(finished.acquire, True, SECONDS)


async def next_runs(peer: Peer) -> None:
    peer.say(id="next", url="/quick/next/")
    assert (await peer.last("next")).status == 200


async def others_run(peer: Peer) -> None:
    """Another connection of the same lane is answered, by its own deadline."""
    async with connected(peer.connection.server) as other:
        await next_runs(other)


# Every state that a call can be in when it is cancelled, or is late. Each sends request 1 on its
# way and returns once it is there. The lane has one thread.

State = Callable[[Peer], Awaitable[None]]


async def is_running_sync(peer: Peer) -> None:
    peer.say(id=1, url="/hold/a/")
    await happens(STAGES["a"].begun)


async def is_running_async(peer: Peer) -> None:
    peer.say(id=1, url="/ahold/a/")
    await happens(STAGES["a"].begun)


async def is_streaming_sync_without_credit(peer: Peer) -> None:
    peer.say(id=1, url="/endless/a/", credit=1500)
    await peer.until(lambda: sum(len(m.body or b"") for m in peer.of(1)) == 1500)


async def is_streaming_async_without_credit(peer: Peer) -> None:
    peer.say(id=1, url="/aendless/a/", credit=1500)
    await peer.until(lambda: sum(len(m.body or b"") for m in peer.of(1)) == 1500)


async def is_streaming_sync_and_waits_itself(peer: Peer) -> None:
    peer.say(id=1, url="/stream/a/", credit=1500)
    await peer.until(lambda: len(peer.of(1)) == 2)


async def is_streaming_async_and_waits_itself(peer: Peer) -> None:
    peer.say(id=1, url="/astream/a/", credit=1500)
    await peer.until(lambda: len(peer.of(1)) == 2)


async def is_gathering_sync(peer: Peer) -> None:
    peer.say(id=1, url="/stream/a/")
    await peer.becomes(lambda: STAGES["a"].pieces or peer.of(1))  # or it is late already


async def is_gathering_async(peer: Peer) -> None:
    peer.say(id=1, url="/astream/a/")
    await peer.becomes(lambda: STAGES["a"].pieces or peer.of(1))  # or it is late already


STATES = [
    is_running_sync,
    is_running_async,
    is_streaming_sync_without_credit,
    is_streaming_async_without_credit,
    is_streaming_sync_and_waits_itself,
    is_streaming_async_and_waits_itself,
    is_gathering_sync,
    is_gathering_async,
]
states = pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)


@states
async def test_a_cancelled_call_sends_nothing_more_and_is_finished(
    state: State, finished: threading.Semaphore
) -> None:
    async with opened(threads=1) as peer:
        await state(peer)
        peer.say(id=1, cancel=True)
        await peer.obeyed()
        count = len(peer.of(1))
        STAGES["a"].go.set()
        await told(finished)
        await next_runs(peer)
        assert len(peer.of(1)) == count
        assert not any(isinstance(message, Refusal) for message in peer.of(1))


@states
async def test_the_id_of_a_cancelled_call_is_free_at_once(state: State) -> None:
    async with opened(threads=1) as peer:
        await state(peer)
        peer.say(id=1, cancel=True)
        await peer.obeyed()
        peer.messages.clear()
        peer.say(id=1, url="/quick/b/")
        STAGES["a"].go.set()
        assert await peer.body(1) == b'{"quick": "b"}'


@states
async def test_a_cancelled_call_does_not_hold_up_the_next_for_good(state: State) -> None:
    """Its thread may be lost for as long as it likes; after its time another stands in."""
    async with opened(threads=1, max_threads=2, request_seconds=SOON) as peer:
        await state(peer)
        peer.say(id=1, cancel=True)
        await others_run(peer)
        assert not STAGES["a"].go.is_set()


@states
async def test_a_late_call_is_refused_or_streams_and_the_next_runs(state: State) -> None:
    async with opened(threads=1, max_threads=4, request_seconds=SOON) as peer:
        await state(peer)
        if state not in (is_streaming_sync_and_waits_itself, is_streaming_async_and_waits_itself):
            refused = await peer.last(1)
            assert (refused.code, refused.temporary) == ("deadline_exceeded", True)
            has_begun = any(isinstance(message, Response) for message in peer.of(1))
            assert refused.status == (None if has_begun else 504)
            await next_runs(peer)


async def test_a_stream_that_waits_in_its_thread_does_not_hold_up_the_next_for_good() -> None:
    """It has begun to answer, so it is not late; yet the lane is not its own."""
    async with opened(threads=1, max_threads=2, request_seconds=SOON) as peer:
        await is_streaming_sync_and_waits_itself(peer)
        await others_run(peer)
        STAGES["a"].go.set()
        assert await peer.body(1) == b"onetwo"


async def test_streams_of_events_do_not_hold_up_the_next_for_good() -> None:
    """As many clients as there are threads listen to a heartbeat: it waits most of its time."""
    async with opened(threads=1, max_threads=3, request_seconds=SOON) as peer:
        for name in "ab":
            peer.say(id=name, url=f"/ticking/{name}/", credit=10**6)
            await peer.until_answered(name, 3)
        await others_run(peer)
        assert not any(isinstance(message, Refusal) for message in peer.messages)


async def test_a_body_that_fails_to_close_is_told_of_as_finished(
    finished: threading.Semaphore,
) -> None:
    async with opened(threads=1) as peer:
        peer.say(id=1, url="/aunclosable/a/", credit=3)
        await peer.until(lambda: len(peer.of(1)) == 2)
        peer.say(id=1, cancel=True)
        await happens(STAGES["a"].closed)
        await told(finished)
        await next_runs(peer)


async def test_a_receiver_of_the_end_that_raises_does_not_cost_the_answer() -> None:
    def receiver(**kwargs: Any) -> None:
        raise RuntimeError("the receiver fails")

    request_finished.connect(receiver)
    try:
        async with opened(threads=1) as peer:
            for id, view in enumerate(("quick", "acancelled", "pieces", "apieces")):
                peer.say(id=id, url=f"/{view}/a/")
                assert (await peer.last(id)).status in (200, 500)
    finally:
        request_finished.disconnect(receiver)


async def test_cancelling_an_async_view_cancels_it(finished: threading.Semaphore) -> None:
    async with opened(threads=1) as peer:
        await is_running_async(peer)
        peer.say(id=1, cancel=True)
        await happens(STAGES["a"].cancelled)
        await told(finished)


@pytest.mark.parametrize(
    "state",
    [is_streaming_sync_without_credit, is_streaming_async_without_credit],
    ids=lambda state: state.__name__,
)
async def test_cancelling_a_stream_closes_it(state: State, finished: threading.Semaphore) -> None:
    async with opened(threads=1) as peer:
        await state(peer)
        peer.say(id=1, cancel=True)
        await happens(STAGES["a"].closed)
        await told(finished)


async def test_a_call_that_waits_is_not_begun_once_it_is_cancelled() -> None:
    async with opened(threads=2, in_flight=1) as peer:
        await is_running_sync(peer)
        peer.say(id=2, url="/quick/b/")
        peer.say(id=2, cancel=True)
        await peer.obeyed()
        STAGES["a"].go.set()
        await peer.last(1)
        await next_runs(peer)
        assert not STAGES["b"].count and not peer.of(2)


async def test_a_call_in_the_queue_of_the_lane_is_not_begun_once_it_is_cancelled(
    finished: threading.Semaphore,
) -> None:
    async with opened(threads=1) as peer:
        await is_running_sync(peer)
        peer.say(id=2, url="/quick/b/")
        peer.say(id=2, cancel=True)
        await peer.obeyed()
        STAGES["a"].go.set()
        await next_runs(peer)
        assert not STAGES["b"].count and not peer.of(2)
        await told(finished, 2)
        assert not finished.acquire(blocking=False)


@pytest.mark.parametrize("is_complete", [True, False])
async def test_the_body_of_a_call_that_is_cancelled_before_it_runs_is_closed(
    is_complete: bool,
) -> None:
    async with opened(threads=1) as peer:
        await is_running_sync(peer)
        peer.say(b"one", id=2, method="POST", url="/echo/b/", more=True)
        if is_complete:
            peer.say(b"two", id=2)
        await peer.obeyed()
        body = peer.connection.dispatcher._tasks[2].body
        assert body is not None
        file = body.open()
        peer.say(id=2, cancel=True)
        await peer.obeyed()
        assert file.closed
        assert peer.connection.dispatcher._session.body_bytes == 0


async def test_a_call_that_was_cancelled_does_not_end_the_next_of_its_id_when_it_is_late() -> None:
    async with opened(threads=2) as peer:
        await is_running_sync(peer)
        old = peer.connection.dispatcher._tasks[1]
        peer.say(id=1, cancel=True)
        peer.say(id=1, url="/hold/b/")
        await happens(STAGES["b"].begun)
        peer.connection.task_expired(old)
        peer.say(id=1, url="/quick/c/")
        refused = await peer.last(None)
        assert (refused.code, refused.about) == ("id_in_use", 1)
        STAGES["b"].go.set()
        assert await peer.body(1) == b'{"held": "b"}'


# Deadlines before a call runs.


async def test_a_call_that_no_thread_takes_in_time_is_refused_and_not_run() -> None:
    async with opened(threads=1, max_threads=1, request_seconds=SOON) as peer:
        await is_running_sync(peer)
        peer.say(id=2, url="/quick/b/")
        assert await peer.code(2) == "deadline_exceeded"
        STAGES["a"].go.set()
        await next_runs(peer)
        assert not STAGES["b"].count


async def test_a_call_that_waits_behind_others_in_flight_is_refused_in_time() -> None:
    async with opened(threads=1, max_threads=2, in_flight=1, request_seconds=SOON) as peer:
        await is_running_sync(peer)
        peer.say(id=2, url="/quick/b/")
        assert await peer.code(1) == "deadline_exceeded"
        assert await peer.code(2) == "deadline_exceeded"
        assert not STAGES["b"].count


@pytest.mark.parametrize("first", [b"part", b""])
async def test_a_body_that_does_not_come_on_is_refused(first: bytes) -> None:
    async with opened(request_seconds=SOON) as peer:
        peer.say(first, id=1, method="POST", url="/echo/a/", more=True)
        assert await peer.code(1) == "deadline_exceeded"
        assert not STAGES["a"].count
        assert peer.connection.dispatcher._session.body_bytes == 0


async def is_uploading(peer: Peer) -> None:
    peer.say(b"part", id=1, method="POST", url="/echo/a/", more=True, credit=0)
    await peer.obeyed()


@pytest.mark.parametrize(
    ("state", "body", "frame"),
    [
        (is_uploading, b"", {"more": True}),
        (is_uploading, None, {"credit": 1}),
        (is_running_sync, None, {"credit": 1}),
        (is_streaming_sync_without_credit, None, {"credit": 0}),
    ],
    ids=["empty-part", "credit-for-an-upload", "credit-before-the-answer", "credit-of-no-byte"],
)
async def test_what_is_no_progress_gives_a_call_no_more_time(
    state: State, body: bytes | None, frame: dict[str, Any]
) -> None:
    """Such a frame now and then had kept an unfinished request, and what it held, for ever."""
    async with opened(threads=1, max_threads=4, request_seconds=SOON) as peer:
        await state(peer)
        for _ in range(40):
            if any(isinstance(message, Refusal) for message in peer.of(1)):
                break
            peer.say(body, id=1, **frame)
            await asyncio.sleep(SOON / 10)
        else:
            pytest.fail("it goes on")
        assert await peer.code(1) == "deadline_exceeded"


# The client vanishes.


@states
async def test_a_call_whose_client_has_gone_ends_and_is_told_of(
    state: State, finished: threading.Semaphore
) -> None:
    async with opened(threads=1) as peer:
        await state(peer)
        peer.vanish()
        await asyncio.wait_for(asyncio.shield(peer.task), SECONDS)
        STAGES["a"].go.set()
        await told(finished)
    assert not finished.acquire(blocking=False)
    if "stream" in state.__name__ or "gathering" in state.__name__:
        assert STAGES["a"].closed.is_set()


@states
async def test_a_call_whose_client_has_gone_does_not_hold_up_others_for_good(state: State) -> None:
    async with pool_open(threads=1, max_threads=2) as pool:
        server = make_server(pool)
        async with connected(server, request_seconds=SOON) as peer:
            await state(peer)
        async with connected(server) as other:
            await next_runs(other)
            assert not STAGES["a"].go.is_set()


async def test_an_async_body_that_comes_after_its_client_has_gone_is_closed(
    finished: threading.Semaphore,
) -> None:
    async with opened(threads=1) as peer:
        peer.say(id=1, url="/hold_astream/a/", credit=100)
        await happens(STAGES["a"].begun)
        peer.vanish()
        await asyncio.wait_for(asyncio.shield(peer.task), SECONDS)
        STAGES["a"].go.set()
        await told(finished)


async def test_an_async_body_that_comes_after_it_was_cancelled_is_closed(
    finished: threading.Semaphore,
) -> None:
    async with opened(threads=1) as peer:
        peer.say(id=1, url="/hold_astream/a/", credit=100)
        await happens(STAGES["a"].begun)
        peer.say(id=1, cancel=True)
        await peer.obeyed()
        STAGES["a"].go.set()
        await told(finished)


async def test_calls_that_wait_are_not_begun_when_their_client_has_gone() -> None:
    begun: list[Any] = []
    async with opened(threads=1, in_flight=1) as peer, connected(peer.connection.server) as other:
        other.say(id=1, url="/hold/a/")
        await happens(STAGES["a"].begun)
        for n in range(5):
            peer.say(id=n, url="/quick/b/")
        await peer.obeyed()
        submit = peer.pool.submit
        peer.pool.submit = lambda job, queue_key: begun.append(job) or submit(job, queue_key)  # type: ignore[method-assign]
        peer.vanish()
        await asyncio.wait_for(asyncio.shield(peer.task), SECONDS)
        STAGES["a"].go.set()
        await other.last(1)
    assert not begun
    assert not STAGES["b"].count


@pytest.mark.parametrize("is_complete", [True, False])
async def test_bodies_are_closed_when_their_client_has_gone(
    is_complete: bool, tmp_path: Any
) -> None:
    config = ConnectionConfig(Limits(), upload_memory_bytes=1, upload_directory=str(tmp_path))
    async with opened(threads=1, config=config) as peer:
        await is_running_sync(peer)
        peer.say(b"12345", id=2, method="POST", url="/echo/b/", more=True)
        if is_complete:
            peer.say(b"12345", id=2)
        await peer.obeyed()
        body = peer.connection.dispatcher._tasks[2].body
        assert body is not None
        file = body.open()
        peer.vanish()
        await asyncio.wait_for(asyncio.shield(peer.task), SECONDS)
        assert file.closed


async def test_a_connection_whose_server_raises_on_sending_is_closed() -> None:
    """Its client may still be there, and must not wait forever for the answer."""
    async with opened() as peer:
        peer.is_gone = True
        peer.say(id=1, url="/quick/a/")
        await happens(STAGES["a"].begun)
        await asyncio.wait_for(asyncio.shield(peer.task), SECONDS)
    assert peer.task.exception() is None


# Slow readers.


async def test_nothing_more_is_begun_for_a_client_that_does_not_read() -> None:
    async with opened(threads=2, outbound_bytes=1000) as peer:
        peer.reads.clear()
        peer.say(id=1, url="/blob/a/?size=2000")
        await peer.until(lambda: peer.sending)
        peer.say(id=2, url="/quick/b/")
        await peer.taken()
        assert not STAGES["b"].count
        peer.reads.set()
        assert (await peer.last(2)).status == 200
        assert len(await peer.body(1)) == 2000


@pytest.mark.documents("docs/bad-input.md", "the same, as long as it stays")
async def test_a_client_that_never_reads_is_held_within_its_limits() -> None:
    """With the default limits, and all the requests that they allow; others are answered.

    What waits is WSREQUEST_MAX_OUTBOUND_BYTES, and, on a loop that is late, the response of each
    request in flight: 195 responses of 4 KB here, with about 700 bytes more for each.
    """
    async with pool_open() as pool:
        server = make_server(pool)
        async with connected(server) as other, connected(server) as deaf:
            for id in range(100):  # warm
                other.say(id=id, url="/blob/a/?size=4000")
            await other.last(99)
            other.messages.clear()
            gc.collect()
            tracemalloc.start()
            try:
                deaf.reads.clear()
                for id in range(320):
                    deaf.say(id=id, url="/blob/a/?size=4000")
                await deaf.becomes(lambda: not deaf.connection.dispatcher._send_queue.has_room())
                await deaf.taken()
                other.say(id=1, url="/quick/b/")
                assert (await other.last(1)).status == 200
                gc.collect()
                held, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert 500_000 < held < 1_200_000
            assert len(deaf.connection.dispatcher._session) > 100  # none is refused, the rest waits


@pytest.mark.documents("docs/bad-input.md", "the same, with requests in flight")
async def test_what_waits_for_a_thread_is_taken_back_from_a_client_that_does_not_read() -> None:
    """Or all that were in flight would be answered into the queue, however large it is by then."""
    async with opened(threads=1, outbound_bytes=10) as peer:
        peer.reads.clear()
        for id, name in enumerate("ab"):
            peer.say(id=id, url=f"/hold/{name}/")
        for id in range(2, 8):
            peer.say(id=id, url=f"/quick/{id}/")
        await happens(STAGES["a"].begun)
        await peer.becomes(lambda: len(list(peer.connection.dispatcher._running)) == 8)
        STAGES["a"].go.set()
        await peer.becomes(lambda: len(list(peer.connection.dispatcher._running)) <= 1)
        STAGES["b"].go.set()  # which the thread has begun, or the connection taken back in time
        await peer.becomes(lambda: not list(peer.connection.dispatcher._running))
        assert ORDER in (["a"], ["a", "b"])
        peer.reads.set()
        for id in range(8):
            assert (await peer.last(id)).status == 200
        assert ORDER == [*"ab234567"]


@pytest.mark.parametrize("view", ["endless", "aendless"])
async def test_a_stream_waits_for_its_reader_in_spite_of_its_credit(view: str) -> None:
    async with opened(threads=1, outbound_bytes=5000, part_bytes=1000) as peer:
        peer.reads.clear()
        peer.say(id=1, url=f"/{view}/a/", credit=10**9)
        await peer.becomes(lambda: not peer.connection.dispatcher._send_queue.has_room())
        await peer.taken()  # others' jobs run although the stream waits: its thread is parked
        assert STAGES["a"].pieces < 20  # 5000 bytes in the outbox, 4000 on their way to it
        peer.reads.set()
        await peer.until(lambda: len(peer.of(1)) > 30)
        peer.say(id=1, cancel=True)
        await happens(STAGES["a"].closed)
        if view == "aendless":  # a worker thread goes on while the loop does something else
            assert STAGES["a"].pieces < 100


@pytest.mark.parametrize("frame", [{"credit": 10**7}, {}])
async def test_a_stream_that_never_waits_leaves_others_their_turns(frame: dict[str, Any]) -> None:
    async with opened(part_bytes=1000, answer_bytes=10**7) as peer:
        sent: list[Any] = []
        send_queue = peer.connection.dispatcher._send_queue
        send_queue.send_at_once = lambda frame: not sent.append(frame)
        peer.say(id=1, url="/aendless/a/", **frame)
        await peer.becomes(lambda: "a" in STAGES and STAGES["a"].pieces)
        peer.say(id=1, cancel=True)
        await happens(STAGES["a"].closed)
        assert STAGES["a"].pieces < 100


async def test_a_client_that_does_not_read_is_cut() -> None:
    async with opened(slow_reader_seconds=SOON, pong_seconds=SOON) as peer:
        peer.reads.clear()
        peer.say(ping=1)
        assert (await peer.is_closed())[0] == 4001


@pytest.mark.documents("docs/bad-input.md", "it never reads, but keeps sending requests")
async def test_a_client_that_asks_without_reading_is_cut() -> None:
    async with opened(in_flight=1, waiting=1, pong_seconds=SOON) as peer:
        peer.reads.clear()
        for _ in range(10):
            peer.say(ping=1)
        assert (await peer.is_closed())[0] == 4001


# The clock.


async def test_a_silent_client_is_pinged_and_then_cut() -> None:
    async with opened(greeted=True, ping_seconds=SOON, pong_seconds=SOON) as peer:
        assert (await peer.is_closed())[0] == 4000
        assert [type(message) for message in peer.messages[1:]] == [Ping]


async def test_a_client_that_never_asks_is_cut() -> None:
    async with opened(first_request_seconds=SOON) as peer:
        assert (await peer.is_closed())[0] == 4002


# Closing and draining.


async def test_close_sends_what_waits_and_then_the_code() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/quick/a/")
        await peer.last(1)
        peer.say(ping="last")
        await asyncio.to_thread(peer.connection.close_soon, 4500, "enough")
        assert await peer.is_closed() == (4500, "enough")
        peer.connection.close(4500, "again")


@states
async def test_close_ends_what_is_in_flight(state: State, finished: threading.Semaphore) -> None:
    async with opened(threads=1) as peer:
        await state(peer)
        peer.connection.close(4500, "enough")
        assert await peer.is_closed() == (4500, "enough")
        STAGES["a"].go.set()
        await told(finished)


async def test_a_cancel_of_the_server_s_own_is_not_swallowed() -> None:
    async with opened() as peer:
        await is_running_sync(peer)
        peer.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await peer.task
        assert (await peer.code(1), peer.closed and peer.closed[0]) == ("deadline_exceeded", 4004)
        assert peer.connection not in connections.open_sockets()
        peer.task = asyncio.create_task(asyncio.sleep(0))


async def test_drain_answers_what_is_in_flight_and_closes() -> None:
    async with opened(threads=2, in_flight=1) as peer:
        await is_running_sync(peer)
        peer.say(id=2, url="/quick/b/")
        await peer.obeyed()
        draining = asyncio.create_task(peer.connection.drain())
        await peer.obeyed()
        peer.say(id=3, url="/quick/c/")
        assert await peer.code(3) == "shutting_down"
        assert not draining.done()
        STAGES["a"].go.set()
        await asyncio.wait_for(draining, SECONDS)
        assert (await peer.is_closed())[0] == 4004
        assert (await peer.last(1)).status == (await peer.last(2)).status == 200
        assert not STAGES["c"].count


async def test_drain_refuses_what_comes_right_after_the_last_answer() -> None:
    """The client cannot know yet; what it sends is read, and its answers are not lost with it."""
    async with opened() as peer:
        await is_running_sync(peer)
        draining = asyncio.create_task(peer.connection.drain())
        await peer.obeyed()
        STAGES["a"].go.set()
        assert (await peer.last(1)).status == 200
        peer.say(id=2, url="/quick/b/")
        assert await peer.code(2) == "shutting_down"
        await asyncio.wait_for(draining, SECONDS)
        assert (await peer.is_closed())[0] == 4004
        assert not STAGES["b"].count


@states
async def test_close_for_restart_refuses_what_runs_as_too_late(
    state: State, finished: threading.Semaphore
) -> None:
    async with opened(threads=1) as peer:
        await state(peer)
        peer.connection.close_for_restart()
        assert await peer.is_closed() == (4004, "the server restarts")
        assert await peer.code(1) == "deadline_exceeded"
        STAGES["a"].go.set()
        await told(finished)


async def test_close_for_restart_refuses_what_was_not_begun_as_such(
    finished: threading.Semaphore,
) -> None:
    """What is queued, and half a body: they can be sent again without a doubt."""
    async with opened(threads=1, in_flight=2) as peer:
        await is_running_sync(peer)
        for id in (2, 3):  # queued in the lane, and behind it
            peer.say(id=id, url="/quick/b/")
        peer.say(b"half", id=4, method="POST", url="/echo/b/", more=True)
        await peer.obeyed()
        peer.connection.close_for_restart()
        assert (await peer.is_closed())[0] == 4004
        assert await peer.code(1) == "deadline_exceeded"
        assert [await peer.code(id) for id in (2, 3, 4)] == ["shutting_down"] * 3
        STAGES["a"].go.set()
        await told(finished)
    assert not STAGES["b"].count


async def test_drain_ends_a_stream_of_events_with_a_refusal() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/ticking/a/", credit=1000)
        await peer.first(1)
        await asyncio.wait_for(peer.connection.drain(), SECONDS)
        assert await peer.code(1) == "shutting_down"
        assert (await peer.is_closed())[0] == 4004


async def test_drain_closes_an_idle_connection_at_once() -> None:
    async with opened() as peer:
        await peer.obeyed()
        await asyncio.wait_for(peer.connection.drain(), SECONDS)
        assert (await peer.is_closed())[0] == 4004


async def test_drain_may_be_asked_for_twice() -> None:
    async with opened() as peer:
        await is_running_sync(peer)
        draining = [asyncio.create_task(peer.connection.drain()) for _ in range(2)]
        await peer.obeyed()
        STAGES["a"].go.set()
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*draining)


async def test_drain_of_a_connection_that_has_just_ended_ends() -> None:
    async with opened() as peer:
        await peer.obeyed()
    async with asyncio.timeout(SECONDS):
        await peer.connection.drain()
    assert peer.connection not in connections.open_sockets()


# Sessions that end.


async def test_a_logout_closes_the_other_sockets_of_its_session() -> None:
    async with pool_open() as pool:
        server = make_server(pool)
        async with (
            connected(server, cookie="sessionid=session-one") as mine,
            connected(server, cookie="a=b; sessionid=session-one") as second,
            connected(server, cookie="sessionid=session-two") as foreign,
            connected(server) as anonymous,
        ):
            for peer in (mine, second, foreign, anonymous):
                await peer.obeyed()
            mine.say(id=1, url="/log_out/a/")
            assert await mine.body(1) == b"out"
            assert (await second.is_closed())[0] == 4003
            for peer in (mine, foreign, anonymous):
                await peer.obeyed()
                assert not peer.task.done()


async def test_a_logout_closes_no_sockets_where_the_setting_says_so(settings: Any) -> None:
    settings.WSREQUEST_CLOSE_ON_LOGOUT = False
    async with pool_open() as pool:
        server = make_server(pool)
        async with (
            connected(server, cookie="sessionid=session-one") as mine,
            connected(server, cookie="sessionid=session-one") as second,
        ):
            await second.obeyed()
            mine.say(id=1, url="/log_out/a/")
            await mine.last(1)
            await second.obeyed()
            assert not second.task.done()


async def test_close_sockets_counts_what_it_closes() -> None:
    async with pool_open() as pool:
        server = make_server(pool)
        async with (
            connected(server, cookie="sessionid=session-one") as first,
            connected(server, cookie="sessionid=session-one") as second,
        ):
            for peer in (first, second):
                await peer.obeyed()
            kept = second.connection.connection_id
            assert connections.close_sockets("session-one", except_connection_id=kept) == 1
            assert (await first.is_closed())[0] == 4003
            assert connections.close_sockets("session-two") == 0
            await second.obeyed()


async def test_close_sockets_finds_a_session_that_began_on_the_socket(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.rerun_views"
    async with opened(cookie="sessionid=session-one") as peer:
        peer.say(id=1, url="/bake/x/?sessionid=session-new")
        assert (await peer.last(1)).status == 200
        assert connections.close_sockets("session-one") == 0
        assert connections.close_sockets("session-new") == 1
        assert (await peer.is_closed())[0] == 4003


# What is left.


async def nothing(peer: Peer) -> None:
    await peer.obeyed()


async def is_answered(peer: Peer) -> None:
    peer.say(id=1, url="/quick/a/")
    await peer.last(1)


async def is_waiting(peer: Peer) -> None:
    for n in range(4):
        peer.say(id=n, url="/hold/a/")
    await happens(STAGES["a"].begun)
    await peer.obeyed()


async def is_sending_its_body(peer: Peer) -> None:
    peer.say(b"part", id=1, method="POST", url="/echo/a/", more=True)
    await peer.obeyed()


@pytest.fixture
def small_heap() -> Iterator[None]:
    """What other tests have left is not collected again and again."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("greeted", [True, False], ids=["greeted", "plain"])
@pytest.mark.parametrize(
    "state",
    [nothing, is_answered, is_waiting, is_sending_its_body, *STATES],
    ids=lambda s: s.__name__,
)
async def test_nothing_keeps_a_closed_connection(
    state: State, greeted: bool, small_heap: None
) -> None:
    async with pool_open(threads=1) as pool:
        async with connected(make_server(pool), greeted=greeted, in_flight=2) as peer:
            await state(peer)
            reference = weakref.ref(peer.connection)
        for stage in STAGES.values():
            stage.go.set()
        del peer
        async with asyncio.timeout(SECONDS):  # what was in a thread comes back, one by one
            while reference() is not None:
                for stage in STAGES.values():
                    stage.body = None
                gc.collect()
                await asyncio.sleep(0.002)


async def test_parts_of_a_finished_request_are_no_parts(finished: threading.Semaphore) -> None:
    """A stream that fails after its head ends with an error in place of the next part."""
    async with opened() as peer:
        peer.say(id=1, url="/broken/a/", credit=1000)
        refused = await peer.last(1)
        assert (refused.code, refused.status) == ("internal_error", None)
        head, part = peer.of(1)[:2]
        assert isinstance(head, Response) and isinstance(part, Part)
        await told(finished)
