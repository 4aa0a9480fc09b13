"""The benchmark of several processes: its tables, and one short run of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.processes_report import Measured, costs_table, markdown, reach_table

ROOT = Path(__file__).resolve().parents[2]


def test_percentiles_are_of_all_rounds_and_the_spread_of_each() -> None:
    found = Measured(reach={("redis", "a command"): [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]})
    (row,) = reach_table(found)[2:]
    assert row == "| Redis | a command | **4.0** | 2.0 - 5.0 | **6.0** | 6.0 | 6 | yes |"


def test_row_misses_its_target_by_either_percentile() -> None:
    for ms in ([21.0] * 100, [1.0] * 90 + [101.0] * 10):
        assert reach_table(Measured(reach={("log", "psql"): [ms]}))[-1].endswith("| NO |")


def test_bus_that_publishes_nothing_says_so() -> None:
    quiet = {"seconds": [0.0002], "publishing": []}
    busy = {"seconds": [0.0003], "publishing": [0.00001]}
    found = Measured(costs={("log", "up"): [quiet], ("redis", "gone"): [busy]})
    log, redis = costs_table(found)[2:]
    assert log == "| PostgreSQL, log | runs | 200 | 200 - 200 | 200 | publishes nothing |  |"
    assert redis == "| Redis | was killed | 300 | 300 - 300 | 300 | 10 | 10 |"
    assert "COMMIT" not in markdown(found, "1 round.")


@pytest.mark.needs("postgresql", "redis")
def test_command_measures_each_writer_on_the_log(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.processes", "--bus", "log", "--rounds", "1"]
    subprocess.run(
        [*command, "--commits", "2", "--out", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=300,
    )
    text = (tmp_path / "processes.md").read_text()
    for writer in ("gunicorn", "`manage.py shell`", "Celery", "psql", "the last of 5 tabs"):
        assert writer in text
    assert (tmp_path / "processes.json").stat().st_size > 500
