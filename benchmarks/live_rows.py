"""The rows that are about live requests: 8 to 13 of the design's table, 14, 24 and 25.

Pure, as ``rows``. How each is measured is ``live``'s.
"""

from benchmarks.rows import Comparison, Point

# For each crowd of subscribers the key of the row that it looks at.
CROWDS = {1: 1, 100: 2, 1000: 3, 5000: 4}
BURST = 100  # the crowd of the changes back to back
VIEWERS, VIEWED = 1000, 5  # of the page of all rows, and the key of the row that is written
READERS = (100, 10_000)
REQUESTS = ("trivial", "drf", "list")
QUERIES = ("read", "write")
# The first is loaded with each page, the others when it is asked for what they do.
BUNDLES = ("client.js", "live.js", "room.js", "upload.js")
STATES = ("without", "idle", "watched", "recorded")  # of a capture, see apps.tracking


CHANGES = ("one row", "one row, and a number at the top", "60 rows")
FAIRNESS = ("alone", "beside 1,000 hostile live requests")
RUN_SECONDS = 0.1  # that each run of a hostile one takes


def crowd(subject: str, count: int) -> Point:
    """Subscribers of one URL of a subject."""
    return Point(subject, "live", f"{count:,} subscriber{'s' * (count > 1)}")


def viewers(subject: str) -> Point:
    """Viewers of one live page of a subject."""
    return Point(subject, "page", f"{VIEWERS:,} viewers")


def tracking(job: str, state: str) -> Point:
    """A job in-process, with a capture in one of the ``STATES``."""
    return Point("tracking", job, state)


def fairness(state: str) -> Point:
    """One subscriber, in one of the states of ``FAIRNESS``."""
    return Point("ours", "live", f"a victim {state}")


def matching(count: int) -> Point:
    """One commit looked up among so many readers."""
    return Point("matching", "", f"{count} readers")


def patching(change: str) -> Point:
    """The patch of a page of 1,000 rows in which one of the ``CHANGES`` was made."""
    return Point("patching", "", change)


def bundle(name: str) -> Point:
    """A file of the browser client."""
    return Point("bundle", "", name)


def _most(
    row: int, title: str, figure: str, ours: Point, target: float, *,
    peer: Point | None = None, how: str = "alone",
) -> Comparison:  # fmt: skip
    peers = () if peer is None else (peer,)
    return Comparison(row, title, figure, ours, peers, target, how, is_least=False)


def live_comparisons() -> list[Comparison]:
    """All of them, in order."""
    one, burst = crowd("ours", 1), crowd("ours", BURST)
    found = [
        _most(8, "COMMIT to frame at the client, p50", "p50_ms", one, 10.0),
        _most(8, "COMMIT to frame at the client, p99", "p99_ms", one, 50.0),
    ]
    # The ratios are what the design's milliseconds were to the bare loop's beside them: 60 to 26
    # and 260 to 133.
    for count, figure, most_ms, most_ratio in (
        (1000, "p95_ms", 60.0, 2.3),
        (5000, "last_ms", 260.0, 1.95),
    ):
        ours, bare = crowd("ours", count), crowd("bare", count)
        title = f"COMMIT to frame, {figure.removesuffix('_ms')}"
        found += [
            _most(9, title, figure, ours, most_ms),
            _most(9, f"{title}, of a bare send loop's", figure, ours, most_ratio,
                  peer=bare, how="ratio"),
            _most(9, "runs of the view for a commit", "runs", ours, 1.0),
        ]  # fmt: skip
    title = "share that holds the newest after 300 changes back to back"
    found.append(Comparison(10, title, "current", burst, (), 1.0, "alone"))
    title = "one commit among 10,000 readers on distinct keys, of among 100"
    few, many = map(matching, READERS)
    found.append(_most(11, title, "us", many, 2.0, peer=few, how="ratio"))
    alone, beside = map(fairness, FAIRNESS)
    title = "COMMIT to frame beside 1,000 hostile live requests, more than alone"
    most_ms = 2 * 1000 * RUN_SECONDS
    found.append(_most(14, title, "last_ms", beside, most_ms, peer=alone, how="difference"))
    one_row = patching(CHANGES[0])
    found += [
        _most(
            24, "patch of one row among 1,000 of a page, bytes of the frame", "bytes", one_row, 2048
        ),
        _most(24, "patch of one row among 1,000 of a page, microseconds", "us", one_row, 1000.0),
    ]
    ours, bare = viewers("ours"), viewers("bare")
    title = "1,000 viewers of a public page, COMMIT to the last frame, of a bare send loop's"
    found += [
        _most(25, title, "last_ms", ours, 1.3, peer=bare, how="ratio"),
        _most(25, "1,000 viewers of a public page, runs for a commit", "runs", ours, 1.0),
    ]
    return found + _tracking() + [_most(13, "gzipped", "kib", bundle(BUNDLES[0]), 5.0)]


def _tracking() -> list[Comparison]:
    found = []
    for state, title in (
        ("idle", "installed, nobody is subscribed"),
        ("recorded", "while a run is recorded"),
    ):
        for job in REQUESTS:
            ours, without = tracking(job, state), tracking(job, "without")
            each = f"a request, {title}"
            found.append(_most(12, each, "us", ours, 1.05, peer=without, how="ratio"))
    for state, title in (
        ("idle", "installed, nobody is subscribed"),
        ("watched", "somebody is subscribed to its table"),
        ("recorded", "while a run is recorded"),
    ):
        for job in QUERIES:
            ours, without = tracking(job, state), tracking(job, "without")
            each = f"more for a query, {title}"
            found.append(_most(12, each, "us", ours, 10.0, peer=without, how="difference"))
    return found
