"""The command: ``scripts/bench``. Chooses what to measure, measures it, writes the results."""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks import (
    bodies,
    browser,
    fairness,
    live,
    live_report,
    live_rows,
    measure,
    pixels,
    plot,
    push,
    report,
    rows,
)
from benchmarks.breakdown import breakdown
from benchmarks.browser_rows import PIXEL_ROW, browser_comparisons, browser_tables
from benchmarks.push_rows import push_comparisons, push_tables
from benchmarks.report import RESULTS, say
from benchmarks.rows import FAMILIES, Comparison, Point
from benchmarks.servers import cores
from benchmarks.subjects import EARLIER_ARGV, SUBJECTS

ROOT = Path(__file__).resolve().parent.parent
_FILES = {
    "requests": "latest",
    "live": "live",
    "browser": "browser",
    "http": "http",
    "push": "push",
}
_TABLES = {
    "requests": report.request_tables,
    "live": live_report.live_tables,
    "browser": browser_tables,
    "http": report.http_tables,
    "push": push_tables,
}


def arguments() -> argparse.Namespace:
    """What the user wants."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each slice")
    parser.add_argument("--rows", default=",".join(FAMILIES), help="names or numbers, with commas")
    parser.add_argument("--views", default="trivial,drf,async", help="names, with commas")
    parser.add_argument("--subjects", default=",".join(SUBJECTS), help="names, with commas")
    parser.add_argument("--quick", action="store_true", help="1 round of 0.5 s, for a look")
    parser.add_argument(
        "--nice", type=int, default=0, help="priority of all processes, -20 to 19 (root: below 0)"
    )
    parser.add_argument(
        "--breakdown", action="store_true", help="only show where the time of a request goes"
    )
    parser.add_argument(
        "--against",
        metavar="DIRECTORY",
        help="compare only with wsrequest of another checkout (its root), instead of the rows",
    )
    parser.add_argument(
        "--out", type=Path, help="directory for results; that of this repository for whole rows"
    )
    found = parser.parse_args()
    if found.quick:
        found.rounds, found.seconds = 1, 0.5
    found.rows = [part.strip() for part in found.rows.split(",")]
    parts = ("rounds", "seconds", "views", "subjects", "against")
    if (
        found.out is None
        and set(found.rows) <= set(FAMILIES)
        and all(getattr(found, part) == parser.get_default(part) for part in parts)
    ):
        found.out = RESULTS
    return found


def chosen_comparisons(wanted: argparse.Namespace) -> dict[str, list[Comparison]]:
    """The rows of the command line, by family, or the comparison with another tree."""
    views = {*wanted.views.split(","), ""}
    if wanted.against:
        before = [each for each in rows.against_before() if each.ours.view in views]
        return {"requests": before, "live": [], "browser": [], "http": [], "push": []}
    numbers: set[int] = set()
    for part in wanted.rows:
        numbers.update(FAMILIES[part] if part in FAMILIES else [int(part)])
    requests = [each for each in rows.comparisons() if each.ours.view in views]
    found = {
        "requests": requests,
        "live": live_rows.live_comparisons(),
        "browser": browser_comparisons(),
        "http": [
            each
            for each in rows.http_comparisons()
            if each.ours.view in views or each.figure != "rate"
        ],
        "push": push_comparisons(),
    }
    return {
        family: [each for each in all_ if each.row in numbers] for family, all_ in found.items()
    }


def environs(database: str, against: str | None) -> dict[str, dict[str, str]]:
    """The environment of each subject."""
    common = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.project",
        "BENCH_DB": database,
        "PYTHONPATH": str(ROOT),
    }
    found = {name: common for name in SUBJECTS}
    if against:
        source = Path(against).resolve() / "src"
        if not (source / "wsrequest").is_dir():
            raise SystemExit(f"{against} is no checkout: it has no src/wsrequest")
        module = source / "wsrequest" / "server" / "uvicorn.py"
        if not module.exists() or "class WebSocketProtocol" not in module.read_text():
            SUBJECTS["before"] = replace(SUBJECTS["before"], argv=EARLIER_ARGV)
        found["before"] = {**common, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"}
    return found


@contextmanager
def priority(nice: int) -> Iterator[None]:
    """Run with another priority: of this process, its children, and their session (sched(7))."""
    if not nice:
        yield
        return
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    group = Path("/proc/self/autogroup")  # "/autogroup-42 nice 0"; it stays the shell's, too
    before = group.read_text().split()[-1] if group.exists() else None
    if before is not None:
        group.write_text(str(nice))
    try:
        yield
    finally:
        if before is not None:
            group.write_text(before)


def make_database(path: str, environ: dict[str, str]) -> None:
    """Make the tables, and what is in them before anything is measured."""
    command = [sys.executable, "-m", "django", "migrate", "-v0", "--run-syncdb"]
    subprocess.run(command, env=environ, check=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(
            "INSERT INTO benchmarks_score (id, n, text) VALUES (?, 0, ?)",
            [(pk, "x" * 200) for pk in range(1, 51)],
        )


def pinned() -> int | None:
    """Go to the core of the load generator; return that of the servers."""
    found = cores()
    if found is None:
        return None
    server_core, load_core = found
    os.sched_setaffinity(0, {load_core})
    return server_core


def gather(
    wanted: argparse.Namespace, chosen: dict[str, list[Comparison]], database: str
) -> dict[str, report.Samples]:
    """Measure what the comparisons of each family need."""
    names = wanted.subjects.split(",")
    where = environs(database, wanted.against)
    make_database(database, where["ours"])
    server_core = pinned()
    config = wanted.rounds, wanted.seconds, where, server_core, say
    samples: report.Samples = {}
    points = rows.points(chosen["requests"], names)
    if points:
        samples |= measure.rates(points, *config)
    idle = [name for name in ("ours", "echo") if name in names]
    if any(each.figure == "idle_kib" for each in chosen["requests"]) and idle:
        rounds = min(wanted.rounds, 3)
        samples |= measure.idle(idle, rounds, where, server_core, say)
    lively = live.measure(chosen["live"], names, *config)
    if "ours" in names and any(each.row == fairness.ROW for each in chosen["live"]):
        lively |= fairness.measure(wanted.rounds, where, server_core, say)
    browsed = {}
    if "ours" in names and chosen["browser"]:
        wanted_rows = {each.row for each in chosen["browser"]}
        if wanted_rows - {PIXEL_ROW}:
            browsed = browser.measure(wanted_rows, *config)
        if PIXEL_ROW in wanted_rows and "bare" in names:
            browsed |= pixels.measure(*config)
    plain_rates = [each for each in chosen["http"] if each.figure == "rate"]
    points = rows.points(plain_rates, names)
    plain = measure.rates(points, *config) if points else {}
    if len(chosen["http"]) > len(plain_rates) and set(rows.BODY_SUBJECTS) <= set(names):
        plain |= bodies.measure(wanted.rounds, where, server_core, say)
    pushed = push.measure(chosen["push"], names, *config)
    return {
        "requests": samples, "live": lively, "browser": browsed, "http": plain, "push": pushed,
    }  # fmt: skip


def as_json(verdicts: list[report.Verdict], samples: report.Samples, known: dict[str, str]) -> str:
    """All that was measured, for programs."""

    def named(point: Point | None) -> dict[str, str] | None:
        return None if point is None else asdict(point)

    found = {
        "facts": known,
        "targets": [
            {
                "row": verdict.comparison.row,
                "title": verdict.comparison.title,
                "figure": verdict.comparison.figure,
                "ours": named(verdict.comparison.ours),
                "peer": named(verdict.peer),
                "target": verdict.comparison.target,
                "how": verdict.comparison.how,
                "basis": verdict.basis,
                "middle": verdict.middle,
                "least": verdict.least,
                "most": verdict.most,
                "clock": verdict.clock,
                "cpu": verdict.cpu,
                "is_met": verdict.is_met,
            }
            for verdict in verdicts
        ],
        "samples": [{**asdict(point), "rounds": each} for point, each in samples.items()],
    }
    return json.dumps(found, indent=1) + "\n"


def tell(
    family: str, verdicts: list[report.Verdict], samples: report.Samples, config: str,
    out: Path | None,
) -> None:  # fmt: skip
    """Print the results of one family of rows, and write them where there is a place for them."""
    known, name = report.facts(), _FILES[family]
    if family == "browser" and samples:
        known |= {"Chromium": browser.version()}
    text = report.markdown(verdicts, known, config, f"{name}.svg", _TABLES[family](samples))
    print(text)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.md").write_text(text)
        (out / f"{name}.json").write_text(as_json(verdicts, samples, known))
        if verdicts:
            plot.draw(verdicts, out / f"{name}.svg")


def main() -> None:
    """Run the command."""
    wanted = arguments()
    chosen = chosen_comparisons(wanted)
    before = os.getloadavg()[0]
    with priority(wanted.nice), tempfile.TemporaryDirectory() as directory:
        database = str(Path(directory, "bench.sqlite3"))
        if wanted.breakdown:
            where = environs(database, None)
            make_database(database, where["ours"])
            print(breakdown(wanted.views.split(","), wanted.seconds, where, pinned()))
            return
        samples = gather(wanted, chosen, database)
    config = (
        f"{wanted.rounds} rounds of {wanted.seconds:g} s for each figure, interleaved. Load average"
        f" {before:.1f} at the start, {os.getloadavg()[0]:.1f} at the end."
    )
    for family, comparisons in chosen.items():
        if comparisons:
            verdicts = report.judge_all(comparisons, samples[family])
            tell(family, verdicts, samples[family], config, wanted.out)


if __name__ == "__main__":
    main()
