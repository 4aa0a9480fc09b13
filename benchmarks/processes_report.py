"""The tables of what ``processes`` measured. Pure, but for ``facts``."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.buses import TITLES
from benchmarks.report import facts, percentile

P50_MS, P99_MS = 20.0, 100.0
"""The targets of every row, from COMMIT to the frame."""
_STATES = {"": "", "up": "runs", "frozen": "is frozen (SIGSTOP)", "gone": "was killed"}
_PACKAGES = (
    "Django", "uvicorn", "uvloop", "gunicorn", "celery", "redis", "nats-py", "psycopg",
)  # fmt: skip


@dataclass(slots=True)
class Measured:
    """What was measured, a list for each round.

    Attributes:
        reach: by bus and writer, the milliseconds of each commit.
        costs: by bus and its state, the seconds of each write and of what it published.
    """

    reach: dict[tuple[str, str], list[list[float]]] = field(default_factory=dict)
    costs: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)


def _spread(values: Sequence[float], form: str) -> str:
    return f"{min(values):{form}} - {max(values):{form}}"


def reach_table(found: Measured) -> list[str]:
    """The lines of the table from COMMIT to frame. Percentiles are of all rounds together."""
    lines = [
        "| bus | who writes | p50 ms | p50 of the rounds | p99 ms | last ms | commits | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (bus, writer), rounds in found.reach.items():
        together = [ms for each in rounds for ms in each]
        p50, p99 = percentile(together, 0.5), percentile(together, 0.99)
        is_met = p50 <= P50_MS and p99 <= P99_MS
        lines.append(
            f"| {TITLES[bus]} | {writer} | **{p50:.1f}** |"
            f" {_spread([statistics.median(each) for each in rounds], '.1f')} | **{p99:.1f}** |"
            f" {max(together):.1f} | {len(together):,} | {'yes' if is_met else 'NO'} |"
        )
    return lines


def costs_table(found: Measured) -> list[str]:
    """The lines of the table of what a write pays, in microseconds."""
    lines = [
        "| bus | its server | a write, p50 us | p50 of the rounds | p99 us |"
        " publishing within it, p50 us | p99 us |",
        "|---|---|---|---|---|---|---|",
    ]
    for (bus, state), rounds in found.costs.items():
        writes = [[1e6 * each for each in one["seconds"]] for one in rounds]
        together = [us for each in writes for us in each]
        publishing = [1e6 * us for one in rounds for us in one["publishing"]]
        shares = [f"{percentile(publishing, share):.0f}" for share in (0.5, 0.99) if publishing]
        lines.append(
            f"| {TITLES.get(bus, 'none (`memory://`)')} | {_STATES[state]} |"
            f" {percentile(together, 0.5):.0f} |"
            f" {_spread([statistics.median(each) for each in writes], '.0f')} |"
            f" {percentile(together, 0.99):.0f} |"
            f" {' | '.join(shares or ['publishes nothing', ''])} |"
        )
    return lines


def markdown(found: Measured, config: str) -> str:
    """The whole report."""
    lines = ["# Results", "", config, ""]
    if found.reach:
        lines += ["## From COMMIT's return to the frame at the client", ""]
        lines += [f"The targets are p50 <= {P50_MS:.0f} ms and p99 <= {P99_MS:.0f} ms.", ""]
        lines += [*reach_table(found), ""]
    lines += ["## What a write pays", "", *costs_table(found), ""]
    known = ", ".join(f"{name} {value}" for name, value in facts(_PACKAGES).items())
    return "\n".join([*lines, "## Machine", "", f"{known}.", ""])


def as_json(found: Measured, config: str) -> str:
    """All that was measured, for programs."""

    def rounded(values: Sequence[float], scale: float, digits: int) -> list[float]:
        return [round(scale * value, digits) for value in values]

    reach = [
        {"bus": bus, "writer": writer, "ms": [rounded(each, 1, 2) for each in rounds]}
        for (bus, writer), rounds in found.reach.items()
    ]
    costs = [
        {
            "bus": bus,
            "state": state,
            "rounds": [
                {
                    f"{name}_us": {
                        f"p{share}": round(1e6 * percentile(one[key], share / 100), 1)
                        for share in (50, 90, 99)
                    }
                    for name, key in (("write", "seconds"), ("publish", "publishing"))
                    if one[key]
                }
                for one in rounds
            ],
        }
        for (bus, state), rounds in found.costs.items()
    ]
    known = {"facts": facts(_PACKAGES), "config": config, "reach": reach, "costs": costs}
    return json.dumps(known, indent=1) + "\n"
