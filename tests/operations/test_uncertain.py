"""A server that is cut off from the bus says so, goes on, and says when it is sure again."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.client import Client, Frame, connect
from tests.acceptance.servers import Server
from tests.ports import free_port
from tests.redis import serving_redis

Serve = Callable[..., Server]
pytestmark = [pytest.mark.needs("redis"), pytest.mark.timeout(120)]

NOTES = "/api/notes/"
# Twice what the documentation says, because other tests run on the machine.
BOUND_SECONDS = 2 * 5.0


class Page:
    """A page with one live list: what it shows, and whether it knows that it may be old."""

    def __init__(self, client: Client) -> None:
        self.client, self.text = client, ""
        self.reports: list[bool] = []
        self.id = client.send("GET", NOTES, subscribe=True)
        self.until(lambda: self.text)

    def until(self, holds: Callable[[], Any], seconds: float = BOUND_SECONDS) -> None:
        """Read frames until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            self._take(self.client.receive(max(0.0, end - time.monotonic())))

    def _take(self, frame: Frame) -> None:
        if "uncertain" in frame.head:
            assert frame.head.keys() == {"uncertain"}
            self.reports.append(frame.head["uncertain"])
        elif frame.head.get("id") == self.id:
            self.text = json.dumps(frame.head["data"])


def write_unheard(server: Server) -> str:
    """Commit a row of which no message tells, as a process whose messages do not arrive."""
    text = f"note-{uuid4().hex}"
    with sqlite3.connect(server.log_path.parent / "default.sqlite3", timeout=10) as database:
        database.execute("INSERT INTO project_note (text) VALUES (?)", (text,))
    database.close()
    return text


def write_by(client: Client) -> str:
    text = f"note-{uuid4().hex}"
    client.send("POST", NOTES, data={"text": text})
    return text


def shows_a_fresh_get(page: Page, server: Server) -> bool:
    return page.text == json.dumps(server.get_json(NOTES))


def serve_with(serve: Serve, port: int) -> Server:
    """A server whose pages would show no unheard commit for an hour."""
    return serve(BUS=f"redis://127.0.0.1:{port}/0", LIVE_RECHECK_SECONDS=3600)


@pytest.mark.documents("docs/processes.md", "Uncertain")
def test_server_whose_bus_hangs_says_so_and_goes_on(serve: Serve) -> None:
    port = free_port()
    with serving_redis(port) as pid:
        server = serve_with(serve, port)
        with connect(server) as client, connect(server, subprotocol=None) as bare:
            page, plain = Page(client), Page(bare)
            os.kill(pid, signal.SIGSTOP)
            page.until(lambda: page.reports == [True])

            own = write_by(client)
            page.until(lambda: own in page.text)
            plain.until(lambda: own in plain.text)

            unheard = write_unheard(server)
            page.until(lambda: unheard in page.text, 60)

            with connect(server) as other:
                new = Page(other)
                assert new.reports == [True]  # it came before the first version

                last = write_unheard(server)
                os.kill(pid, signal.SIGCONT)
                for each in (page, new):
                    each.until(lambda each=each: each.reports == [True, False])  # type: ignore[misc]  # mypy does not infer it
                    assert last in each.text and shows_a_fresh_get(each, server)
            plain.until(lambda: last in plain.text)
            assert plain.reports == []


@pytest.mark.documents("docs/processes.md", "the bus restarts, or the connection breaks")
def test_server_whose_bus_is_killed_is_sure_again_when_it_is_back(serve: Serve) -> None:
    port = free_port()
    with serving_redis(port) as pid:
        server = serve_with(serve, port)
        with connect(server) as client:
            page = Page(client)
            os.kill(pid, signal.SIGKILL)
            page.until(lambda: page.reports == [True])
            last = write_unheard(server)
            with serving_redis(port):
                page.until(lambda: page.reports == [True, False])
                assert last in page.text and shows_a_fresh_get(page, server)
                own = write_by(client)
                page.until(lambda: own in page.text)
                assert page.reports == [True, False]
