"""The breakdown: what is read of threads, and how it is shown."""

import os
import threading
import time

from benchmarks.breakdown import _part_row, by_thread


def test_time_is_told_apart_by_thread() -> None:
    spun, ends = threading.Event(), threading.Event()

    def spin() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass
        spun.set()
        assert ends.wait(5)

    before = by_thread(os.getpid())
    thread = threading.Thread(target=spin)
    thread.start()
    try:
        assert spun.wait(5)
        after = by_thread(os.getpid())
    finally:
        ends.set()
        thread.join()
    assert after["workers"] - before["workers"] >= 0.04
    assert after["loop"] - before["loop"] < 0.04
    assert after["loop_changes"] > before["loop_changes"]  # it waited


def test_what_a_wake_costs_is_what_the_loop_takes_more_for_each() -> None:
    found = dict.fromkeys(("handled", "encoded", "decoded", "cut", "joined"), 1.0)
    row = _part_row("drf", {**found, "ceiling": 600.0, "interrupted": 630.0, "wakes": 0.5})
    assert row.startswith("| drf | 600.0 |")
    assert row.endswith("| 60 |")
