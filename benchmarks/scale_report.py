"""The tables of what ``scale`` measured. Pure, but for ``facts``."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from benchmarks.buses import TITLES
from benchmarks.report import facts

_PACKAGES = ("Django", "uvicorn", "uvloop", "redis", "nats-py", "psycopg")
_GOAL = 1.9
"""How many times the requests of one worker two should answer, if each had a core."""


Columns = tuple[tuple[str, str, str], ...]
"""Of a table: the figure, its title, its format."""


@dataclass(slots=True)
class Measured:
    """What was measured.

    Attributes:
        steady: for each bus, many connections to many pages.
        heard: for each bus, commits that concern no subscription.
        fanout: for each bus, what its server does for few processes, and for many.
        identities: for each bus, one page for users who all need their own run.
        bodies: subscriptions that share nothing, one entry for each size.
        workers: a slice of requests each.
    """

    steady: list[dict[str, Any]] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)
    fanout: list[dict[str, Any]] = field(default_factory=list)
    identities: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[dict[str, float]] = field(default_factory=list)
    workers: list[dict[str, Any]] = field(default_factory=list)


_STEADY: Columns = (
    ("connections", "connections", ",.0f"), ("commits_per_second", "commits/s", ".0f"),
    ("frames", "updates delivered", ",.0f"), ("share_shown", "of those expected", ".1%"),
    ("p50_ms", "p50 ms", ".1f"), ("p99_ms", "p99 ms", ".1f"), ("last_ms", "last ms", ".0f"),
    ("cpu_ms_per_commit", "CPU ms a commit", ".2f"),
    ("cpu_ms_per_frame", "CPU ms an update", ".3f"),
    ("idle_cpu", "cores when idle", ".1%"), ("bus_cpu", "cores of the bus", ".1%"),
    ("database_cpu", "cores of the database", ".1%"),
    ("kib_per_connection", "KiB a connection", ".1f"),
    ("kib_per_subscription", "KiB a subscription", ".1f"),
    ("subscriptions_per_second", "subscriptions/s", ",.0f"), ("load", "load average", ".1f"),
)  # fmt: skip
_HEARD: Columns = (
    ("commits_per_second", "commits/s", ".0f"),
    ("cpu_us_per_process", "CPU us a commit, in each process", ".0f"),
    ("bus_cpu_us", "in the server of the bus", ".0f"), ("load", "load average", ".1f"),
)  # fmt: skip
_FANOUT: Columns = (
    ("receivers", "processes", ".0f"), ("idle_cpu", "cores of its server when idle", ".1%"),
    ("cpu_us", "its CPU us a commit", ",.0f"), ("share_came", "received", ".1%"),
    ("load", "load average", ".1f"),
)  # fmt: skip
_IDENTITIES: Columns = (
    ("identities", "identities", ",.0f"), ("runs_at_once", "runs at once", ".0f"),
    ("commits_per_second", "commits/s followed", ".2f"),
    ("runs_per_second", "runs/s", ",.0f"), ("cpu_ms_per_run", "CPU ms a run", ".2f"),
    ("workers_cpu", "cores of the workers", ".0%"),
    ("database_cpu", "cores of the database", ".0%"), ("load", "load average", ".1f"),
)  # fmt: skip


def _table(rows: list[dict[str, Any]], columns: tuple[tuple[str, str, str], ...]) -> list[str]:
    lines = [f"| bus | {' | '.join(title for _, title, _ in columns)} |"]
    lines.append("|" + "---|" * (len(columns) + 1))
    for row in rows:
        cells = [format(row[name], form) for name, _, form in columns]
        lines.append(f"| {TITLES[row['bus']]} | {' | '.join(cells)} |")
    return lines


def bodies_table(bodies: list[dict[str, float]]) -> list[str]:
    """The lines of the table of subscriptions that share nothing."""
    lines = ["| bytes of the body | KiB a subscription |", "|---|---|"]
    return lines + [
        f"| {row['body_bytes']:,.0f} | {row['kib_per_subscription']:.1f} |" for row in bodies
    ]


def workers_table(slices: list[dict[str, Any]]) -> list[str]:
    """The lines of the table of one worker beside two. Medians of the rounds."""
    lines = [
        "| view | requests for each CPU second, 1 worker | 2 workers | twice the ratio | met |",
        "|---|---|---|---|---|",
    ]
    for view in dict.fromkeys(row["view"] for row in slices):
        one, two = (
            statistics.median(
                row["per_cpu_second"]
                for row in slices
                if (row["view"], row["workers"]) == (view, number)
            )
            for number in (1, 2)
        )
        times = 2 * two / one
        is_met = "yes" if times >= _GOAL else "NO"
        lines.append(f"| {view} | {one:,.0f} | {two:,.0f} | {times:.2f}x | {is_met} |")
    return lines


def markdown(found: Measured, config: str) -> str:
    """The whole report."""
    parts = (
        ("Many connections to many pages", _table(found.steady, _STEADY), found.steady),
        ("Commits that concern nobody", _table(found.heard, _HEARD), found.heard),
        ("The server of the bus", _table(found.fanout, _FANOUT), found.fanout),
        (
            "One page, and a run for each identity",
            _table(found.identities, _IDENTITIES),
            found.identities,
        ),
        ("Subscriptions that share nothing", bodies_table(found.bodies), found.bodies),
        ("One worker beside two", workers_table(found.workers), found.workers),
    )
    lines = ["# Results", "", f"Two workers of uvicorn on PostgreSQL. {config}", ""]
    for title, table, is_measured in parts:
        if is_measured:
            lines += [f"## {title}", "", *table, ""]
    known = ", ".join(f"{name} {value}" for name, value in facts(_PACKAGES).items())
    return "\n".join([*lines, "## Machine", "", f"{known}.", ""])


def as_json(found: Measured, config: str) -> str:
    """All that was measured, for programs."""
    return (
        json.dumps({"facts": facts(_PACKAGES), "config": config, **asdict(found)}, indent=1) + "\n"
    )


def read(text: str, again: Sequence[str]) -> tuple[Measured, str]:
    """Return what ``as_json`` wrote, without some parts, and how it was measured.

    Args:
        text: the JSON.
        again: the parts that will be measured again.
    """
    known = json.loads(text)
    names = {"memory": "bodies"}
    dropped = {names.get(part, part) for part in again}
    kept = {each.name: known[each.name] for each in fields(Measured) if each.name in known}
    return Measured(**{name: kept[name] for name in kept.keys() - dropped}), known["config"]
