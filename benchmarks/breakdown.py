"""Where the time of a request goes: ``scripts/bench --breakdown``.

Not a row of the table, but what explains them: processor time by thread of the loaded server, and
what the parts take by themselves. Linux only, for it reads ``schedstat``.
"""

import json
from pathlib import Path

from benchmarks import load
from benchmarks.servers import Server, running
from benchmarks.subjects import MANY_CONNECTIONS, ONE, ONE_CONNECTION, SUBJECTS, VIEWS, Shape

__all__ = ["breakdown"]

_SHAPES = (ONE, MANY_CONNECTIONS, ONE_CONNECTION)
_WARM_SECONDS = 0.5


def by_thread(pid: int) -> dict[str, float]:
    """Processor seconds, and changes to another thread, of a process's loop and of its workers."""
    found = dict.fromkeys(("loop", "workers", "loop_changes", "workers_changes"), 0.0)
    for task in Path(f"/proc/{pid}/task").iterdir():
        side = "loop" if int(task.name) == pid else "workers"
        try:
            found[side] += int((task / "schedstat").read_text().split()[0]) / 1e9
            status = (task / "status").read_text()
        except OSError:  # it ended meanwhile
            continue
        lines = [line for line in status.splitlines() if "ctxt_switches" in line]
        found[f"{side}_changes"] += sum(int(line.split()[1]) for line in lines)
    return found


def _thread_row(server: Server, view: str, shape: Shape, expected: object, seconds: float) -> str:
    done = load.run(
        "ws", expected, server.port, VIEWS[view], shape, _WARM_SECONDS, seconds,
        lambda: by_thread(server.process.pid),
    )  # fmt: skip
    each = {name: value / done.count for name, value in done.used.items()}
    return (
        f"| {view} | {shape} | {1e6 * each['loop']:.0f} | {1e6 * each['workers']:.0f} "
        f"| {each['loop_changes']:.2f} | {each['workers_changes']:.2f} |"
    )


def _part_row(view: str, found: dict[str, float]) -> str:
    extra = (found["interrupted"] - found["ceiling"]) / found["wakes"]
    names = ("ceiling", "handled", "encoded", "decoded", "cut", "joined")
    return f"| {view} | " + " | ".join(f"{found[name]:.1f}" for name in names) + f" | {extra:.0f} |"


def breakdown(
    views: list[str], seconds: float, environs: dict[str, dict[str, str]], core: int | None
) -> str:
    """Measure, and return what there is to read.

    Args:
        views: names; an async one has no parts of its own.
        seconds: of each figure.
        environs: the environment of each subject.
        core: of the servers; None for anywhere.
    """
    names = ("ceiling", "parts", "ours")
    lines = [
        "Processor microseconds of a request by thread, and how often it gave way to another:", "",
        "| view | shape | loop | workers | changes of the loop | of the workers |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    with running([SUBJECTS[name] for name in names], environs, core) as servers:
        for view in views:
            expected = json.loads(servers["ceiling"].command(f"{VIEWS[view]} 0.01")["body"])
            rows = [
                _thread_row(servers["ours"], view, shape, expected, seconds) for shape in _SHAPES
            ]
            lines += rows
        lines += [
            "", "Parts by themselves, hot, in one thread; and what the ceiling's loop takes more",
            "for each time that another thread of its process wakes up:", "",
            "| view | ceiling | handled, with its request | encoded | decoded | frame cut | made "
            "| more for a wake |",
            "|---|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        lines += [
            _part_row(view, servers["parts"].command(f"{VIEWS[view]} {seconds}"))
            for view in views
            if view != "async"
        ]
    return "\n".join(lines) + "\n"
