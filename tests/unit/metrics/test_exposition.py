"""What a scrape gets, and that what fails beside it harms nobody."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.multiprocess import MultiProcessCollector

from tests.unit.peer import make_server, pool_open
from wsrequest.metrics import exposition
from wsrequest.metrics.exposition import Export, _SharedRegistry, expose, install
from wsrequest.metrics.port import shared_directory
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
    registry = _SharedRegistry(MultiProcessCollector(None, str(tmp_path)))
    with pytest.raises(Exception):  # noqa: B017 # whichever prometheus_client raises
        registry.collect()

    class Late:
        calls = 0

        def collect(self) -> list[Any]:
            self.calls += 1
            if self.calls < 3:
                raise ValueError
            return ["metrics"]

    assert _SharedRegistry(Late()).collect() == ["metrics"]


@pytest.mark.asyncio
async def test_a_directory_that_is_gone_is_logged_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "wsrequest.metrics")
    monkeypatch.setenv(exposition.DIRECTORY, str(tmp_path / "gone"))
    monkeypatch.setattr(exposition, "_WRITE_SECONDS", 0.01)

    def fail() -> None:
        attempts.append(1)
        raise FileNotFoundError

    attempts: list[int] = []
    monkeypatch.setattr(exposition._files, "write", fail)
    async with pool_open(1) as pool:
        source = Source(Activity(), make_server(pool), Refusals())
        export = Export(asyncio.get_running_loop(), source)
        async with asyncio.timeout(30):
            while len(attempts) < 3:  # noqa: ASYNC110 # nothing tells of it
                await asyncio.sleep(0.01)
        export.stop()
        export.stop()
    assert len([m for m in caplog.messages if "metrics cannot be written to" in m]) == 1


def test_workers_get_a_directory_that_is_removed_or_the_one_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(exposition.DIRECTORY, raising=False)
    with shared_directory():
        made = Path(os.environ[exposition.DIRECTORY])
        assert made.is_dir()
    assert not made.exists() and exposition.DIRECTORY not in os.environ
    monkeypatch.setenv(exposition.DIRECTORY, str(tmp_path))
    with shared_directory():
        assert os.environ[exposition.DIRECTORY] == str(tmp_path)
    assert os.environ[exposition.DIRECTORY] == str(tmp_path) and tmp_path.is_dir()
