"""The rows about events: how they are judged, and that a frame is read as it is sent."""

import pytest

from benchmarks.clients import WrongAnswer
from benchmarks.push import Listener
from benchmarks.push_rows import (
    BURST,
    MEMBERS,
    STATES,
    burst,
    crowd,
    member,
    push_comparisons,
    push_tables,
)
from benchmarks.report import judge_all, markdown
from benchmarks.rows import FAMILIES
from benchmarks.subjects import SUBJECTS
from wsrequest.protocol.messages import Event
from wsrequest.protocol.server_codec import encode_event

QUIET = {
    "server_others": 0.0, "load_others": 0.0, "server_busy": 0.5, "load_busy": 0.5,
    "cpu_s_per_1000": 0.02,
}  # fmt: skip


def test_rows_are_those_of_the_family_of_known_subjects() -> None:
    found = push_comparisons()
    assert {each.row for each in found} == set(FAMILIES["push"])
    assert {point.subject for each in found for point in each.points} <= SUBJECTS.keys()


def test_one_lost_delivery_misses_the_target() -> None:
    (comparison,) = [each for each in push_comparisons() if each.figure == "came"]
    for came, is_met in ((1.0, True), (0.9999, False)):
        [verdict] = judge_all([comparison], {burst("ours"): [{"came": came}]})
        assert (verdict.basis, verdict.is_met) == ("count", is_met)


def test_memory_is_what_a_member_takes_more() -> None:
    samples = {member(STATES[0]): [{"idle_kib": 27.0}], member(STATES[1]): [{"idle_kib": 28.5}]}
    [verdict] = judge_all([each for each in push_comparisons() if each.row == 32], samples)
    assert (verdict.basis, verdict.middle, verdict.is_met) == ("memory", 1.5, False)


def test_tables_have_what_was_measured_and_no_more() -> None:
    one = {"p50_ms": 1.0, "p95_ms": 2.0, "last_ms": 3.0, "frame_bytes": 300.0, **QUIET}
    samples = {crowd("ours", 1000): [one], crowd("bare-room", 1000): [{**one, "p95_ms": 4.0}]}
    verdicts = judge_all(push_comparisons(), samples)
    assert [(each.middle, each.is_met) for each in verdicts] == [(0.5, True)]
    text = markdown(verdicts, {}, "1 round.", "push.svg", push_tables(samples))
    assert "| 1,000 clients | wsrequest on uvicorn, WebSocket | 1.0 | 2.0 | 3.0 |" in text
    assert f"to {BURST} clients" not in text and f"{MEMBERS:,} live requests" not in text


@pytest.mark.parametrize("n", [0, 7, 123456])
def test_number_is_read_from_an_event_and_from_a_version(n: int) -> None:
    import msgspec

    data = msgspec.Raw(msgspec.json.encode({"n": n, "text": "x"}))
    frame = encode_event(Event("step", data, "bench", "epoch:4"))
    payload = frame if isinstance(frame, bytes) else frame.encode()
    assert Listener.number_in(None, payload) == n  # type: ignore[arg-type]  # it uses nothing of it
    version = b'{"id":0,"version":1,"status":200,"data":{"n":%d}}' % n
    assert Listener.number_in(None, version) == n  # type: ignore[arg-type]  # likewise
    with pytest.raises(WrongAnswer):
        Listener.number_in(None, b'{"missed":"bench","position":"a:1"}')  # type: ignore[arg-type]  # likewise
