"""The rows that are measured in a browser: 15 to 17, and 26.

Pure. How they are measured is ``browser``'s, and of row 26 ``pixels``'s.
"""

from dataclasses import dataclass

from benchmarks.report import Samples, Tables, middle_of
from benchmarks.rows import Comparison, Point

WAYS = {"ours": "the client's fetch, by the socket", "fetch": "the browser's own, by HTTP"}


@dataclass(frozen=True, slots=True)
class Job:
    """What a page does.

    Attributes:
        row: its number in the table.
        title: what it is, for readers.
        path: of the view.
        size_bytes: of the body; 0 for a GET.
        count: how many calls, one after the other.
        is_echoed: whether the body comes back; else its size does.
        target: the most that it may take, in shares of the browser's own fetch.
    """

    row: int
    title: str
    path: str
    size_bytes: int
    count: int
    is_echoed: bool
    target: float


JOBS = (
    Job(15, "8 MiB there and back", "/bodies/echo/", 8 * 2**20, 1, True, 1.2),
    Job(16, "16 MB up", "/bodies/size/", 16_000_000, 1, False, 1.2),
    Job(17, "200 small GETs in a row", "/bodies/size/", 0, 200, False, 0.4),
)


def bodies(way: str, job: Job) -> Point:
    """A job, in one of the ``WAYS``."""
    return Point(way, job.title, "Chromium")


PIXEL_ROW = 26
PIXEL_SUBJECTS = {
    "ours": "the live page, its patch and the morph",
    "bare": "a bare frame and innerHTML",
}


def pixels(subject: str) -> Point:
    """A commit that a page of 50 rows shows, of one of the ``PIXEL_SUBJECTS``."""
    return Point(subject, "page", "commit to pixels")


def browser_comparisons() -> list[Comparison]:
    """All of them, in order."""
    found = [
        Comparison(
            job.row, "time of the browser's own fetch", "ms",
            bodies("ours", job), (bodies("fetch", job),), job.target, is_least=False,
        )
        for job in JOBS
    ]  # fmt: skip
    ours, bare = map(pixels, PIXEL_SUBJECTS)
    title = "COMMIT to pixels, of a bare frame and innerHTML"
    return [*found, Comparison(PIXEL_ROW, title, "ms", ours, (bare,), 1.5, is_least=False)]


def browser_tables(samples: Samples) -> Tables:
    """What was measured for rows 15 to 17, and 26."""
    lines = [
        "| what | by | ms | least - most | server's CPU ms a call | server's core: it | others |"
        " browser's core: it | others |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for job in JOBS:
        for way, title in WAYS.items():
            found = samples.get(bodies(way, job))
            if not found:
                continue
            each = [sample["ms"] for sample in found]
            cells = [
                f"{middle_of(found, 'ms'):.0f}",
                f"{min(each):.0f} - {max(each):.0f}",
                f"{middle_of(found, 'cpu_s_per_1000'):.1f}",
            ]
            for figure in ("server_busy", "server_others", "load_busy", "load_others"):
                cells.append(f"{middle_of(found, figure):.0%}")
            lines.append(f"| {job.title} | {title} | {' | '.join(cells)} |")
    return (
        ("Medians", lines if len(lines) > 2 else []),
        ("From COMMIT's return to the pixels of a page of 50 rows", _pixels_table(samples)),
    )


def _pixels_table(samples: Samples) -> list[str]:
    lines = [
        "| by | in the document, ms | on the screen, ms | least - most | server's CPU ms a commit |"
        " server's core: it | others | browser's core: it | others |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for subject, title in PIXEL_SUBJECTS.items():
        found = samples.get(pixels(subject))
        if not found:
            continue
        each = [sample["ms"] for sample in found]
        cells = [
            f"{middle_of(found, 'drawn_ms'):.1f}",
            f"{middle_of(found, 'ms'):.1f}",
            f"{min(each):.1f} - {max(each):.1f}",
            f"{middle_of(found, 'cpu_s_per_1000'):.1f}",
        ]
        for figure in ("server_busy", "server_others", "load_busy", "load_others"):
            cells.append(f"{middle_of(found, figure):.0%}")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines if len(lines) > 2 else []
