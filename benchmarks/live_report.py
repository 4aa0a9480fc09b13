"""The tables of what was measured for the live rows. Pure."""

from collections.abc import Callable
from functools import partial

from benchmarks.live_rows import (
    BUNDLES,
    CHANGES,
    CROWDS,
    FAIRNESS,
    QUERIES,
    READERS,
    REQUESTS,
    STATES,
    VIEWERS,
    bundle,
    crowd,
    fairness,
    matching,
    patching,
    tracking,
    viewers,
)
from benchmarks.report import Samples, Tables, middle_of
from benchmarks.rows import Point
from benchmarks.subjects import SUBJECTS

_CROWD_FIGURES = (
    ("p50_ms", ".1f"), ("p95_ms", ".1f"), ("p99_ms", ".1f"), ("last_ms", ".1f"), ("runs", ".2f"),
    ("frames", ".0f"), ("frame_bytes", ".0f"), ("cpu_s_per_1000", ".3f"), ("server_busy", ".0%"),
    ("server_others", ".0%"), ("load_busy", ".0%"), ("load_others", ".0%"),
)  # fmt: skip


def crowds_table(samples: Samples) -> list[str]:
    """The lines of the table of subscribers."""
    lines = [
        "| subscribers | subject | p50 ms | p95 ms | p99 ms | last ms | least - most |"
        " view runs a commit | frames each | bytes of a frame | CPU s per 1,000 frames |"
        " server's core: it | others | load's core: it | others |",
        "|" + "---|" * 15,
    ]
    rows: dict[str, Callable[[str], Point]] = {
        f"{number:,}": partial(crowd, count=number) for number in CROWDS
    }
    rows[f"{VIEWERS:,} of a page"] = viewers
    for title, point in rows.items():
        for subject in ("ours", "bare"):
            found = samples.get(point(subject))
            if not found:
                continue
            cells = [
                format(middle_of(found, figure), form) if figure in found[0] else ""
                for figure, form in _CROWD_FIGURES
            ]
            last = [sample["last_ms"] for sample in found]
            cells.insert(4, f"{min(last):.1f} - {max(last):.1f}")
            lines.append(f"| {title} | {SUBJECTS[subject].title} | {' | '.join(cells)} |")
    return lines if len(lines) > 2 else []


def tracking_table(samples: Samples) -> list[str]:
    """The lines of the table of what looking at statements costs."""
    lines = [
        "| processor us of | without | installed | somebody is subscribed | recorded |",
        "|---|---|---|---|---|",
    ]
    for job in (*REQUESTS, *QUERIES):
        found = [samples.get(tracking(job, state)) for state in STATES]
        if all(found):
            cells = [f"{middle_of(each, 'us'):.1f}" for each in found if each]
            lines.append(f"| {_JOBS[job]} | {' | '.join(cells)} |")
    return lines if len(lines) > 2 else []


_JOBS = {
    "trivial": "a request of the trivial view, which asks the database nothing",
    "drf": "a DRF retrieve, one query",
    "list": "a DRF list of 50, one query",
    "read": "`objects.get(pk=…)`",
    "write": "`filter(pk=…).update(…)`, autocommit",
}


def others_table(samples: Samples) -> list[str]:
    """The lines of the table of the rest."""
    lines = ["| what | | |", "|---|---|---|"]
    for number in READERS:
        if found := samples.get(matching(number)):
            us = f"{middle_of(found, 'us'):.2f} us"
            lines.append(f"| finding whom one commit concerns | {number:,} readers | {us} |")
    for change in CHANGES:
        if found := samples.get(patching(change)):
            size = f"{middle_of(found, 'bytes'):,.0f} of {middle_of(found, 'whole'):,.0f} bytes"
            made = f"{middle_of(found, 'us'):,.0f} us, {size}"
            lines.append(
                f"| patch of a page of 1,000 rows, each with a token | {change} | {made} |"
            )
    for state in FAIRNESS:
        if found := samples.get(fairness(state)):
            ms = f"{middle_of(found, 'p50_ms'):.1f} ms, at most {middle_of(found, 'last_ms'):.1f}"
            lines.append(f"| COMMIT to frame, one subscriber | {state} | {ms} |")
    for name in BUNDLES:
        if found := samples.get(bundle(name)):
            lines.append(f"| gzipped | {name} | {1024 * middle_of(found, 'kib'):,.0f} bytes |")
    return lines if len(lines) > 2 else []


def live_tables(samples: Samples) -> Tables:
    """What was measured for rows 8 to 14, 24 and 25."""
    return (
        ("From COMMIT's return to the frame at the client", crowds_table(samples)),
        ("Looking at statements", tracking_table(samples)),
        ("Matching and bundle", others_table(samples)),
    )
