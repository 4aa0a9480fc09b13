"""The arithmetic of the live rows, and the frames that their clients read. Nothing is measured."""

import json

import pytest

from benchmarks.clients import WrongAnswer
from benchmarks.live_report import live_tables
from benchmarks.live_rows import (
    BURST,
    CROWDS,
    VIEWED,
    VIEWERS,
    crowd,
    live_comparisons,
    matching,
    tracking,
    viewers,
)
from benchmarks.report import judge_all, markdown, percentile, targets_table
from benchmarks.rows import FAMILIES, Comparison
from benchmarks.subjects import SUBJECTS
from benchmarks.subscribers import PageBoard, payloads

MANY = crowd("ours", 1000)
QUIET = {"server_others": 0.0, "load_others": 0.0, "server_busy": 1.0, "cpu_s_per_1000": 0.02}


def of_row(row: int, figure: str | None = None, how: str | None = None) -> list[Comparison]:
    return [
        each
        for each in live_comparisons()
        if each.row == row and figure in (None, each.figure) and how in (None, each.how)
    ]


def deliveries(*p95_ms: float, **others: float) -> list[dict[str, float]]:
    return [{"p95_ms": value, "last_ms": value, "runs": 1.0, **QUIET, **others} for value in p95_ms]


def test_rows_are_those_of_the_family_of_known_subjects() -> None:
    found = live_comparisons()
    assert {each.row for each in found} == set(FAMILIES["live"])
    for each in found:
        for point in each.points:
            assert point.subject in SUBJECTS or point.subject == "bundle"


def test_crowds_look_at_rows_of_their_own() -> None:
    assert len(set(CROWDS.values())) == len(CROWDS)
    assert BURST in CROWDS


def test_time_of_a_delivery_is_judged_by_itself_and_beside_the_bare_loop() -> None:
    samples = {MANY: deliveries(30, 50, 40), crowd("bare", 1000): deliveries(20, 20, 20)}
    ms, ratio = judge_all(of_row(9, "p95_ms"), samples)
    assert (ms.basis, ms.middle, ms.least, ms.most, ms.cpu) == ("clock", 40, 30, 50, None)
    assert (ratio.basis, ratio.middle, ratio.cpu) == ("clock", 2.0, 1.0)


def test_time_of_a_delivery_has_only_the_clock() -> None:
    samples = {MANY: deliveries(80, server_others=0.9)}
    (verdict,) = judge_all(of_row(9, "p95_ms", "alone"), samples)
    assert (verdict.basis, verdict.is_met) == ("busy clock", False)
    assert (
        "| <= 60 ms | **80.00 ms** | 80.00 - 80.00 | busy clock | NO | 80.00 ms |  |"
        in (targets_table([verdict])[-1])
    )


def test_view_that_runs_twice_for_a_commit_misses_its_target() -> None:
    comparison, _ = of_row(9, "runs")
    [once] = judge_all([comparison], {MANY: deliveries(30)})
    [twice] = judge_all([comparison], {MANY: deliveries(30, runs=1.1)})
    assert once.is_met and not twice.is_met


def test_one_stale_subscriber_misses_the_target() -> None:
    (comparison,) = of_row(10)
    for current, is_met in ((1.0, True), (0.99, False)):
        [verdict] = judge_all([comparison], {crowd("ours", 100): [{"current": current}]})
        assert verdict.is_met is is_met


def test_cost_of_a_query_is_what_it_takes_more_than_without() -> None:
    read, write = of_row(12, how="difference")[:2]
    samples = {
        tracking("read", "idle"): [{"us": 103.0}],
        tracking("read", "without"): [{"us": 100.0}],
        tracking("write", "idle"): [{"us": 111.0}],
        tracking("write", "without"): [{"us": 100.0}],
    }
    found = judge_all([read, write], samples)
    assert [(each.basis, each.middle, each.is_met) for each in found] == [
        ("cpu", 3.0, True),
        ("cpu", 11.0, False),
    ]


def test_tables_hold_what_was_measured_and_no_more() -> None:
    samples = {MANY: deliveries(30), matching(100): [{"us": 1.25}]}
    tables = live_tables(samples)
    text = markdown(judge_all(live_comparisons(), samples), {}, "1 round.", "live.svg", tables)
    assert "| 1,000 | wsrequest on uvicorn, WebSocket |" in text
    assert "| 100 readers | 1.25 us |" in text
    assert "bare ASGI" not in text
    assert "## Looking at statements" not in text


def test_percentile_is_of_the_values() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.95, 1.0)] == [51, 96, 100]
    assert percentile([7.0], 0.99) == 7.0


def test_bytes_of_a_patch_need_no_quiet_machine() -> None:
    size, _ = of_row(24)
    [verdict] = judge_all([size], {size.ours: [{"bytes": 191, "us": 440.0}]})
    assert (verdict.basis, verdict.is_met) == ("size", True)
    assert "**191.00 bytes**" in targets_table([verdict])[-1]


def test_viewers_write_a_row_of_their_own_and_are_beside_the_bare_loop() -> None:
    assert VIEWED not in CROWDS.values()
    ratio, runs = of_row(25)
    samples = {viewers("ours"): deliveries(12, 13, 14), viewers("bare"): deliveries(10, 10, 10)}
    (verdict, _) = judge_all([ratio, runs], samples)
    assert (verdict.basis, verdict.middle, verdict.is_met) == ("clock", 1.3, True)
    (_, lines), *_ = live_tables(samples)
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {VIEWERS:,} of a page"] * 2


def test_viewer_finds_the_number_in_a_whole_page_and_in_its_patches() -> None:
    board = PageBoard(1, pk=5)
    page = '<tr id=\\"score-5\\">\\n<td>a</td>\\n<td>77</td>'
    assert board.number_in(f'{{"version":1,"status":200,"data":"{page}"}}'.encode()) == 77
    for change, number in (([34, 1, "8"], 78), ([33, 2, "103"], 103)):
        frame = f'{{"status":200,"patch":"text","data":{json.dumps([change])}}}'.encode()
        assert board.number_in(frame) == board.number_in(frame) == number
    for wrong in (
        b'{"status":500}',
        b'{"status":200,"data":"<p>"}',
        b'{"status":200,"patch":"json"}',
    ):
        with pytest.raises(WrongAnswer):
            board.number_in(wrong)


def test_frames_are_taken_out_whole() -> None:
    short, long = b"\x81\x02hi", b"\x81\x7e" + (300).to_bytes(2) + b"x" * 300
    data = short + long
    for cut in range(len(data)):
        first, rest = payloads(data[:cut])
        second, rest = payloads(rest + data[cut:])
        assert (first + second, rest) == ([b"hi", b"x" * 300], b"")


def test_frame_that_is_no_text_is_a_wrong_answer() -> None:
    with pytest.raises(WrongAnswer, match="0x89"):
        payloads(b"\x89\x00")
