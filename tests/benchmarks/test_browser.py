"""The arithmetic of the rows that are measured in a browser. Nothing is measured."""

from typing import Any

from benchmarks.browser_rows import (
    JOBS,
    PIXEL_ROW,
    Job,
    bodies,
    browser_comparisons,
    browser_tables,
    pixels,
)
from benchmarks.report import judge_all, markdown, targets_table
from benchmarks.rows import FAMILIES, Point

QUIET = {"server_others": 0.0, "load_others": 0.0, "server_busy": 0.5, "load_busy": 0.9}


def samples_of(
    job: Job, ours: tuple[float, ...], fetch: tuple[float, ...], **others: float
) -> dict[Point, list[dict[str, float]]]:
    def made(values: Any) -> Any:
        return [{"ms": value, "cpu_s_per_1000": 40.0, **QUIET, **others} for value in values]

    return {bodies("ours", job): made(ours), bodies("fetch", job): made(fetch)}


def test_rows_are_those_of_the_family_and_each_is_beside_the_browsers_own_fetch() -> None:
    found = browser_comparisons()
    assert {each.row for each in found} == set(FAMILIES["browser"])
    for each in found:
        peer = "bare" if each.row == PIXEL_ROW else "fetch"
        assert [point.subject for point in each.points] == ["ours", peer]
        assert len({(point.view, point.shape) for point in each.points}) == 1


def test_time_is_a_share_of_the_same_rounds_fetch() -> None:
    samples = samples_of(JOBS[0], (120, 300, 90), (100, 200, 100))
    (verdict,) = judge_all(browser_comparisons(), samples)
    assert (verdict.basis, verdict.middle, verdict.least, verdict.most) == ("clock", 1.2, 0.9, 1.5)
    assert verdict.is_met
    assert "| <= 1.2x | **1.20x** | 0.90 - 1.50 | clock | yes |" in targets_table([verdict])[-1]


def test_machine_that_others_use_says_so() -> None:
    samples = samples_of(JOBS[1], (200,), (100,), server_others=0.5)
    (verdict,) = judge_all(browser_comparisons(), samples)
    assert (verdict.basis, verdict.is_met) == ("busy clock", False)


def test_pixels_are_judged_beside_the_bare_frame() -> None:
    def of(*values: float) -> list[dict[str, float]]:
        return [{"ms": ms, "drawn_ms": 2.0, "cpu_s_per_1000": 2.0, **QUIET} for ms in values]

    samples = {pixels("ours"): of(12, 15, 20), pixels("bare"): of(10, 10, 10)}
    (verdict,) = judge_all(browser_comparisons(), samples)
    assert (verdict.middle, verdict.least, verdict.most) == (1.5, 1.2, 2.0)
    assert verdict.is_met
    text = markdown([], {}, "", "browser.svg", browser_tables(samples))
    assert "| the live page, its patch and the morph | 2.0 | 15.0 | 12.0 - 20.0 |" in text
    assert "## Medians" not in text


def test_report_has_a_line_for_each_way_and_nothing_where_no_browser_was_found() -> None:
    samples = samples_of(JOBS[2], (400,), (1400,))
    text = markdown([], {}, "", "browser.svg", browser_tables(samples))
    assert text.count("| 200 small GETs in a row |") == 2
    assert "## Medians" not in markdown([], {}, "", "browser.svg", browser_tables({}))
