"""The rows of the design's table of targets: which figure against which, and how much is enough.

Pure: what has to be measured follows from here, how is ``measure``'s.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.subjects import MANY_CONNECTIONS, ONE, ONE_CONNECTION, Shape

IDLE = Shape(5000, 0)
# Rows whose results stand together.
FAMILIES = {
    "requests": range(1, 8),
    "live": (*range(8, 15), 24, 25),
    "browser": (*range(15, 18), 26),
    "http": range(18, 24),
    "push": range(30, 33),
}


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """What is measured at a time: a subject, a view, a shape. The view is "" for idle ones."""

    subject: str
    view: str
    shape: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One target.

    Attributes:
        row: its number in the table.
        title: what is compared, for readers.
        figure: of the measurements, such as "rate", "p50_ms" or "idle_kib".
        ours: where ours is measured.
        peers: alternatives of one peer, of which the best counts; none for a figure that counts
            by itself.
        target: what the ratio must reach, or the difference or figure must keep below.
        how: "ratio" or "difference" to the peer, or "alone".
        is_least: whether the target is the least that will do, else the most.
    """

    row: int
    title: str
    figure: str
    ours: Point
    peers: tuple[Point, ...]
    target: float
    how: str = "ratio"
    is_least: bool = True

    @property
    def points(self) -> tuple[Point, ...]:
        """All that must be measured for it."""
        return (self.ours, *self.peers)


GRANIAN = ("granian-1", "granian-4")
_RATE_ROWS = (  # row, title, peers, {view: target}
    (1, "share of the in-process ceiling", ("ceiling",), {"trivial": 0.80, "drf": 0.90}),
    (2, "Django's ASGI handler over HTTP", ("django",), {"trivial": 15.0, "drf": 3.0}),
    (3, "Django WSGI on granian over HTTP", GRANIAN, {"trivial": 1.4, "drf": 1.1}),
    (4, "Channels consumer without a stack", ("channels",), {"trivial": 1.3, "drf": 0.95}),
    (5, "Django's ASGI handler, async view", ("django",), {"async": 6.0}),
)


_HTTP_ROWS = (  # row, title, peers, {view: target}
    (18, "Django's ASGI handler", ("django",), {"trivial": 9.0, "drf": 3.0, "async": 4.0}),
    (19, "Django WSGI on granian", GRANIAN, {"trivial": 0.9, "drf": 1.0}),
    (20, "Django WSGI on gunicorn gthread", ("gunicorn",), {"trivial": 1.5}),
)


def _peer_shape(subject: str, shape: Shape) -> str:
    """HTTP keeps one request in flight on a connection, so it has many connections instead."""
    if subject == "ceiling":
        return "-"
    return str(shape if subject == "channels" else MANY_CONNECTIONS)


def comparisons() -> list[Comparison]:
    """All of them, in order."""
    found = []
    for row, title, peers, targets in _RATE_ROWS:
        for view, target in targets.items():
            for shape in (MANY_CONNECTIONS, ONE_CONNECTION):
                points = tuple(Point(peer, view, _peer_shape(peer, shape)) for peer in peers)
                ours = Point("ours", view, str(shape))
                found.append(Comparison(row, title, "rate", ours, points, target))
    for view in ("trivial", "drf"):
        points = tuple(Point(peer, view, str(ONE)) for peer in GRANIAN)
        title = "p50 of one at a time, of granian's over HTTP"
        ours = Point("ours", view, str(ONE))
        found.append(Comparison(6, title, "p50_ms", ours, points, 1.0, is_least=False))
    idle, bare = Point("ours", "", str(IDLE)), Point("echo", "", str(IDLE))
    title = "KiB of an idle connection after traffic"
    found.append(Comparison(7, title, "idle_kib", idle, (), 27.0, "alone", is_least=False))
    title += ", above a bare ASGI app"
    found.append(Comparison(7, title, "idle_kib", idle, (bare,), 5.0, "difference", is_least=False))
    return found


BODY_BYTES = 100 * 2**20
BODY_SUBJECTS = ("ours-http", "gunicorn")
SLOW = ("1,000 one by one", "the same beside a slow client")


def http_comparisons() -> list[Comparison]:
    """Plain HTTP through the workers, beside other servers of HTTP."""
    found = []
    for row, title, peers, targets in _HTTP_ROWS:
        for view, target in targets.items():
            points = tuple(Point(peer, view, str(MANY_CONNECTIONS)) for peer in peers)
            ours = Point("ours-http", view, str(MANY_CONNECTIONS))
            found.append(Comparison(row, title, "rate", ours, points, target))
    for view in ("stream", "upload"):
        ours, theirs = (Point(name, view, "100 MB") for name in BODY_SUBJECTS)
        title = "time, of gunicorn's"
        found.append(Comparison(21, title, "body_ms", ours, (theirs,), 1.2, is_least=False))
        title = "KiB at the peak, above gunicorn's"
        found.append(
            Comparison(22, title, "peak_kib", ours, (theirs,), 4096, "difference", is_least=False)
        )
    alone, beside = (Point(BODY_SUBJECTS[0], "trivial", shape) for shape in SLOW)
    title = "p99 beside a client of 1 KiB/s, of that alone"
    found.append(Comparison(23, title, "p99_ms", beside, (alone,), 1.2, is_least=False))
    return found


def against_before() -> list[Comparison]:
    """Ours against wsrequest of another source tree; 1.0 is no change. Not of the table: row 0."""
    found = []
    for view in ("trivial", "drf", "async"):
        for shape in (MANY_CONNECTIONS, ONE_CONNECTION, ONE):
            ours, before = (Point(name, view, str(shape)) for name in ("ours", "before"))
            title = "the other tree"
            found.append(Comparison(0, title, "rate", ours, (before,), 1.0))
    return found


def points(chosen: Iterable[Comparison], subjects: Iterable[str]) -> list[Point]:
    """What to measure, by view so that what is compared is measured near in time.

    A bare echo is added where rates are measured: it shows that the load generator has room.
    """
    wanted = {point for each in chosen for point in each.points if point.shape != str(IDLE)}
    wanted = {point for point in wanted if point.subject in subjects}
    if wanted and "echo" in subjects:
        wanted |= {Point("echo", "trivial", str(shape)) for shape in (MANY_CONNECTIONS, ONE)}
    return sorted(wanted, key=lambda point: (point.view, point.shape, point.subject))
