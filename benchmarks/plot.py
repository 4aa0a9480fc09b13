"""The plot of the results: how far each figure is from its target."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import pyplot

from benchmarks.report import Verdict, label

# Text stays text, and equal figures make an equal file.
pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "wsrequest", "font.size": 9})


def reached(verdict: Verdict, value: float) -> float:
    """How much of the target a value is; above 1 is better than it, whichever way it goes."""
    target = verdict.comparison.target
    if verdict.comparison.is_least:
        return value / target
    return target / max(value, target / 10)  # a difference may be nothing at all


def draw(verdicts: Sequence[Verdict], path: Path) -> None:
    """Write an SVG: a bar for each target, with the least and the most of the rounds."""
    rows = list(reversed(verdicts))
    figure, axes = pyplot.subplots(figsize=(9, 0.32 * len(rows) + 1.2))
    for place, verdict in enumerate(rows):
        middle = reached(verdict, verdict.middle)
        ends = sorted(reached(verdict, value) for value in (verdict.least, verdict.most))
        axes.barh(place, middle, color="#2a7f62" if verdict.is_met else "#c8553d", height=0.6)
        axes.plot(ends, [place, place], color="black", linewidth=1)
        axes.text(max(middle, ends[1]) * 1.02, place, f"{verdict.middle:.2f}", va="center")
    axes.axvline(1, color="black", linestyle="--", linewidth=1)
    axes.set_yticks(
        range(len(rows)),
        [f"{v.comparison.row}  {v.comparison.title} ({label(v.comparison.ours)})" for v in rows],
    )
    axes.set_xlabel("measured / target (1 = met; the number is the measured one)")
    axes.set_xlim(left=0)
    axes.margins(y=0.01)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n")
