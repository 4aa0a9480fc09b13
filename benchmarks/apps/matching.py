"""How long it takes to find whom one commit concerns, among few readers and among many.

A process that is kept for all rounds, as ``ceiling``. It reads a number of seconds from each line
of its input and prints processor microseconds, by the number of readers.
"""

import gc
import json
import statistics
import sys
import time

from benchmarks.live_rows import READERS
from wsrequest.live.index import Index
from wsrequest.types import Commit, ReadPredicate, TableChange

_TIMES = 2000


def index_of(count: int) -> Index[int]:
    """Readers who look at one row each."""
    found: Index[int] = Index()
    for key in range(count):
        found.add(key, [ReadPredicate("default", "score", (("id", frozenset([key])),))])
    return found


def commits_of(count: int) -> list[Commit]:
    """Commits that write one row each, of which each is one reader's."""
    step = max(1, count // 100)
    keys = range(0, count, step)
    return [Commit((TableChange("default", "score", ({"id": key},)),)) for key in keys]


def block(index: Index[int], commits: list[Commit]) -> float:
    """Return the processor microseconds of one look."""
    repeats = _TIMES // len(commits)
    start = time.thread_time()
    for _ in range(repeats):
        for commit in commits:
            index.touched(commit)
    return 1e6 * (time.thread_time() - start) / (repeats * len(commits))


def main() -> None:
    """Serve the commands until the input ends."""
    sides = {count: (index_of(count), commits_of(count)) for count in READERS}
    for index, commits in sides.values():
        assert all(len(index.touched(commit)) == 1 for commit in commits)
    gc.freeze()
    for line in sys.stdin:
        found: dict[int, list[float]] = {count: [] for count in READERS}
        end = time.perf_counter() + float(line)
        while time.perf_counter() < end or len(found[READERS[0]]) < 2:
            for count, side in sides.items():
                found[count].append(block(*side))
        print(
            json.dumps(
                {count: statistics.quantiles(values, n=4)[0] for count, values in found.items()}
            )
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
