"""What it costs a request, or a query, that its statements are looked at.

A process that is kept for all rounds, as ``ceiling``. It reads a job and a number of seconds from
each line of its input, and prints the processor microseconds of one go in each state: "without" a
capture, with one that is "idle" as nobody is subscribed, "watched" when somebody is, or "recorded"
as the run of a live request. They take turns every few milliseconds, so that they meet the same
machine.
"""

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.apps import apps
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection

from benchmarks.apps.ceiling import request_environ, run
from benchmarks.live_rows import STATES
from wsrequest.live.tracking.reads import ReadSet, reading
from wsrequest.live.tracking.tracker import ChangeTracker

PATHS = {"trivial": "/trivial/", "drf": "/drf/1/", "list": "/scores/"}
_BLOCK_SECONDS = 0.005


def jobs() -> dict[str, Callable[[int], object]]:
    """What is done once, by name; it is told how often it was done already."""
    from benchmarks.models import Score  # needs the apps to be ready

    handler = WSGIHandler()

    def request(path: str) -> Callable[[int], object]:
        environ = request_environ(path)
        return lambda turn: run(handler, environ)

    found = {name: request(path) for name, path in PATHS.items()}
    found["read"] = lambda turn: Score.objects.get(pk=1)
    found["write"] = lambda turn: Score.objects.filter(pk=50).update(n=turn)  # no crowd's
    return found


@contextmanager
def tracked(tracker: ChangeTracker, state: str) -> Iterator[None]:
    """Have statements looked at, as far as a state says."""
    if state == "without":
        yield
        return
    tracker.is_active = state != "idle"
    tracker.install()
    try:
        if state == "recorded":
            with reading(ReadSet()):
                yield
        else:
            yield
    finally:
        tracker.uninstall()


def _block(job: Callable[[int], object], times: int, turn: int) -> float:
    start = time.thread_time()
    for number in range(turn, turn + times):
        job(number)
    return 1e6 * (time.thread_time() - start) / times


def measured(
    tracker: ChangeTracker, job: Callable[[int], object], seconds: float
) -> dict[str, float]:
    """Return the lower quartile of one go in each state, in processor microseconds.

    Whoever else uses the machine makes it slower, by caches that are cold, and never faster.
    """
    job(0)
    times = max(1, int(_BLOCK_SECONDS * 1e6 / _block(job, 10, 0)))
    found: dict[str, list[float]] = {state: [] for state in STATES}
    end, turn, order = time.perf_counter() + seconds, 0, list(STATES)
    while time.perf_counter() < end or len(found[STATES[0]]) < 2:
        for state in order:
            with tracked(tracker, state):
                job(turn)  # the first that a capture sees is parsed
                found[state].append(_block(job, times, turn))
            turn += times
        order.reverse()
    return {state: statistics.quantiles(values, n=4)[0] for state, values in found.items()}


def main() -> None:
    """Serve the commands until the input ends."""
    django.setup()
    app: Any = apps.get_app_config("wsrequest")
    app.live.tracker.uninstall()
    # Like the application's own, where somebody narrows by the key of each table.
    tracker = ChangeTracker(lambda changes: None, wanted=lambda database, table: (("id",),))
    known = jobs()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous = OFF")  # no disk between two looks at the clock
    for line in sys.stdin:
        name, seconds = line.split()
        gc.collect()
        print(json.dumps(measured(tracker, known[name], float(seconds))))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
