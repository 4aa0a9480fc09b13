"""SIGTERM while many requests are in flight: each request's fate is known, on both sides."""

import asyncio
import os
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.client import connect
from tests.acceptance.commands import running
from tests.acceptance.servers import Server, wait_until
from tests.operations.callers import Account, calling
from tests.ports import free_port

CALLERS = int(os.environ.get("OPERATIONS_CALLERS", "20"))  # each with four requests in flight
SHUTDOWN_SECONDS = 8.0  # the default; a busy machine needs some of it
MARGIN_SECONDS = 2.0  # docs/settings.md, WSREQUEST_SHUTDOWN_SECONDS
RESTARTING, LOST = 4004, 1006


def written(data: Path) -> Counter[str]:
    """How often each row is in the database that a server has left."""
    database = sqlite3.connect(data / "default.sqlite3")
    try:
        return Counter(text for (text,) in database.execute("SELECT text FROM project_note"))
    finally:
        database.close()


async def load_and_terminate(server: Server) -> tuple[Account, int, float]:
    """Return the account, how many requests SIGTERM found in flight, and how long the end took."""
    async with calling(server, CALLERS) as account:
        async with asyncio.timeout(20):
            while len(account.answered) < 2 * CALLERS:  # noqa: ASYNC110  # of all kinds by then
                await asyncio.sleep(0.01)
        in_flight = len(account.unanswered())
        server.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        await asyncio.to_thread(server.process.wait, 20)
        took = time.monotonic() - begun
    return account, in_flight, took


def assert_answers_are_true(account: Account, rows: Counter[str]) -> None:
    """What was answered was done, once, and has this status."""
    assert account.faults == []
    assert set(account.answered.values()) == {201}
    assert {text: rows[text] for text in account.answered if rows[text] != 1} == {}


def assert_nothing_is_lost(account: Account, rows: Counter[str]) -> None:
    """And what was neither answered nor refused, before 4004, was not done."""
    assert_answers_are_true(account, rows)
    assert account.close_codes == [RESTARTING] * CALLERS
    assert [text for text in account.unanswered() if rows[text]] == []
    not_begun = [text for text, code in account.refused.items() if code == "shutting_down"]
    assert [text for text in not_begun if rows[text]] == []


def test_sigterm_under_load_loses_no_answer(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(kind, SHUTDOWN_SECONDS=SHUTDOWN_SECONDS)
    account, in_flight, seconds = asyncio.run(load_and_terminate(server), debug=False)
    assert in_flight > 2 * CALLERS
    assert seconds < SHUTDOWN_SECONDS + MARGIN_SECONDS
    rows = written(server.log_path.parent)
    assert_nothing_is_lost(account, rows)
    # All had time to end, so that every row has its answer.
    assert set(rows) == set(account.answered)
    assert set(account.refused.values()) <= {"shutting_down"}


def test_sigterm_whose_time_is_up_leaves_no_request_in_doubt(
    serve: Callable[..., Server],
) -> None:
    """Those that run are told so: they may have been done. The others were not begun."""
    server = serve(SHUTDOWN_SECONDS=0.05, THREADS=2)
    account, in_flight, seconds = asyncio.run(load_and_terminate(server), debug=False)
    assert in_flight > 2 * CALLERS
    assert seconds < 0.05 + MARGIN_SECONDS
    rows = written(server.log_path.parent)
    assert_nothing_is_lost(account, rows)
    assert {"shutting_down", "deadline_exceeded"} == set(account.refused.values())
    in_doubt = {text for text, code in account.refused.items() if code == "deadline_exceeded"}
    assert set(rows) <= set(account.answered) | in_doubt


@pytest.fixture
def own_data(project_data: Path, tmp_path: Path) -> Path:
    """A copy of the databases, for a command to write to."""
    return shutil.copytree(project_data, tmp_path / "data")


def test_sigterm_under_load_reaches_every_worker(own_data: Path) -> None:
    port = free_port()
    arguments = ("runwebsockets", str(port), "--workers", "2")
    with running(own_data, *arguments, port=port) as server:
        serving: set[int] = set()

        def both_serve() -> bool:
            with connect(server) as client:
                serving.add(client.get("/load/process/").data)
            return len(serving) == 2

        wait_until(both_serve, 30)
        account, in_flight, seconds = asyncio.run(load_and_terminate(server), debug=False)
        assert server.process.returncode == 0
    assert in_flight > 2 * CALLERS
    assert seconds < SHUTDOWN_SECONDS + MARGIN_SECONDS
    assert_nothing_is_lost(account, written(own_data))


def test_runserver_ends_at_once_and_has_done_what_it_answered(own_data: Path) -> None:
    """It is for development: Ctrl-C and SIGTERM end it without a word, so clients see 1006."""
    port = free_port()
    with running(own_data, "runserver", str(port), "--noreload", port=port) as server:
        account, in_flight, seconds = asyncio.run(load_and_terminate(server), debug=False)
    assert in_flight > 2 * CALLERS
    assert seconds < MARGIN_SECONDS
    assert account.close_codes == [LOST] * CALLERS
    assert_answers_are_true(account, written(own_data))
