"""Responses are sent whole, in parts as credit allows, or gathered."""

import threading
from functools import partial
from typing import Any

import pytest

from tests.unit.fixtures import _project as _project
from tests.unit.fixtures import finished as finished
from tests.unit.peer import happens, opened
from tests.unit.views import STAGES
from wsrequest.protocol.messages import Part, Refusal, Response

pytestmark = pytest.mark.asyncio


async def test_an_answer_that_fits_its_credit_comes_whole() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/blob/a/?size=100", credit=100)
        assert len(await peer.body(1)) == 100
        assert len(peer.of(1)) == 1


async def test_an_answer_without_credit_comes_whole_whatever_its_size() -> None:
    async with opened(part_bytes=10) as peer:
        peer.say(id=1, url="/blob/a/?size=1000")
        assert len(await peer.body(1)) == 1000
        assert len(peer.of(1)) == 1


async def test_an_answer_larger_than_its_credit_waits_for_more() -> None:
    async with opened(threads=1) as peer:
        peer.say(id=1, url="/blob/a/?size=100", credit=60)
        await peer.until(lambda: sum(len(m.body or b"") for m in peer.of(1)) == 60)
        peer.say(id=2, url="/quick/b/")  # the thread that waits is parked
        await peer.last(2)
        peer.say(id=1, credit=40)
        assert len(await peer.body(1)) == 100
        head = peer.of(1)[0]
        assert isinstance(head, Response) and head.more


async def test_parts_are_no_larger_than_the_limit() -> None:
    async with opened(part_bytes=30) as peer:
        peer.say(id=1, url="/blob/a/?size=100", credit=1000)
        assert len(await peer.body(1)) == 100
        sizes = [len(m.body) for m in peer.of(1) if isinstance(m, Part)]
        assert max(sizes) <= 30


async def test_an_answer_without_a_body_needs_no_credit() -> None:
    async with opened() as peer:
        peer.say(id=1, method="HEAD", url="/blob/a/?size=100", credit=0)
        answer = await peer.last(1)
        assert (answer.status, answer.body, answer.more) == (200, None, False)


@pytest.mark.parametrize("view", ["pieces", "apieces"])
async def test_a_stream_comes_in_its_own_pieces(view: str) -> None:
    async with opened() as peer:
        peer.say(id=1, url=f"/{view}/a/", credit=100)
        assert await peer.body(1) == b"abcd"
        head, *parts = peer.of(1)
        assert isinstance(head, Response) and head.more and not head.body
        assert [(part.body, part.more) for part in parts] == [
            (b"ab", True),
            (b"cd", True),
            (b"", False),
        ]


@pytest.mark.parametrize("view", ["pieces", "apieces"])
async def test_a_stream_without_credit_is_gathered(view: str) -> None:
    async with opened() as peer:
        peer.say(id=1, url=f"/{view}/a/")
        assert await peer.body(1) == b"abcd"
        assert len(peer.of(1)) == 1


@pytest.mark.parametrize("view", ["pieces", "apieces"])
async def test_a_stream_too_large_to_be_gathered_is_refused(
    view: str, finished: threading.Semaphore
) -> None:
    async with opened(answer_bytes=3) as peer:
        peer.say(id=1, url=f"/{view}/a/")
        refused = await peer.last(1)
        assert (refused.code, refused.status) == ("answer_too_large", 500)
        assert finished.acquire(timeout=5)


@pytest.mark.parametrize("view", ["pieces", "apieces"])
async def test_a_stream_waits_for_credit_byte_by_byte(view: str) -> None:
    async with opened() as peer:

        def came(count: int) -> bool:
            return sum(len(m.body or b"") for m in peer.of(1)) == count

        peer.say(id=1, url=f"/{view}/a/", credit=0)
        await peer.first(1)
        for count in range(1, 5):
            peer.say(id=1, credit=1)
            await peer.until(partial(came, count))
        assert await peer.body(1) == b"abcd"


@pytest.mark.parametrize("head", [{}, {"credit": 100}], ids=["gathered", "parts"])
async def test_an_async_body_is_made_in_the_context_of_its_request(head: dict[str, Any]) -> None:
    """As over HTTP, where what the view activated (a language, a tenant) holds for its body."""
    async with opened() as peer:
        peer.say(id=1, url="/in_language/de/", **head)
        peer.say(id=2, url="/in_language/fr/", **head)
        assert await peer.body(1) == b"de"
        assert await peer.body(2) == b"fr"


async def test_head_of_a_stream_closes_it(finished: threading.Semaphore) -> None:
    async with opened() as peer:
        peer.say(id=1, method="HEAD", url="/astream/a/")
        assert (await peer.last(1)).status == 200
        assert finished.acquire(timeout=5)
        assert not STAGES["a"].pieces


async def test_events_without_credit_are_refused_at_once() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/events/a/")
        assert await peer.code(1) == "needs_credit"
        peer.say(id=2, url="/events/a/", credit=100)
        assert await peer.body(2) == b"data: 1\n\n"


async def test_a_broken_stream_without_credit_is_an_error() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/broken/a/")
        refused = await peer.last(1)
        assert (refused.code, refused.status) == ("internal_error", 500)


@pytest.mark.parametrize("head", [{}, {"credit": 100}], ids=["gathered", "parts"])
async def test_a_stream_that_is_cancelled_by_its_own_doing_ends_with_an_error(
    head: dict[str, Any],
) -> None:
    async with opened() as peer:
        peer.say(id=1, url="/acancelled_stream/a/", **head)
        refused = await peer.last(1)
        assert isinstance(refused, Refusal)
        assert refused.code == "internal_error"


async def test_a_stream_in_its_own_time_comes_as_it_is_made() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/stream/a/", credit=100)
        await peer.until(lambda: len(peer.of(1)) == 2)
        assert peer.of(1)[1].body == b"one"
        STAGES["a"].go.set()
        assert await peer.body(1) == b"onetwo"
        await happens(STAGES["a"].closed)


async def test_an_async_body_makes_urls_below_the_script_prefix(settings: Any) -> None:
    """Which asgiref ties to the thread that the view ran in."""
    settings.FORCE_SCRIPT_NAME = "/app"
    async with opened() as peer:
        peer.say(id=1, url="/aprefix/a/", credit=100)
        assert await peer.body(1) == b"/app//app/quick/a/"
