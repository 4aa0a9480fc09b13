"""The benchmark of thousands of connections: its tables, and one small run of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scale_report import Measured, as_json, markdown, read, workers_table
from benchmarks.scene import settings_of

ROOT = Path(__file__).resolve().parents[2]


def slices(view: str, one: list[float], two: list[float]) -> list[dict[str, object]]:
    return [
        {"workers": number, "view": view, "per_cpu_second": value}
        for number, values in ((1, one), (2, two))
        for value in values
    ]


def test_two_workers_are_compared_by_processor_seconds() -> None:
    found = slices("drf", [1000, 5000, 900], [950, 100, 960])
    assert workers_table(found)[-1] == "| drf | 1,000 | 950 | 1.90x | yes |"
    found = slices("drf", [1000], [940])
    assert workers_table(found)[-1] == "| drf | 1,000 | 940 | 1.88x | NO |"


def test_parts_that_were_not_measured_are_left_out() -> None:
    text = markdown(Measured(bodies=[{"body_bytes": 2000, "kib_per_subscription": 20.0}]), "")
    assert "| 2,000 | 20.0 |" in text
    assert "One worker" not in text and "Many connections" not in text


def test_part_that_is_measured_again_replaces_the_old_one() -> None:
    old = Measured(steady=[{"bus": "redis"}], bodies=[{"body_bytes": 2000.0}])
    kept, config = read(as_json(old, "First."), ["memory"])
    assert (kept, config) == (Measured(steady=[{"bus": "redis"}]), "First.")


def test_one_process_may_hold_all_connections() -> None:
    found = json.loads(settings_of(19_000, LIVE_MAX_CONCURRENT_RUNS=8))
    assert found["WSREQUEST_MAX_CONNECTIONS"] > 19_000
    assert found["WSREQUEST_LIVE_MAX_CONCURRENT_RUNS"] == 8


@pytest.mark.timeout(300)
@pytest.mark.needs("postgresql", "redis")
def test_command_measures_connections_on_a_bus(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.scale", "--bus", "redis"]
    subprocess.run(
        [*command, "--parts", "steady,fanout", "--connections", "200", "--out", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=280,
    )
    found = json.loads((tmp_path / "scale.json").read_text())
    (row,) = found["steady"]
    assert row["share_shown"] == 1.0
    assert row["frames"] > 0
    assert [(row["receivers"], row["share_came"]) for row in found["fanout"]] == [(2, 1), (100, 1)]
