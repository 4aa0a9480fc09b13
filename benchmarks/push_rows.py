"""The rows that are about events: 30 to 32, and the tables of what was measured for them. Pure."""

from benchmarks.report import Samples, Tables, middle_of
from benchmarks.rows import Comparison, Point
from benchmarks.subjects import SUBJECTS

TEXT = "x" * 210  # of an event, whose frame has about 300 bytes then
SIDES = ("ours", "bare-room")
CROWDS = {1000: "p95_ms", 5000: "last_ms"}  # and what counts of each
BURST, BURST_EVENTS = 100, 300
MEMBERS = 5000
STATES = ("without events", "in a room")  # of the live requests whose memory is compared

_FIGURES = (
    ("p50_ms", ".1f"), ("p95_ms", ".1f"), ("last_ms", ".1f"), ("came", ".4f"),
    ("frame_bytes", ".0f"), ("cpu_s_per_1000", ".4f"), ("server_busy", ".0%"),
    ("server_others", ".0%"), ("load_busy", ".0%"), ("load_others", ".0%"),
)  # fmt: skip


def crowd(subject: str, count: int) -> Point:
    """Clients in one room, which get one event at a time."""
    return Point(subject, "event", f"{count:,} clients")


def burst(subject: str) -> Point:
    """Clients in one room, which get many events back to back."""
    return Point(subject, "event", f"{BURST_EVENTS} to {BURST} clients")


def member(state: str) -> Point:
    """Connections with a live request in one of the ``STATES``."""
    return Point("ours", "event", f"{MEMBERS:,} live requests {state}")


def push_comparisons() -> list[Comparison]:
    """All of them, in order."""
    found = []
    for count, figure in CROWDS.items():
        ours, bare = (crowd(side, count) for side in SIDES)
        title = f"an event of 300 bytes, {figure.removesuffix('_ms')}, of a bare send loop's"
        found.append(Comparison(30, title, figure, ours, (bare,), 1.5, is_least=False))
    ours, bare = (burst(side) for side in SIDES)
    title = f"{BURST_EVENTS} events back to back, last, of a bare send loop's"
    found += [
        Comparison(31, title, "last_ms", ours, (bare,), 1.5, is_least=False),
        Comparison(31, "share of the deliveries that came", "came", ours, (), 1.0, "alone"),
    ]
    without, within = map(member, STATES)
    title = "memory of a member of a room"
    found.append(
        Comparison(32, title, "idle_kib", within, (without,), 1.0, "difference", is_least=False)
    )
    return found


def push_tables(samples: Samples) -> Tables:
    """What was measured."""
    lines = [
        "| clients | subject | p50 ms | p95 ms | last ms | least - most | share that came |"
        " bytes of a frame |"
        " CPU s per 1,000 frames | server's core: it | others | load's core: it | others |",
        "|" + "---|" * 13,
    ]
    for points in (*([crowd(side, count) for side in SIDES] for count in CROWDS),
                   [burst(side) for side in SIDES]):  # fmt: skip
        for point in points:
            if found := samples.get(point):
                cells = [
                    format(middle_of(found, figure), form) if figure in found[0] else ""
                    for figure, form in _FIGURES
                ]
                last = [sample["last_ms"] for sample in found]
                cells.insert(3, f"{min(last):.1f} - {max(last):.1f}")
                title = SUBJECTS[point.subject].title
                lines.append(f"| {point.shape} | {title} | {' | '.join(cells)} |")
    memory = ["| what | KiB of each connection |", "|---|---|"]
    for state in STATES:
        if found := samples.get(member(state)):
            memory.append(f"| {member(state).shape} | {middle_of(found, 'idle_kib'):.2f} |")
    return (
        ("From push.send() to the frame at the client", lines if len(lines) > 2 else []),
        ("Memory", memory if len(memory) > 2 else []),
    )
