"""The token bucket of a connection, on a clock that the test sets."""

import pytest

from wsrequest.connection.connection import TURN_FRAMES, TokenBucket


def seconds_for(pace: TokenBucket, frames: int, now: float = 1000.0) -> float:
    """How long so many frames take that are all there at once."""
    begun = now
    for _ in range(frames):
        if pace.is_turn_over():
            now += pace.next_turn(now)
    return now - begun


@pytest.mark.parametrize("per_second", [5, 64, 1000, 10_000])
def test_frames_beyond_the_first_second_s_take_their_time(per_second: int) -> None:
    assert seconds_for(TokenBucket(per_second), per_second) == pytest.approx(0.0, abs=1e-6)
    taken = seconds_for(TokenBucket(per_second), 11 * per_second)
    assert taken == pytest.approx(10.0, abs=max(0.5, 2 * TURN_FRAMES / per_second))


def test_a_client_that_was_quiet_may_be_quick_again() -> None:
    pace = TokenBucket(1000)
    assert seconds_for(pace, 3000) > 0
    assert seconds_for(pace, 900, now=1100.0) == pytest.approx(0.0, abs=1e-6)


def test_others_have_their_turn_however_fast_a_client_may_be() -> None:
    pace = TokenBucket(10**9)
    scheduler = 0
    for _ in range(10 * TURN_FRAMES):
        if pace.is_turn_over():
            scheduler += 1
            assert pace.next_turn(1000.0) == 0.0
    assert scheduler == 10
