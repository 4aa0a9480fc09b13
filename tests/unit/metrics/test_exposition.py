"""What a scrape gets, and that what fails beside it harms nobody."""

import atexit
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.multiprocess import MultiProcessCollector

from tests.unit.peer import make_server, pool_open
from wsrequest.metrics import exposition, files, readings
from wsrequest.metrics.exposition import Export, expose, install
from wsrequest.metrics.files import SharedRegistry
from wsrequest.metrics.port import _Workers, shared_directory
from wsrequest.metrics.readings import Source
from wsrequest.server.activity import Activity
from wsrequest.server.refusals import Refusals


def test_metrics_are_registered_once() -> None:
    install()
    install()
    assert REGISTRY._names_to_collectors["wsrequest_messages"] is exposition._collector


def test_a_scrape_is_text_or_open_metrics() -> None:
    body, content_type = expose("")
    assert content_type.startswith("text/plain")
    assert b"# TYPE wsrequest_messages_total counter" in body
    assert b"# TYPE wsrequest_message_duration_seconds histogram" in body
    body, content_type = expose("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert b"# TYPE wsrequest_messages counter" in body and body.endswith(b"# EOF\n")


def test_a_file_that_is_just_being_made_is_read_again(tmp_path: Path) -> None:
    half = tmp_path / "counter_1.db"
    half.touch()
    registry = SharedRegistry(MultiProcessCollector(None, str(tmp_path)))
    with pytest.raises(Exception):  # noqa: B017 # whichever prometheus_client raises
        registry.collect()

    class Late:
        calls = 0

        def collect(self) -> list[Any]:
            self.calls += 1
            if self.calls < 3:
                raise ValueError
            return ["metrics"]

    assert SharedRegistry(Late()).collect() == ["metrics"]


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Metrics are shared, and no thread of another test writes them."""
    monkeypatch.setenv(files.DIRECTORY, str(tmp_path))
    monkeypatch.setattr(files, "_writers", {})
    monkeypatch.setattr(files, "_files", files._Files())
    yield
    atexit.unregister(files.write)


def test_a_directory_that_is_gone_is_logged_once_and_stops_nothing(
    shared: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise FileNotFoundError

    monkeypatch.setattr(readings, "read", fail)
    for _ in range(3):
        files.write()
    assert len(caplog.messages) == 1
    assert "metrics cannot be written to" in caplog.messages[0]


def test_one_thread_writes_in_each_process(shared: None, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread.name))
    files.keep_writing()
    files.keep_writing()
    assert started == ["wsrequest-metrics"]
    lock = files._files._lock
    lock.acquire()  # by a thread of the parent, while it forks
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    files.keep_writing()
    assert started == ["wsrequest-metrics"] * 2
    assert not files._files._lock.locked()


def test_a_thread_that_cannot_be_started_is_logged(
    shared: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def start(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    files.keep_writing()
    assert "the thread that writes metrics cannot be started" in caplog.text


@pytest.mark.asyncio
async def test_several_processes_that_share_nothing_are_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(files.DIRECTORY, raising=False)
    async with pool_open(1) as pool:
        source = Source(Activity(), make_server(pool), Refusals())
        for workers in ("1", "3"):
            monkeypatch.setattr(sys, "argv", ["uvicorn", "--workers", workers])
            export = Export(source)
            export.stop()
            export.stop()
    assert [m.partition(",")[0] for m in caplog.messages] == [
        "several processes serve this project"
    ]


def test_workers_get_a_directory_that_is_removed_or_the_one_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(files.DIRECTORY, raising=False)
    with shared_directory():
        made = Path(os.environ[files.DIRECTORY])
        assert made.is_dir()
    assert not made.exists() and files.DIRECTORY not in os.environ
    monkeypatch.setenv(files.DIRECTORY, str(tmp_path))
    with shared_directory():
        assert os.environ[files.DIRECTORY] == str(tmp_path)
    assert os.environ[files.DIRECTORY] == str(tmp_path) and tmp_path.is_dir()


def test_gauges_of_a_worker_are_forgotten_once_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.DIRECTORY, str(tmp_path))
    paths = {pid: tmp_path / f"gauge_livesum_{pid}.db" for pid in (11, 12)}
    for path in paths.values():
        path.touch()
    current, alive = {11, 12}, {11, 12}

    def kill(pid: int, number: int) -> None:
        if pid not in alive:
            raise ProcessLookupError

    class Registry:
        def collect(self) -> list[Any]:
            return []

    monkeypatch.setattr(os, "kill", kill)
    workers = _Workers(Registry(), lambda: current)
    workers.collect()
    current.discard(11)  # replaced by another, and drains
    workers.collect()
    assert paths[11].exists()
    alive.discard(11)
    workers.collect()
    assert not paths[11].exists() and paths[12].exists()
