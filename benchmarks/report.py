"""The arithmetic of the results, and the tables made of them. Pure, but for ``facts``."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from benchmarks.rows import Comparison, Point
from benchmarks.subjects import SUBJECTS

Samples = dict[Point, list[dict[str, float]]]

_PACKAGES = (
    "Django", "djangorestframework", "uvicorn", "uvloop", "httptools", "websockets",
    "granian", "channels", "msgspec",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what was measured.

    Attributes:
        peer: the alternative that counted; None where there is none.
        middle, least, most: of the rounds' ratios, differences or figures.
        is_met: whether the middle reaches the target.
    """

    comparison: Comparison
    peer: Point | None
    middle: float
    least: float
    most: float
    is_met: bool


def best(samples: Samples, peers: Sequence[Point], figure: str) -> Point | None:
    """The alternative with the best median: the highest rate, else the lowest."""
    found = [peer for peer in peers if samples.get(peer)]
    if not found:
        return None
    pick = max if figure == "rate" else min
    return pick(found, key=lambda peer: middle_of(samples[peer], figure))


def middle_of(samples: Sequence[dict[str, float]], figure: str) -> float:
    """The median of one figure over the rounds."""
    return statistics.median(sample[figure] for sample in samples)


def by_round(how: str, ours: Sequence[float], peer: Sequence[float]) -> list[float]:
    """Each round's ratio or difference; only what was measured in the same round is compared."""
    if how == "alone":
        return list(ours)
    pairs = list(zip(ours, peer, strict=True))
    return [a / b if how == "ratio" else a - b for a, b in pairs]


def judge(comparison: Comparison, samples: Samples) -> Verdict | None:
    """Compare; None when something was not measured."""
    ours, figure = samples.get(comparison.ours), comparison.figure
    peer = best(samples, comparison.peers, figure)
    if not ours or (comparison.peers and peer is None):
        return None
    theirs = samples[peer] if peer else []
    values = by_round(
        comparison.how,
        [sample[figure] for sample in ours],
        [sample[figure] for sample in theirs],
    )
    middle = statistics.median(values)
    is_met = middle >= comparison.target if comparison.is_least else middle <= comparison.target
    return Verdict(comparison, peer, middle, min(values), max(values), is_met)


def judge_all(chosen: Sequence[Comparison], samples: Samples) -> list[Verdict]:
    """All that can be judged."""
    verdicts = [judge(comparison, samples) for comparison in chosen]
    return [verdict for verdict in verdicts if verdict is not None]


def cpu_ratio(verdict: Verdict, samples: Samples) -> float | None:
    """The verdict's ratio in processor seconds of the servers, which a busy machine moves less."""
    comparison = verdict.comparison
    if comparison.how != "ratio" or verdict.peer is None:
        return None
    ours, theirs = (
        [sample["cpu_s_per_1000"] for sample in samples[point]]
        for point in (comparison.ours, verdict.peer)
    )
    if comparison.figure == "rate":  # which is the better the more, seconds the fewer
        ours, theirs = theirs, ours
    return statistics.median(by_round("ratio", ours, theirs))


def label(point: Point) -> str:
    """A point in words: the view and the shape."""
    return f"{point.view}, {point.shape}" if point.view else point.shape


def targets_table(verdicts: Sequence[Verdict], samples: Samples) -> list[str]:
    """The lines of the first table."""
    lines = [
        "| row | what | view, connections x in flight | target | measured | least - most | met |"
        " by CPU seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for verdict in verdicts:
        each = verdict.comparison
        unit = "x" if each.how == "ratio" else " KiB"
        target = f"{'>=' if each.is_least else '<='} {each.target:g}{unit}"
        spread = f"{verdict.least:.2f} - {verdict.most:.2f}"
        cpu = cpu_ratio(verdict, samples)
        lines.append(
            f"| {each.row} | {each.title} | {label(each.ours)} | {target} |"
            f" **{verdict.middle:.2f}{unit}** | {spread} | {'yes' if verdict.is_met else 'NO'} |"
            f" {'' if cpu is None else f'{cpu:.2f}x'} |"
        )
    return lines


def figures_table(samples: Samples) -> list[str]:
    """The lines of the table of medians."""
    lines = [
        "| view | shape | subject | answers/s | least - most | p50 ms | p99 ms |"
        " CPU s per 1,000 | server busy | load busy |",
        "|---|---|---|---|---|---|---|---|---|---|",
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
            ("server_busy", ".0%"), ("load_busy", ".0%"),
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


def facts() -> dict[str, str]:
    """What of this machine the figures depend on; nothing that names it."""
    found = {"Python": platform.python_version(), "cores": str(os.cpu_count())}
    found |= {"system": f"{platform.system()} {platform.machine()}"}
    return found | {package: version(package) for package in _PACKAGES}


def markdown(
    verdicts: Sequence[Verdict], samples: Samples, known: dict[str, str], terms: str
) -> str:
    """The whole report."""
    met = sum(verdict.is_met for verdict in verdicts)
    lines = ["# Results", "", f"{terms} {met} of {len(verdicts)} targets met.", ""]
    lines += targets_table(verdicts, samples)
    lines += ["", "Each ratio is of one round; the median of the rounds counts.", ""]
    lines += ["![ratios against targets](latest.svg)", "", "## Medians", ""]
    lines += figures_table(samples)
    table = idle_table(samples)
    if table:
        lines += ["", "## Idle connections after one message each way", "", *table]
    lines += ["", "## Machine", ""]
    lines += [", ".join(f"{name} {value}" for name, value in known.items()) + ".", ""]
    return "\n".join(lines)
