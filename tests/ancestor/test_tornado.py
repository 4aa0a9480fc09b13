"""The Tornado example serves the test project to a real client, in a process of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.acceptance.servers import ROOT, environ, wait_until
from tests.ports import free_port

STOP_SECONDS = 10


@dataclass(frozen=True)
class Tornado:
    """The running example."""

    port: int
    process: "subprocess.Popen[bytes]"
    log_path: Path

    def connect(self, origin: str | None = None) -> ClientConnection:
        given = None if origin is None else Origin(origin)
        url = f"ws://127.0.0.1:{self.port}/ws/api"
        # A close is not read before the message in hand is answered, so it is not waited for.
        return connect(url, origin=given, proxy=None, close_timeout=0.5)

    def is_there(self) -> bool:
        assert self.process.poll() is None, self.log()
        with suppress(OSError), self.connect():
            return True
        return False

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")


@pytest.fixture(scope="module")
def tornado(project_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tornado]:
    """The example on a free port, with a copy of the migrated databases."""
    place = tmp_path_factory.mktemp("tornado")
    shutil.copytree(project_data, place, dirs_exist_ok=True)
    port, log_path = free_port(), place / "log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "examples/tornado_server.py", str(port)],
            cwd=ROOT,
            env=environ(place),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    example = Tornado(port, process, log_path)
    try:
        wait_until(example.is_there, 30)
        yield example
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(socket: ClientConnection, **message: Any) -> str | bytes:
    socket.send(json.dumps(message))
    return socket.recv(timeout=20)


def test_tornado_answers_with_the_content(tornado: Tornado) -> None:
    with tornado.connect() as socket:
        assert ask(socket, url="/text/") == "grün\n"
        assert ask(socket, url="/binary/") == bytes(range(256))
        assert ask(socket, url="/stream/async/?count=2") == "piece 0\npiece 1\n"


def test_tornado_answers_a_bad_message_with_the_error(tornado: Tornado) -> None:
    with tornado.connect() as socket:
        socket.send("no JSON")
        assert json.loads(socket.recv(timeout=20)) == {
            "error": "Invalid formatted message.",
            "status_code": 400,
        }
        error = json.loads(ask(socket, url="/nothing/"))
        assert error == {"error": "Resource not found.", "status_code": 404}


def test_tornado_passes_on_what_the_handshake_said(tornado: Tornado) -> None:
    with tornado.connect() as socket:
        seen = json.loads(ask(socket, url="/echo/?a=1", method="PUT", data={"b": 2}, token="t"))
    assert seen["uri"] == f"http://127.0.0.1:{tornado.port}/echo/?a=1"
    assert seen["meta"]["REMOTE_ADDR"] == "127.0.0.1"
    assert seen["headers"]["Authorization"] == "JWT t"
    assert (seen["method"], seen["length"]) == ("PUT", len('{"b": 2}'))


def test_tornado_reads_and_writes_the_databases(tornado: Tornado) -> None:
    with tornado.connect() as socket:
        assert json.loads(ask(socket, url="/rows/write/?text=tornado", method="POST"))
        rows = json.loads(ask(socket, url="/rows/", data={"text": "tornado"}))
        assert rows == {"default": 1, "other": 1, "committed": 1}
        notes = json.loads(ask(socket, url="/rows/async/", data={"text": "of a loop"}))
        assert notes == {"texts": ["of a loop"]}


def test_tornado_answers_others_while_a_view_takes_its_time(tornado: Tornado) -> None:
    with tornado.connect() as slow, tornado.connect() as quick:
        slow.send(json.dumps({"url": "/block/?name=tornado", "method": "POST"}))
        assert ask(quick, url="/ready/") == "ready"
        assert json.loads(ask(quick, url="/release/?name=tornado")) == {"released": "tornado"}
        assert json.loads(slow.recv(timeout=20)) == {"released": "tornado"}


def test_tornado_takes_no_handshake_from_another_site(tornado: Tornado) -> None:
    with pytest.raises(InvalidStatus) as refused:
        tornado.connect("https://evil.example")
    assert refused.value.response.status_code == 403
    with tornado.connect(f"http://127.0.0.1:{tornado.port}") as socket:
        assert ask(socket, url="/ready/") == "ready"


def test_tornado_survives_a_client_that_does_not_wait(tornado: Tornado) -> None:
    with tornado.connect() as gone:
        gone.send(json.dumps({"url": "/block/?name=gone", "method": "POST"}))
    with tornado.connect() as socket:
        assert json.loads(ask(socket, url="/release/?name=gone")) == {"released": "gone"}

        def is_finished() -> bool:
            return bool(json.loads(ask(socket, url="/state/?name=gone"))["finished"] == 1)

        wait_until(is_finished)
        assert ask(socket, url="/ready/") == "ready"
    assert "Traceback" not in tornado.log()
