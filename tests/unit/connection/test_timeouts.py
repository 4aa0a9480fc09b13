"""The timeouts of a connection, on a loop whose time the test sets."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from wsrequest.connection.timeouts import Timeouts
from wsrequest.types import Limits


class Timer:
    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due, self.callback, self.is_live = due, callback, True

    def when(self) -> float:
        return self.due

    def cancel(self) -> None:
        self.is_live = False


class Clock:
    """A loop as far as a watch knows one."""

    def __init__(self) -> None:
        self.now, self.timers = 1000.0, list[Timer]()

    def time(self) -> float:
        return self.now

    def call_at(self, due: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(due, callback))
        return self.timers[-1]

    def live(self) -> list[Timer]:
        return [timer for timer in self.timers if timer.is_live]

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted((t for t in self.live() if t.due <= end), key=lambda t: t.due):
            self.now = max(self.now, due[0].due)
            due[0].is_live = False
            due[0].callback()
        self.now = end


class FakeCall:
    def __init__(self, since: float) -> None:
        self.since = since


class Watched:
    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.since: float | None = None
        self.session: float | None = None
        self.busy = False
        self.told: list[Any] = []
        self.on_ping: Callable[[], None] = lambda: None

    def timed_tasks(self) -> list[Any]:
        return list(self.calls)

    def sending_since(self) -> float | None:
        return self.since

    def is_busy(self) -> bool:
        return self.busy

    def session_since(self) -> float | None:
        return self.session

    def session_is_due(self) -> None:
        self.told.append("session")
        self.session = self.session and self.session + LIMITS.session_check_seconds

    def task_expired(self, call: Any) -> None:
        self.calls.remove(call)
        self.told.append(call)

    def reader_is_slow(self) -> None:
        self.told.append("slow")

    def ping_is_due(self) -> None:
        self.told.append("ping")
        self.on_ping()

    def client_is_silent(self, *, was_pinged: bool) -> None:
        self.told.append("silent" if was_pinged else "never spoke")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    return clock


LIMITS = Limits(
    request_seconds=60, ping_seconds=25, pong_seconds=10, first_request_seconds=50,
    slow_reader_seconds=30, idle_seconds=3600, session_check_seconds=1800,
)  # fmt: skip


def started(pings: bool) -> tuple[Timeouts, Watched]:
    watched = Watched()
    timed = Timeouts(watched, LIMITS, pings=pings)
    timed.start()
    return timed, watched


def test_a_silent_client_is_pinged_and_told_of(clock: Clock) -> None:
    _, watched = started(pings=True)
    clock.advance(24)
    assert watched.told == []
    clock.advance(2)
    assert watched.told == ["ping"]
    clock.advance(8)
    assert watched.told == ["ping"]
    clock.advance(2)
    assert watched.told == ["ping", "silent"]


def test_any_frame_proves_life(clock: Clock) -> None:
    timed, watched = started(pings=True)
    for _ in range(10):
        clock.advance(20)
        timed.last_frame_at = clock.time()
    assert watched.told == []
    clock.advance(26)
    timed.last_frame_at = clock.time()
    clock.advance(20)
    assert watched.told == ["ping"]


def test_a_client_that_is_not_pinged_must_speak_once(clock: Clock) -> None:
    timed, watched = started(pings=False)
    clock.advance(51)
    assert watched.told == ["never spoke"]


def test_a_client_that_has_spoken_may_be_silent_for_long(clock: Clock) -> None:
    timed, watched = started(pings=False)
    timed.last_frame_at = clock.time()
    clock.advance(3599)
    timed.last_frame_at = clock.time()
    clock.advance(3599)
    assert watched.told == []
    clock.advance(2)
    assert watched.told == ["never spoke"]


def test_a_client_that_waits_for_an_answer_may_be_silent_for_longer(clock: Clock) -> None:
    timed, watched = started(pings=False)
    timed.last_frame_at = clock.time()
    watched.busy = True
    clock.advance(10_000)
    assert watched.told == []
    assert len(clock.live()) == 1
    watched.busy = False
    clock.advance(3601)
    assert watched.told == ["never spoke"]


@pytest.mark.parametrize("pings", [True, False])
def test_a_session_is_looked_at_from_time_to_time(clock: Clock, pings: bool) -> None:
    timed, watched = started(pings=pings)
    watched.session = clock.now
    timed.schedule(clock.now + LIMITS.session_check_seconds)
    for count in range(4):
        timed.last_frame_at = clock.time()
        assert watched.told.count("session") == count
        for _ in range(90):
            clock.advance(20)
            timed.last_frame_at = clock.time()


def test_a_call_expires_by_its_own_time(clock: Clock) -> None:
    timed, watched = started(pings=False)
    timed.last_frame_at = clock.time()
    first, second = FakeCall(clock.now), FakeCall(clock.now + 30)
    watched.calls += [first, second]
    timed.schedule(clock.now + LIMITS.request_seconds)
    clock.advance(59)
    assert watched.told == []
    clock.advance(2)
    assert watched.told == [first]
    clock.advance(30)
    assert watched.told == [first, second]


def test_a_call_that_goes_on_does_not_expire(clock: Clock) -> None:
    timed, watched = started(pings=False)
    call = FakeCall(clock.now)
    watched.calls.append(call)
    timed.schedule(clock.now + LIMITS.request_seconds)
    for _ in range(10):
        clock.advance(50)
        call.since = clock.now
    assert watched.told in ([], ["never spoke"])


def test_a_reader_that_is_slow_is_told_of(clock: Clock) -> None:
    timed, watched = started(pings=False)
    timed.last_frame_at = clock.time()
    watched.since = clock.now
    timed.schedule(clock.now + LIMITS.slow_reader_seconds)
    clock.advance(31)
    assert watched.told == ["slow"]


def test_an_earlier_expectation_replaces_a_later_one(clock: Clock) -> None:
    timed, watched = started(pings=False)
    timed.schedule(clock.now + 40)
    timed.schedule(clock.now + 5)
    timed.schedule(clock.now + 20)
    assert [timer.due - clock.now for timer in clock.live()] == [5]


def test_stop_leaves_no_timer(clock: Clock) -> None:
    timed, _ = started(pings=True)
    timed.stop()
    timed.stop()
    assert clock.live() == []


def test_there_is_one_timer_although_something_was_expected_before_the_start(clock: Clock) -> None:
    """A greeting is put into the outbox before the clock is started."""
    watched = Watched()
    timed = Timeouts(watched, LIMITS, pings=True)
    timed.schedule(clock.now + LIMITS.slow_reader_seconds)
    timed.start()
    assert len(clock.live()) == 1
    timed.stop()
    assert clock.live() == []


def test_there_is_one_timer_however_often_a_client_is_pinged(clock: Clock) -> None:
    timed, watched = started(pings=True)
    watched.on_ping = lambda: timed.schedule(
        clock.now + LIMITS.slow_reader_seconds
    )  # as a put does
    for _ in range(20):
        clock.advance(26)
        timed.last_frame_at = clock.time()
    assert watched.told == ["ping"] * 20
    assert len(clock.live()) == 1


def test_nothing_is_timed_after_the_stop(clock: Clock) -> None:
    timed, _ = started(pings=True)
    timed.stop()
    timed.schedule(clock.now + 5)
    assert clock.live() == []
