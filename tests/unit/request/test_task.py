"""An answered request leaves nothing behind, not even for Python's garbage collector."""

import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.fixtures import _project as _project
from tests.unit.live_views import commit, live_service
from tests.unit.peer import Peer, connected, happens, pool_open
from tests.unit.views import STAGES
from wsrequest.request.sender import ResponseSender
from wsrequest.request.task import RequestTask

pytestmark = pytest.mark.asyncio


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only counts of references free anything; pytest keeps what the log was told."""
    gc.collect()
    gc.disable()
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
    gc.enable()


def known() -> set[int]:
    """The calls and answers that are in memory, by id."""
    return {
        id(thing)
        for thing in gc.get_objects()
        if issubclass(type(thing), RequestTask | ResponseSender)
    }


async def cancelled(peer: Peer) -> None:
    STAGES["a"].go.clear()
    peer.say(id=1, url="/hold/a/")
    await happens(STAGES["a"].begun)
    peer.say(id=1, cancel=True)
    await peer.obeyed()
    STAGES["a"].go.set()


async def live(peer: Peer) -> None:
    peer.say(id=1, url="/table/a/", subscribe=True)
    await peer.first(1)
    peer.say(id=1, cancel=True)
    await peer.obeyed()


@pytest.mark.once
@pytest.mark.parametrize(
    "message",
    [
        {"url": "/quick/a/"},
        {"url": "/aquick/a/"},
        {"url": "/blob/a/?size=1000", "credit": 2000},
        {"url": "/blob/a/?size=200000", "credit": 2**20},
        {"url": "/pieces/a/"},
        {"url": "/pieces/a/", "credit": 100},
        {"url": "/apieces/a/"},
        {"url": "/apieces/a/", "credit": 100},
        {"url": "/broken/a/"},
        {"url": "/events/a/"},
        {"url": "/echo/a/", "method": "POST", "data": "xyz"},
        {"url": "/write/a/", "method": "POST", "settled": True},
        {"url": "/status/a/", "subscribe": True},
        cancelled,
        live,
    ],
    ids=lambda m: getattr(m, "__name__", None) or str(m),
)
async def test_an_answered_call_leaves_nothing_for_the_collector(
    message: Any, settings: Any, no_collector: None
) -> None:
    """60 requests had left 272 MiB."""
    settings.ROOT_URLCONF = "tests.unit.live_views"
    before = known()
    async with pool_open() as pool, live_service(pool) as server, connected(server) as peer:
        commit(a=200)
        if callable(message):
            await message(peer)
        else:
            peer.say(id=1, **message)
            await peer.last(1)
        for stage in STAGES.values():
            stage.body = None
        await peer.becomes(lambda: not known() - before)
