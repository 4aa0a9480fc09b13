"""The arithmetic of the benchmarks' results. Nothing is measured here."""

from typing import Any

import pytest

from benchmarks.measure import Samples
from benchmarks.report import Verdict, judge_all, targets_table
from benchmarks.report import judge as judge_or_not
from benchmarks.rows import Comparison, Point, against_before, comparisons, points
from benchmarks.subjects import SUBJECTS, VIEWS

OURS = Point("ours", "trivial", "32x1")
SLOW = Point("granian-1", "trivial", "32x1")
FAST = Point("granian-4", "trivial", "32x1")


def sample(
    figure: str,
    value: float,
    cpu: float = 1.0,
    server_others: float = 0.0,
    load_others: float = 0.0,
    server_busy: float = 1.0,
) -> dict[str, float]:
    found = {"server_others": server_others, "load_others": load_others}
    return {figure: value, "cpu_s_per_1000": cpu, "server_busy": server_busy, **found}


def rates(*values: float, **others: float) -> list[dict[str, float]]:
    return [sample("rate", value, **others) for value in values]


def judge(comparison: Comparison, samples: Samples) -> Verdict:
    verdict = judge_or_not(comparison, samples)
    assert verdict is not None
    return verdict


def compare(
    figure: str = "rate",
    peers: tuple[Point, ...] = (SLOW, FAST),
    target: float = 2.0,
    **others: Any,
) -> Comparison:
    return Comparison(3, "granian", figure, OURS, peers, target, **others)


def test_verdict_is_the_median_of_each_rounds_ratio() -> None:
    # The medians alone, 300 and 100, would say 3.
    samples = {OURS: rates(100, 300, 400), SLOW: rates(50, 100, 200)}
    verdict = judge(compare(), samples)
    assert (verdict.middle, verdict.least, verdict.most) == (2.0, 2.0, 3.0)
    assert verdict.is_met


def test_verdict_counts_the_best_alternative() -> None:
    samples = {OURS: rates(300), SLOW: rates(100), FAST: rates(200)}
    verdict = judge(compare(), samples)
    assert verdict.peer == FAST
    assert verdict.middle == 1.5
    assert not verdict.is_met


def test_verdict_on_latency_counts_the_lowest_alternative() -> None:
    samples = {point: [sample("p50_ms", ms)] for point, ms in ((OURS, 6), (SLOW, 2), (FAST, 3))}
    verdict = judge(compare("p50_ms", is_least=False), samples)
    assert (verdict.peer, verdict.middle) == (SLOW, 3.0)


def test_verdict_on_latency_is_met_from_below() -> None:
    samples = {OURS: [sample("p50_ms", 1.0)], SLOW: [sample("p50_ms", 2.0)]}
    verdict = judge(compare("p50_ms", target=1.0, is_least=False), samples)
    assert verdict.middle == 0.5
    assert verdict.is_met


def test_verdict_can_be_a_difference() -> None:
    bare = Point("echo", "", "5000x0")
    samples = {OURS: [{"idle_kib": 27.5}], bare: [{"idle_kib": 20.0}]}
    terms: dict[str, Any] = {"peers": (bare,), "target": 5.0, "is_least": False}
    verdict = judge(compare("idle_kib", how="difference", **terms), samples)
    assert verdict.middle == 7.5
    assert not verdict.is_met


def test_verdict_can_be_of_a_figure_alone() -> None:
    samples = {OURS: [{"idle_kib": 26.0}, {"idle_kib": 30.0}, {"idle_kib": 25.0}]}
    terms: dict[str, Any] = {"peers": (), "target": 27.0, "is_least": False}
    verdict = judge(compare("idle_kib", how="alone", **terms), samples)
    assert (verdict.middle, verdict.peer) == (26.0, None)
    assert verdict.is_met


@pytest.mark.parametrize("measured", [(), (OURS,), (SLOW,)], ids=["nothing", "ours", "the peer"])
def test_verdict_needs_both_sides(measured: list[Point]) -> None:
    assert judge_all([compare()], {point: rates(1) for point in measured}) == []


def test_rounds_that_are_missing_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        judge(compare(), {OURS: rates(1, 2), SLOW: rates(1)})


@pytest.mark.parametrize(
    ("figure", "is_least", "expected"),
    [("rate", True, 4.0), ("p50_ms", False, 0.25)],
    ids=["more answers are better", "less time is better"],
)
def test_processor_seconds_point_the_same_way_as_the_figure(
    figure: str, is_least: bool, expected: float
) -> None:
    samples = {OURS: [sample(figure, 1.0, cpu=0.1)], SLOW: [sample(figure, 1.0, cpu=0.4)]}
    assert judge(compare(figure, is_least=is_least), samples).cpu == pytest.approx(expected)


def test_verdict_leaves_out_rounds_in_which_others_used_the_cores() -> None:
    samples = {
        OURS: [*rates(300, 300), *rates(900, server_others=0.5)],
        SLOW: rates(100, 200, 100),
    }
    verdict = judge(compare(), samples)
    assert (verdict.basis, verdict.middle, verdict.most) == ("clock", 2.25, 3.0)
    assert verdict.clock == 3.0  # of all rounds


def test_verdict_on_a_busy_machine_is_by_processor_seconds() -> None:
    samples = {OURS: rates(900, 900, cpu=0.5, server_others=0.5), SLOW: rates(100, 100, cpu=0.25)}
    verdict = judge(compare(), samples)
    assert (verdict.basis, verdict.middle, verdict.is_met) == ("cpu", 0.5, False)


@pytest.mark.parametrize(
    ("terms", "basis"),
    [
        ({"server_others": 0.6}, "cpu"),
        ({"load_others": 0.6, "server_busy": 0.5}, "cpu"),
        ({"load_others": 0.6, "server_busy": 0.99}, "clock"),
    ],
    ids=["on the server's core", "on the load's", "on the load's, but the server had enough to do"],
)
def test_verdict_minds_others(terms: dict[str, float], basis: str) -> None:
    samples = {OURS: rates(1, **terms), SLOW: rates(1)}
    assert judge(compare(), samples).basis == basis


def test_verdict_on_latency_has_only_the_clock() -> None:
    samples = {OURS: [sample("p50_ms", 3.0, server_others=0.5)], SLOW: [sample("p50_ms", 2.0)]}
    verdict = judge(compare("p50_ms", target=1.0, is_least=False), samples)
    assert (verdict.basis, verdict.middle) == ("busy clock", 1.5)


def test_table_says_which_targets_are_missed() -> None:
    samples = {OURS: rates(100), SLOW: rates(200)}
    verdicts = judge_all([compare(target=0.4), compare(target=0.6)], samples)
    met, missed = targets_table(verdicts)[2:]
    assert "| >= 0.4x | **0.50x** | 0.50 - 0.50 | clock | yes |" in met
    assert "| >= 0.6x | **0.50x** | 0.50 - 0.50 | clock | NO |" in missed


def test_rows_are_one_to_seven_of_known_subjects_and_views() -> None:
    found = comparisons()
    assert {each.row for each in found} == set(range(1, 8))
    for each in [*found, *against_before()]:
        for point in each.points:
            assert point.subject in SUBJECTS
            assert point.view in VIEWS or each.figure == "idle_kib"


def test_points_are_only_of_chosen_subjects() -> None:
    found = points(comparisons(), ["ours", "ceiling"])
    assert {point.subject for point in found} == {"ours", "ceiling"}
    assert len(found) == len(set(found))
