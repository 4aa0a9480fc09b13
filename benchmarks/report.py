"""The arithmetic of the results, and the tables made of them. Pure, but for ``facts``, ``say``."""

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.rows import Comparison, Point
from benchmarks.subjects import SUBJECTS

RESULTS = Path(__file__).resolve().parent / "results"

Samples = dict[Point, list[dict[str, float]]]
Tables = Sequence[tuple[str, list[str]]]

_PACKAGES = (
    "Django", "djangorestframework", "uvicorn", "uvloop", "httptools", "websockets",
    "granian", "channels", "msgspec",
)  # fmt: skip

# Figures that say the same whoever else uses the machine, and by what.
_CLOCKLESS = {
    "idle_kib": "memory", "peak_kib": "memory", "us": "cpu", "kib": "size", "bytes": "size",
    "current": "count", "runs": "count", "came": "count",
}  # fmt: skip
_UNITS = {
    "idle_kib": " KiB",
    "peak_kib": " KiB",
    "kib": " KiB",
    "us": " us",
    "ms": " ms",
    "bytes": " bytes",
}

_OTHERS_MAX = 0.15  # share of a core that may go to others for a slice to count by the clock
_SATURATED = 0.85  # share of its core from which on a server did not wait for the generator
_HOW_TO_READ = (
    "Each ratio is of one round; the median of the rounds counts. By `clock`: of rounds in which "
    f"others used at most {_OTHERS_MAX:.0%} of the cores. Where fewer than half were such: by "
    "`cpu`, the servers' processor seconds, or, for a latency, by the `busy clock`. The last two "
    "columns are medians of all rounds."
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what was measured.

    Attributes:
        peer: the alternative that counts; None where there is none.
        basis: what counts: "clock"; "cpu", processor seconds, where others used the cores so
            much that a clock says nothing; "busy clock" where only a clock can say it; what no
            clock is needed for: "memory", "size", "count", or "cpu" in-process.
        middle, least, most: of the rounds' ratios, differences or figures that count.
        clock, cpu: medians of all rounds by either; None where there is none.
        is_met: whether the middle reaches the target.
    """

    comparison: Comparison
    peer: Point | None
    basis: str
    middle: float
    least: float
    most: float
    clock: float | None
    cpu: float | None
    is_met: bool


def say(text: str) -> None:
    """Tell the user what is going on."""
    print(text, file=sys.stderr, flush=True)


def middle_of(samples: Sequence[dict[str, float]], figure: str) -> float:
    """The median of one figure over the rounds."""
    return statistics.median(sample[figure] for sample in samples)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of all values is."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def by_round(how: str, ours: Sequence[float], peer: Sequence[float]) -> list[float]:
    """Each round's ratio or difference; only what was measured in the same round is compared."""
    if how == "alone":
        return list(ours)
    pairs = list(zip(ours, peer, strict=True))
    return [a / b if how == "ratio" else a - b for a, b in pairs]


def judge(comparison: Comparison, samples: Samples) -> Verdict | None:
    """Compare with the peer that ours does worst against; None when something was not measured."""
    if not samples.get(comparison.ours):
        return None
    if not comparison.peers:
        return _judge(comparison, samples, None)
    found = [_judge(comparison, samples, peer) for peer in comparison.peers if samples.get(peer)]
    worst = min if comparison.is_least else max
    return worst(found, key=lambda verdict: verdict.middle, default=None)


def _judge(comparison: Comparison, samples: Samples, peer: Point | None) -> Verdict:
    figure, ours = comparison.figure, samples[comparison.ours]
    theirs = samples[peer] if peer else []
    values = by_round(
        comparison.how,
        [sample[figure] for sample in ours],
        [sample[figure] for sample in theirs],
    )
    clock, cpu, basis = None, None, _CLOCKLESS.get(figure, "")
    if not basis:
        by_cpu = cpu_ratios(comparison, ours, theirs) if peer else []
        clock, cpu = statistics.median(values), statistics.median(by_cpu) if by_cpu else None
        pairs = zip(values, *([ours, theirs] if peer else [ours]), strict=True)
        quiet = [value for value, *sides in pairs if all(map(is_quiet, sides))]
        if 2 * len(quiet) >= len(values):
            basis, values = "clock", quiet
        elif figure == "rate":
            basis, values = "cpu", by_cpu
        else:
            basis = "busy clock"
    middle = statistics.median(values)
    is_met = middle >= comparison.target if comparison.is_least else middle <= comparison.target
    return Verdict(comparison, peer, basis, middle, min(values), max(values), clock, cpu, is_met)


def is_quiet(sample: dict[str, float]) -> bool:
    """Whether the server had its core, and the generator its own as far as the server waited."""
    if sample["server_others"] > _OTHERS_MAX:
        return False
    return sample["load_others"] <= _OTHERS_MAX or sample["server_busy"] >= _SATURATED


def cpu_ratios(
    comparison: Comparison, ours: Sequence[dict[str, float]], theirs: Sequence[dict[str, float]]
) -> list[float]:
    """Each round's ratio in processor seconds of the servers, pointing the way of the figure."""
    found = [[sample["cpu_s_per_1000"] for sample in side] for side in (ours, theirs)]
    if comparison.figure == "rate":  # which is the better the more, seconds the fewer
        found.reverse()
    return by_round("ratio", *found)


def judge_all(chosen: Sequence[Comparison], samples: Samples) -> list[Verdict]:
    """All that can be judged."""
    verdicts = [judge(comparison, samples) for comparison in chosen]
    return [verdict for verdict in verdicts if verdict is not None]


def label(point: Point) -> str:
    """A point in words: the view and the shape."""
    return f"{point.view}, {point.shape}" if point.view else point.shape


def unit_of(comparison: Comparison) -> str:
    """What stands behind a figure."""
    if comparison.how == "ratio":
        return "x"
    return " ms" if comparison.figure.endswith("_ms") else _UNITS.get(comparison.figure, "")


def targets_table(verdicts: Sequence[Verdict]) -> list[str]:
    """The lines of the first table."""
    lines = [
        "| row | what | where | target | measured | least - most | by | met | clock | CPU |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for verdict in verdicts:
        each = verdict.comparison
        unit = unit_of(each)
        target = f"{'>=' if each.is_least else '<='} {each.target:g}{unit}"
        clock = "" if verdict.clock is None else f"{verdict.clock:.2f}{unit}"
        both = [clock, "" if verdict.cpu is None else f"{verdict.cpu:.2f}x"]
        lines.append(
            f"| {each.row} | {each.title} | {label(each.ours)} | {target} |"
            f" **{verdict.middle:.2f}{unit}** | {verdict.least:.2f} - {verdict.most:.2f} |"
            f" {verdict.basis} | {'yes' if verdict.is_met else 'NO'} | {' | '.join(both)} |"
        )
    return lines


def figures_table(samples: Samples) -> list[str]:
    """The lines of the table of medians."""
    lines = [
        "| view | shape | subject | answers/s | least - most | p50 ms | p99 ms |"
        " CPU s per 1,000 | server's core: it | others | load's core: it | others |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for point in sorted(samples, key=lambda point: (point.view, point.shape, point.subject)):
        found = samples[point]
        if not found or "rate" not in found[0]:
            continue
        all_rates = [sample["rate"] for sample in found]
        cells = [
            f"{statistics.median(all_rates):,.0f}",
            f"{min(all_rates):,.0f} - {max(all_rates):,.0f}",
        ]
        for figure, form in (
            ("p50_ms", ".2f"), ("p99_ms", ".2f"), ("cpu_s_per_1000", ".3f"),
            ("server_busy", ".0%"), ("server_others", ".0%"), ("load_busy", ".0%"),
            ("load_others", ".0%"),
        ):  # fmt: skip
            cells.append(format(middle_of(found, figure), form) if figure in found[0] else "")
        title = SUBJECTS[point.subject].title
        lines.append(f"| {point.view} | {point.shape} | {title} | {' | '.join(cells)} |")
    return lines


def idle_table(samples: Samples) -> list[str]:
    """The lines of the table of idle connections."""
    lines = ["| subject | connections | KiB of each | least - most |", "|---|---|---|---|"]
    for point, found in sorted(samples.items()):
        if found and "idle_kib" in found[0]:
            values = [sample["idle_kib"] for sample in found]
            lines.append(
                f"| {SUBJECTS[point.subject].title} | {point.shape.partition('x')[0]} |"
                f" {statistics.median(values):.1f} | {min(values):.1f} - {max(values):.1f} |"
            )
    return lines if len(lines) > 2 else []


def request_tables(samples: Samples) -> Tables:
    """What was measured for rows 1 to 7."""
    return (
        ("Medians", figures_table(samples)),
        ("Idle connections after one message each way", idle_table(samples)),
    )


def http_tables(samples: Samples) -> Tables:
    """What was measured for the rows of plain HTTP."""
    lines = ["| body | server | ms | KiB at the peak |", "|---|---|---|---|"]
    for point, found in sorted(samples.items()):
        if found and "body_ms" in found[0]:
            cells = (f"{middle_of(found, 'body_ms'):,.0f}", f"{middle_of(found, 'peak_kib'):,.0f}")
            title = SUBJECTS[point.subject].title
            lines.append(f"| {point.view}, {point.shape} | {title} | {' | '.join(cells)} |")
    return (("Medians", figures_table(samples)), ("Large bodies", lines))


def facts(packages: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """What of this machine the figures depend on; nothing that names it."""
    found = {"Python": platform.python_version(), "cores": str(os.cpu_count())}
    found |= {"system": f"{platform.system()} {platform.machine()}"}
    return found | {package: version(package) for package in packages}


def markdown(
    verdicts: Sequence[Verdict], known: dict[str, str], config: str, plot: str, tables: Tables
) -> str:
    """The whole report.

    Args:
        verdicts: the targets.
        known: see ``facts``.
        config: how it was measured, a sentence.
        plot: the file beside it that shows the verdicts.
        tables: headings with the lines of what was measured; those without any are left out.
    """
    met = sum(verdict.is_met for verdict in verdicts)
    lines = ["# Results", "", f"{config} {met} of {len(verdicts)} targets met.", ""]
    lines += targets_table(verdicts)
    lines += ["", _HOW_TO_READ, "", f"![ratios against targets]({plot})"]
    for heading, table in tables:
        if table:
            lines += ["", f"## {heading}", "", *table]
    lines += ["", "## Machine", ""]
    lines += [", ".join(f"{name} {value}" for name, value in known.items()) + ".", ""]
    return "\n".join(lines)
