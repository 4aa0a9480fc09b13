"""``manage.py runserver`` and ``runwebsockets``, as processes that people start and stop."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as open_socket
from websockets.sync.client import unix_connect

from tests.acceptance.accounts import redeem
from tests.acceptance.client import Client, connect
from tests.acceptance.commands import BANNER, finished, running
from tests.acceptance.servers import (
    START_SECONDS,
    Server,
    environ,
    manage,
    wait_until,
)
from tests.ports import free_port
from wsrequest.management.listening import Address, listen_tcp, parse_address

URLS = """
import os
from django.http import HttpResponse
from django.urls import path

def value(request):
    return HttpResponse("{value}", content_type="text/plain")

def process(request):
    return HttpResponse(os.getpid(), content_type="text/plain")

urlpatterns = [path("value/", value), path("process/", process)]
"""


def interrupt(server: Server) -> float:
    """Press Ctrl-C in the terminal of a command; return how many seconds it took to end."""
    began = time.monotonic()
    os.killpg(server.process.pid, signal.SIGINT)
    server.process.wait(20)
    return time.monotonic() - began


def terminate(server: Server) -> float:
    """Tell a command to end, as a supervisor does; return how many seconds it took."""
    began = time.monotonic()
    server.process.terminate()
    server.process.wait(20)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def runserver(project_data: Path) -> Iterator[Server]:
    """The development server of the test project, with DEBUG."""
    port = free_port()
    arguments = ("runserver", str(port), "--noreload")
    with running(project_data, *arguments, port=port, PROJECT_DEBUG="1") as server:
        yield server


@pytest.fixture
def runwebsockets(project_data: Path) -> Iterator[Callable[..., Any]]:
    """Start ``runwebsockets`` with further arguments, settings as environment variables."""

    def start(*arguments: str, **changes: Any) -> Any:
        port = free_port()
        return running(
            project_data, "runwebsockets", f"127.0.0.1:{port}", *arguments, port=port, **changes
        )

    yield start


@pytest.fixture
def new_project(tmp_path: Path) -> Path:
    """What startproject makes, with one line in INSTALLED_APPS and asgi.py as it was."""
    subprocess.run(
        [sys.executable, "-m", "django", "startproject", "example", str(tmp_path)], check=True
    )
    settings = tmp_path / "example" / "settings.py"
    text = settings.read_text().replace("INSTALLED_APPS = [", 'INSTALLED_APPS = ["wsrequest",')
    settings.write_text(text)
    (tmp_path / "example" / "urls.py").write_text(URLS.format(value=1))
    return tmp_path


@contextmanager
def developing(project: Path, *arguments: str) -> Iterator[Server]:
    """Run the development server of a new project."""
    port = free_port()
    with running(
        project,
        "runserver",
        str(port),
        *arguments,
        port=port,
        manage_py=project / "manage.py",
        DJANGO_SETTINGS_MODULE="example.settings",
    ) as server:
        yield server


# runserver


def test_runserver_prints_both_addresses(runserver: Server) -> None:
    log = runserver.log()
    assert f"http://127.0.0.1:{runserver.port}/" in log
    assert f"WebSockets are at ws://127.0.0.1:{runserver.port}/ws/\n" in log


def test_runserver_serves_http_and_the_socket(runserver: Server) -> None:
    assert runserver.http("GET", "/ready/").body == b"ready"
    with connect(runserver) as client:
        assert client.get("/ready/").data == "ready"
        answer = client.request("POST", "/echo/?a=1", data={"b": 2})
    assert (answer.status, answer.data["path"], answer.data["query"]) == (
        200,
        "/echo/",
        {"a": ["1"]},
    )


def test_runserver_serves_static_files(runserver: Server) -> None:
    page = runserver.http("GET", "/static/rest_framework/css/default.css")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/css"
    assert len(page.body) == int(page.headers["Content-Length"]) > 0
    assert runserver.http("GET", "/static/no/such.css").status == 404


def test_runserver_logs_a_line_for_each_request(runserver: Server) -> None:
    runserver.http("GET", "/ready/?by=http")
    with connect(runserver) as client:
        answer = client.get("/ready/?by=id")
        client.get("/no-such-page/")
        client.answer(client.send("GET", "/stream/", credit=100_000))
        client.send_frame(url="/ready/?by=none")
        client.receive()
        client.send_frame(id=77, url="no path")
        client.receive()
        cancelled = client.send("GET", "/sleep/async/?seconds=9")
        client.send_frame(id=cancelled, cancel=True)
        client.socket.send("no JSON")
        client.receive()
        answer_in_bytes = client.request("PUT", "/echo/", bytes=b"\0")
        client.request("GET", "/binary/")
        client.send_frame(ping=1)
        client.receive()
    wait_until(lambda: '"WebSocket /ws/ closed" 1000 -' in runserver.log())
    lines = [line.partition('"')[2] for line in runserver.log().splitlines()]
    assert 'GET /ready/?by=http HTTP/1.1" 200 5' in lines
    assert 'WebSocket /ws/ opened" 101 -' in lines
    assert f'GET /ready/?by=id WebSocket" 200 {len(answer.first.raw)}' in lines
    assert 'GET /stream/ WebSocket" 200 -' in lines
    assert any(line.startswith('GET /ready/?by=none WebSocket" 200 ') for line in lines)
    assert any(line.startswith('GET /no-such-page/ WebSocket" 404 ') for line in lines)
    (refused,) = [line for line in lines if line.startswith('GET no path WebSocket" 400 ')]
    assert refused.endswith(" bad_url")
    assert any(line.startswith('- - WebSocket" 400 ') for line in lines)  # no JSON
    assert f'PUT /echo/ WebSocket" 200 {len(answer_in_bytes.first.raw)}' in lines
    assert any(line.startswith('GET /binary/ WebSocket" 200 ') for line in lines)
    assert not any("/sleep/async/" in line for line in lines)


def test_runserver_logs_a_refused_handshake_and_keeps_a_line_one_line(runserver: Server) -> None:
    with (
        pytest.raises(InvalidStatus, match="403"),
        connect(runserver, origin="http://evil.example"),
    ):
        pass
    with connect(runserver) as client:
        client.send_frame(id=1, url="/a\nforged line")
        client.receive()
    wait_until(lambda: "a\\nforged line' WebSocket\" 400" in runserver.log())
    (line,) = [line for line in runserver.log().splitlines() if "/ws/ refused" in line]
    assert '"WebSocket /ws/ refused" 403 - origin http://evil.example is neither' in line
    assert "without completing handshake" not in runserver.log()  # uvicorn's, and not true


def test_runserver_names_a_port_that_is_in_use(runserver: Server, project_data: Path) -> None:
    arguments = ("runserver", str(runserver.port), "--noreload")
    code, printed = finished(project_data, *arguments, PROJECT_DEBUG="1")
    assert code == 1
    assert "Error: That port is already in use." in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    "view", ["/ready/", "/sleep/?seconds=30&name=it", "/sleep/async/?seconds=30&name=it"]
)
@pytest.mark.parametrize("arguments", [(), ("--noreload",)], ids=["reload", "noreload"])
def test_runserver_ends_at_ctrl_c_at_once_and_quietly(
    project_data: Path, arguments: tuple[str, ...], view: str
) -> None:
    port = free_port()
    with running(project_data, "runserver", str(port), *arguments, port=port) as server:
        with connect(server) as client:
            client.get("/ready/")
            client.send("GET", view)
            if "sleep" in view:
                wait_until(lambda: client.get("/state/?name=it").data["started"] == 1)
            seconds = interrupt(server)
            with suppress(ConnectionClosed):
                client.socket.recv(5)
        assert server.process.returncode == 0
        assert seconds < 15  # it waited for no view, on a busy machine either
        assert "Traceback" not in server.log()


def test_runserver_needs_no_change_to_asgi(new_project: Path) -> None:
    with developing(new_project, "--noreload") as server:
        assert "System check identified no issues (0 silenced)." in server.log()
        assert server.http("GET", "/value/").body == b"1"
        assert server.http("GET", "/static/admin/css/base.css").status == 200
        with connect(server) as client:
            assert client.get("/value/").data == "1"
        # But an ASGI server would serve no socket, and whoever develops should hear of it.
        assert "This application is runserver's own" in server.log()


def test_runserver_reloads_and_the_socket_comes_back(new_project: Path) -> None:
    with developing(new_project) as server:
        with connect(server) as client:
            assert client.get("/value/").data == "1"
            source = new_project / "example" / "urls.py"
            source.write_text(URLS.format(value=2))
            # The reloader takes what it sees first for the old state, which may be this one.
            end = time.monotonic() + START_SECONDS
            while True:
                try:
                    assert client.closed(3) is None  # the process has gone, and its sockets
                    break
                except TimeoutError:
                    assert time.monotonic() < end, "nothing was reloaded"
                    os.utime(source)
        wait_until(lambda: server.log().count(BANNER) >= 2, START_SECONDS)
        with connect(server) as client:
            assert client.get("/value/").data == "2"
        assert server.http("GET", "/value/").body == b"2"


def test_runserver_serves_the_application_that_the_project_names(new_project: Path) -> None:
    settings = new_project / "example" / "settings.py"
    settings.write_text(settings.read_text() + "ASGI_APPLICATION = 'example.asgi.application'\n")
    (new_project / "example" / "asgi.py").write_text(
        "from wsrequest.asgi import get_asgi_application\n"
        "socket = get_asgi_application('/elsewhere/')\n"
        "async def application(scope, receive, send):\n"
        "    await Wrapper(socket)(scope, receive, send)\n"
        "class Wrapper:\n"
        "    def __init__(self, wrapped): self.wrapped = wrapped\n"
        "    async def __call__(self, scope, *rest): await self.wrapped(scope, *rest)\n"
        "application = Wrapper(socket)\n"
    )
    with developing(new_project, "--noreload") as server:
        assert f"ws://127.0.0.1:{server.port}/elsewhere/\n" in server.log()
        assert "runserver's own" not in server.log()
        with connect(server, path="/elsewhere/") as client:
            assert client.get("/value/").data == "1"


def test_runserver_says_what_is_wrong_with_asgi_and_serves(new_project: Path) -> None:
    settings = new_project / "example" / "settings.py"
    settings.write_text(settings.read_text() + "ASGI_APPLICATION = 'example.asgi.application'\n")
    (new_project / "example" / "asgi.py").write_text("import no_such_module\n")
    with developing(new_project, "--noreload", "--nostatic") as server:
        assert "(wsrequest.W008)" in server.log()
        assert "No module named 'no_such_module'" in server.log()
        assert server.http("GET", "/static/admin/css/base.css").status == 404
        with connect(server) as client:
            assert client.get("/value/").data == "1"


def test_runserver_ends_when_the_project_cannot_start(new_project: Path) -> None:
    settings = new_project / "example" / "settings.py"
    settings.write_text(settings.read_text() + "ASGI_APPLICATION = 'example.asgi.application'\n")
    (new_project / "example" / "asgi.py").write_text(
        "from functools import partial\n"
        "from wsrequest.asgi import get_asgi_application\n"
        "async def start(wrapped, scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no disk'})\n"
        "application = partial(start, get_asgi_application())\n"
    )
    code, printed = finished(
        new_project,
        *("runserver", "0", "--noreload"),
        manage_py=new_project / "manage.py",
        DJANGO_SETTINGS_MODULE="example.settings",
    )
    assert code == 1
    assert "no disk" in printed


# runwebsockets


def test_runwebsockets_serves_the_socket_and_nothing_else(
    runwebsockets: Callable[..., Any],
) -> None:
    with runwebsockets() as server:
        assert f"WebSockets are at ws://127.0.0.1:{server.port}/ws/\n" in server.log()
        with connect(server, origin=server.origin) as client:
            assert client.get("/ready/").data == "ready"
        page = server.http("GET", "/ready/")
        assert page.status == 404
        assert b"serves WebSockets only" in page.body
        assert server.http("GET", "/ws/").status == 426


def test_runwebsockets_makes_cookies_the_browsers(runwebsockets: Callable[..., Any]) -> None:
    with runwebsockets() as server, connect(server, origin=server.origin) as client:
        ticket = client.get("/cookies/?a=b").first.head["cookies"]
        page = redeem(server, ticket, server.origin, client.browser)
        assert (page.status, page.headers["Set-Cookie"]) == (204, "a=b; Path=/")


def test_runwebsockets_serves_at_another_path(runwebsockets: Callable[..., Any]) -> None:
    with runwebsockets("--path", "/live/socket/") as server:
        assert f":{server.port}/live/socket/\n" in server.log()
        with connect(server, path="/live/socket/") as client:
            assert client.get("/ready/").data == "ready"
        assert server.http("GET", "/ws/").status == 404


def test_runwebsockets_does_not_compress_and_names_what_is_too_large(
    runwebsockets: Callable[..., Any],
) -> None:
    with (
        runwebsockets(WSREQUEST_MAX_MESSAGE_BYTES="65536") as server,
        open_socket(f"ws://{server.host}/ws/", compression="deflate", proxy=None) as socket,
    ):
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        client = Client(socket)
        refused = client.request("POST", "/echo/", data="x" * 70_000)
        assert (refused.status, refused.error["code"]) == (413, "message_too_large")  # type: ignore[index] # refused
        assert client.get("/ready/").data == "ready"
        client.send("POST", "/echo/", data="x" * 140_000)
        assert client.closed() == 1009


def test_runwebsockets_believes_the_proxies_that_it_is_told(
    runwebsockets: Callable[..., Any],
) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    seen = []
    for ips in ("127.0.0.1", "192.0.2.1"):
        with (
            runwebsockets("--forwarded-allow-ips", ips) as server,
            connect(server, headers=forwarded) as client,
        ):
            told = client.get("/echo/").data
            seen.append((told["meta"]["REMOTE_ADDR"], told["secure"]))
    assert seen == [("203.0.113.9", True), ("127.0.0.1", False)]


def test_runwebsockets_listens_on_a_unix_socket(project_data: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:  # short: such a path has at most 107 bytes
        path = f"{directory}/x.sock"
        with running(project_data, "runwebsockets", f"unix:{path}", port=0) as server:
            with unix_connect(path, uri="ws://localhost/ws/") as socket:
                assert Client(socket).get("/ready/").data == "ready"
            code, printed = finished(project_data, "runwebsockets", f"unix:{path}")
            assert (code, f"{path}: " in printed) == (1, True)
            server.process.kill()  # leaves its file behind, which must not hinder the next
            server.process.wait()
        assert os.path.exists(path)
        with running(project_data, "runwebsockets", f"unix:{path}", port=0) as server:
            with unix_connect(path, uri="ws://localhost/ws/") as socket:
                assert Client(socket).get("/ready/").data == "ready"
            terminate(server)
            assert server.process.returncode == 0
        assert not os.path.exists(path)


def test_runwebsockets_names_a_port_that_is_in_use(
    runwebsockets: Callable[..., Any], project_data: Path
) -> None:
    with runwebsockets() as server:
        code, printed = finished(project_data, "runwebsockets", str(server.port))
    assert code == 1
    assert printed.strip() == "CommandError: That port is already in use."


def test_runwebsockets_checks_the_system_first(project_data: Path) -> None:
    code, printed = finished(project_data, "runwebsockets", "0", WSREQUEST_THREADS="0")
    assert code == 1
    assert "(wsrequest.E002) WSREQUEST_THREADS is 0, but must be at least 1." in printed
    assert BANNER not in printed


@pytest.mark.parametrize("workers", ["1", "2"])
def test_runwebsockets_answers_what_is_in_flight_when_it_is_terminated(
    runwebsockets: Callable[..., Any], workers: str
) -> None:
    arguments = ("--workers", workers)
    with (
        runwebsockets(*arguments, WSREQUEST_SHUTDOWN_SECONDS="30") as server,
        connect(server) as client,
    ):
        with connect(server) as other:
            assert other.get("/ready/").data == "ready"
            sent = client.send("GET", "/sleep/?seconds=1&name=it")
            wait_until(lambda: client.get("/state/?name=it").data["started"] == 1)
            seconds = terminate(server)
            assert other.closed() == 4004
        assert client.answer(sent).data == {"slept": 1.0}
        assert client.closed() == 4004
        assert server.process.returncode == 0
        assert seconds < 20  # it did not wait for WSREQUEST_SHUTDOWN_SECONDS
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_runwebsockets_ends_in_time_whatever_runs(
    runwebsockets: Callable[..., Any], workers: str
) -> None:
    arguments = ("--workers", workers)
    with (
        runwebsockets(*arguments, WSREQUEST_SHUTDOWN_SECONDS="1") as server,
        connect(server) as client,
    ):
        client.send("GET", "/sleep/?seconds=40&name=it")
        wait_until(lambda: client.get("/state/?name=it").data["started"] == 1)
        seconds = terminate(server)
        assert client.closed() == 4004
        assert server.process.returncode == 0
        assert 1 <= seconds < 10  # far less than the view takes, also on a busy machine


def test_runwebsockets_ends_at_ctrl_c_quietly(runwebsockets: Callable[..., Any]) -> None:
    with runwebsockets() as server, connect(server) as client:
        assert client.get("/ready/").data == "ready"
        seconds = interrupt(server)
        assert client.closed() == 4004
        assert (server.process.returncode, seconds < 7) == (0, True)
        assert "Traceback" not in server.log()


def test_runwebsockets_serves_from_several_processes(new_project: Path) -> None:
    port = free_port()
    with running(
        new_project,
        *("runwebsockets", str(port), "--workers", "2", "--path", "/w/"),
        port=port,
        manage_py=new_project / "manage.py",
        DJANGO_SETTINGS_MODULE="example.settings",
    ) as server:

        def process() -> int:
            with connect(server, path="/w/") as client:
                return int(client.get("/process/").data)

        serving: set[int] = set()

        def both_serve() -> bool:
            serving.add(process())
            return len(serving) == 2

        wait_until(both_serve)
        assert server.process.pid not in serving
        killed = serving.pop()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: process() not in {killed, *serving}, 15)  # another in its place


def test_runwebsockets_replaces_its_workers_at_sighup(new_project: Path) -> None:
    port = free_port()
    with running(
        new_project,
        *("runwebsockets", str(port), "--workers", "2"),
        port=port,
        manage_py=new_project / "manage.py",
        DJANGO_SETTINGS_MODULE="example.settings",
    ) as server:

        def value() -> str:
            try:
                with connect(server) as client:
                    return str(client.get("/value/").data)
            except InvalidStatus as refused:  # by one that drains
                return str(refused.response.status_code)
            except ConnectionClosed:  # it ended before it took the connection from the system
                return "reset"

        with connect(server) as client:
            assert client.get("/value/").data == "1"
            (new_project / "example" / "urls.py").write_text(URLS.format(value=2))
            server.process.send_signal(signal.SIGHUP)
            assert client.closed() == 4004
        wait_until(lambda: {value() for _ in range(4)} == {"2"}, START_SECONDS)


def test_runwebsockets_workers_need_a_settings_module(project_data: Path) -> None:
    program = (
        "from django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['wsrequest'], ROOT_URLCONF='tests.project.urls')\n"
        "import django\n"
        "django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('runwebsockets', '0', workers=2)\n"
    )
    changes = environ(project_data)
    del changes["DJANGO_SETTINGS_MODULE"]
    done = subprocess.run(
        [sys.executable, "-c", program], env=changes, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert "--workers needs DJANGO_SETTINGS_MODULE" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["99999"], "'99999' is none of PORT,", id="no such port"),
        pytest.param(["localhost"], "'localhost' is none of PORT,", id="no port"),
        pytest.param(["::1:8001"], "'::1:8001' is none of PORT,", id="IPv6 without brackets"),
        pytest.param(["unix:x.sock"], "must be absolute", id="a relative path"),
        pytest.param(["0", "--path", "ws/"], "does not begin with a slash", id="no path"),
        pytest.param(["0", "--path", "/a b/"], "holds ' '", id="a path with a space"),
        pytest.param(["0", "--workers", "0"], "no number of processes", id="no workers"),
        pytest.param(["192.0.2.1:0"], "can't be assigned", id="not our address"),
        pytest.param(["unix:/no/such/x.sock"], "No such file", id="no such directory"),
        pytest.param(["unix:/dev/null"], "/dev/null: ", id="a file that is no socket"),
    ],
)
def test_runwebsockets_refuses_an_argument(arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("runwebsockets", *arguments)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("8001", Address("127.0.0.1", 8001), "ws://127.0.0.1:8001/ws/"),
        ("0.0.0.0:8001", Address("0.0.0.0", 8001), "ws://0.0.0.0:8001/ws/"),
        ("localhost:8001", Address("localhost", 8001), "ws://localhost:8001/ws/"),
        ("[::1]:8001", Address("::1", 8001), "ws://[::1]:8001/ws/"),
        ("unix:/run/x.sock", Address("", 0, "/run/x.sock"), "unix:/run/x.sock, path /ws/"),
    ],
)
def test_runwebsockets_reads_an_address(text: str, address: Address, url: str) -> None:
    assert parse_address(text) == address
    assert address.url(8001, "/ws/") == url


@pytest.mark.asyncio
async def test_commands_listen_so_that_an_answer_in_two_writes_does_not_wait() -> None:
    # Headers and body of an answer by HTTP are two; Nagle's algorithm would hold the second back.
    found: asyncio.Queue[int] = asyncio.Queue()

    async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        value = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        await writer.wait_closed()
        found.put_nowait(value)

    listener = listen_tcp("127.0.0.1", 0, ipv6=False)
    async with await asyncio.start_server(look, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        assert await found.get()
        writer.close()
        await writer.wait_closed()


def test_settings_are_shown_without_the_password_of_the_bus(project_data: Path) -> None:
    url = json.dumps("redis://shop:s3cret@127.0.0.1/")
    shown = manage(project_data, "diffsettings", WSREQUEST_BUS=url)
    assert "WSREQUEST_BUS = 'redis://shop:***@127.0.0.1/'" in shown
    assert "s3cret" not in shown
