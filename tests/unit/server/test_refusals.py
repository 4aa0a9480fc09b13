"""The log of refused handshakes: one line for the first of an address, then a summary."""

import asyncio
import logging

import pytest

from tests.unit.fixtures import _project as _project
from wsrequest.errors import HandshakeRefused
from wsrequest.server import refusals
from wsrequest.server.refusals import Refusals

pytestmark = pytest.mark.asyncio

ODD = "a\r\nERROR forged\x1b[31m\x85\u2028"
FOREIGN = HandshakeRefused(403, "origin https://evil.example is not listed")
TOO_MANY = HandshakeRefused(429, "too many")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "wsrequest.connection")
    return caplog


async def test_a_flood_of_refused_handshakes_is_one_line_and_a_sum(
    lines: pytest.LogCaptureFixture,
) -> None:
    log = Refusals()
    for _ in range(500):
        log.add("203.0.113.7", FOREIGN)
        log.add("203.0.113.7", TOO_MANY)
    log.add("198.51.100.9", TOO_MANY)
    log.flush()
    assert lines.messages == [
        "refused a WebSocket of 203.0.113.7: 403: origin https://evil.example is not listed",
        "refused a WebSocket of 198.51.100.9: 429: too many",
        "refused 999 more WebSockets of 203.0.113.7 within 60 s (403: 499, 429: 500)",
    ]
    log.flush()
    assert len(lines.messages) == 3
    log.add("203.0.113.7", FOREIGN)  # a new minute
    log.flush()
    assert len(lines.messages) == 4


async def test_the_sum_comes_by_itself(
    lines: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "SUM_SECONDS", 0.01)
    log = Refusals()
    for _ in range(3):
        log.add("203.0.113.7", TOO_MANY)
    async with asyncio.timeout(5):
        while len(lines.messages) < 2:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.01)
    assert lines.messages[1].startswith("refused 2 more WebSockets of 203.0.113.7 ")
    assert log._timer is None


async def test_many_addresses_are_a_sum_of_their_own(lines: pytest.LogCaptureFixture) -> None:
    """The /64 of an IPv6 client is one address."""
    log = Refusals()
    for n in range(1000):
        log.add(f"2001:db8:0:0:{n}::1", TOO_MANY)
        log.add(f"10.0.{n // 250}.{n % 250}", TOO_MANY)
    log.flush()
    assert len(lines.messages) == 100 + 2
    assert lines.messages[-2].startswith("refused 999 more WebSockets of 2001:db8::/64 ")
    assert (
        lines.messages[-1]
        == "refused 901 more WebSockets of other addresses within 60 s (429: 901)"
    )


async def test_a_line_stays_one_line_and_short(lines: pytest.LogCaptureFixture) -> None:
    log = Refusals()
    for n in range(3):
        log.add(ODD, HandshakeRefused(403, f"origin {ODD}"))
        log.add(f"{n}" + "a" * 60_000, HandshakeRefused(403, "origin " + "o" * 60_000))
    log.flush()
    assert len(lines.messages) == 1 + 3 + 1
    assert all(message.isprintable() and len(message) < 1200 for message in lines.messages)


async def test_another_event_loop_has_a_timer_of_its_own(
    lines: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Refusals()

    async def refuse() -> None:
        log.add("203.0.113.7", TOO_MANY)
        assert log._timer is not None
        assert not log._timer.cancelled()

    for _ in range(2):
        await asyncio.to_thread(asyncio.run, refuse())
    log._timer = None  # its loop is closed
    log.flush()
    assert lines.messages[1].startswith("refused 1 more WebSockets of 203.0.113.7 ")
