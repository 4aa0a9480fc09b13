"""Metrics of real processes: by the view, by the port, and of several workers together."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as open_socket
from websockets.typing import Origin

from tests.acceptance.client import Client, connect
from tests.acceptance.commands import finished, running
from tests.acceptance.servers import (
    START_SECONDS,
    Server,
    serving,
    wait_until,
)
from tests.ports import free_port
from wsrequest.metrics.definitions import METRICS
from wsrequest.metrics.files import SharedRegistry

pytestmark = pytest.mark.once  # each starts processes of its own

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
ON = "true"


def parsed(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(port: int, path: str = "/metrics/") -> Samples:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode()
        assert response.status == 200, body
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        return parsed(body)
    finally:
        connection.close()


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, tuple(sorted(labels.items()))), 0.0)


def echoes(samples: Samples) -> float:
    labels = {"method": "GET", "route": "echo/<path:rest>", "status": "200"}
    return value(samples, "wsrequest_messages_total", **labels)


@contextmanager
def in_all_processes(server: Server, count: int) -> Iterator[list[Client]]:
    """Open connections until so many processes have one each."""
    found: dict[str, Client] = {}
    with ExitStack() as stack:

        def are_there() -> bool:
            client = stack.enter_context(connect(server))
            found.setdefault(str(client.get("/load/process/").data), client)
            return len(found) == count

        wait_until(are_there, START_SECONDS)
        yield list(found.values())


def test_view_of_each_server_shows_its_process(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(kind, METRICS=True)
    before = scrape(server.port)
    with connect(server) as client:
        for _ in range(3):
            client.get(f"/echo/{uuid4().hex}?secret=1")
        id = client.send("GET", "/api/notes/", subscribe=True)
        client.receive_for(id)
        with pytest.raises(InvalidStatus):
            open_socket(f"ws://{server.host}/ws/", origin=Origin("https://evil.example"))
        during = scrape(server.port)
        assert echoes(during) - echoes(before) == 3
        assert value(during, "wsrequest_connections", transport="websocket") == 1
        assert value(during, "wsrequest_live_subscriptions") == 1
        assert value(during, "wsrequest_handshakes_refused_total", status="403") == 1
        assert value(during, "wsrequest_received_bytes_total") > 0
        names = {name for name, _ in during}
        assert {"python_info", "process_open_fds"} <= names  # the registry is the default one
        assert not [labels for _, labels in during if "secret" in str(labels)]
    gone = {"transport": "websocket"}
    wait_until(lambda: value(scrape(server.port), "wsrequest_connections", **gone) == 0)
    # By the socket, too, as any view.
    with connect(server) as client:
        assert "wsrequest_messages_total" in client.get("/metrics/").data


def test_view_answers_only_reads_and_only_if_metrics_are_on(
    any_server: Server, serve: Callable[..., Server]
) -> None:
    off = any_server.http("GET", "/metrics/")
    assert off.status == 404 and b"WSREQUEST_METRICS is off" in off.body
    server = serve(METRICS=True)
    assert server.http("POST", "/metrics/").status == 403  # of the CSRF check
    assert server.http("PUT", "/metrics/").status in (403, 405)
    page = server.http("GET", "/metrics/", headers={"Accept": "application/openmetrics-text"})
    assert page.headers["Content-Type"].startswith("application/openmetrics-text")
    assert page.headers["Cache-Control"] == "no-store" and page.body.endswith(b"# EOF\n")


def test_port_is_local_and_shows_the_process(project_data: Path) -> None:
    port, scraped = free_port(), free_port()
    arguments = ("runwebsockets", str(port), "--metrics-port", str(scraped))
    with running(project_data, *arguments, port=port, WSREQUEST_METRICS=ON) as server:
        wait_until(lambda: f"Metrics are at http://127.0.0.1:{scraped}/metrics" in server.log())
        with connect(server) as client:
            client.get("/echo/a")
            found = scrape(scraped, "/metrics")
            assert echoes(found) == 1
            assert value(found, "wsrequest_connections", transport="websocket") == 1
        sockets = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        rows = [line.split() for line in sockets.splitlines()]
        listening = [row[1] for row in rows if row[3] == "0A"]
        here = [address for address in listening if address.endswith(f":{scraped:04X}")]
        assert here == [f"0100007F:{scraped:04X}"]


def test_port_shows_all_workers_and_forgets_the_gauges_of_a_dead_one(project_data: Path) -> None:
    port, scraped = free_port(), free_port()
    arguments = ("runwebsockets", str(port), "--workers", "2", "--metrics-port", str(scraped))
    with running(project_data, *arguments, port=port, WSREQUEST_METRICS=ON) as server:
        with in_all_processes(server, 2) as clients:
            for client in clients:
                client.get("/echo/a")
                id = client.send("GET", "/api/notes/", subscribe=True)
                client.receive_for(id)

            def both() -> Any:
                found = scrape(scraped, "/metrics")
                return found if echoes(found) == 2 else None

            found = wait_until(both)
            assert value(found, "wsrequest_live_subscriptions") == 2
            duration = "wsrequest_message_duration_seconds"
            route = {"route": "echo/<path:rest>"}
            assert value(found, f"{duration}_count", **route) == 2
            assert value(found, f"{duration}_bucket", le="+Inf", **route) == 2
            assert value(found, f"{duration}_bucket", le="60.0", **route) == 2
            os.kill(int(clients[0].get("/load/process/").data), signal.SIGKILL)
            wait_until(
                lambda: value(scrape(scraped, "/metrics"), "wsrequest_live_subscriptions") == 1
            )
            assert echoes(scrape(scraped, "/metrics")) == 2  # counters stay


def test_workers_of_any_server_share_a_directory(project_data: Path, tmp_path: Path) -> None:
    """As the page says: PROMETHEUS_MULTIPROC_DIR, and the view of whichever process answers."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        with serving("uvicorn-3", project_data, METRICS=True) as server:
            with connect(server) as watcher:  # always the same process answers it

                def seen() -> Samples:
                    return parsed(watcher.get("/metrics/").data)

                with in_all_processes(server, 3) as clients:
                    for client in clients:
                        client.get("/echo/a")
                    wait_until(lambda: echoes(seen()) == 3)
                    found = seen()
                assert value(found, "wsrequest_connections", transport="websocket") >= 4
                gone = {"transport": "websocket"}
                wait_until(lambda: value(seen(), "wsrequest_connections", **gone) == 1)
            shown = {name for name, _ in found}
            single = {metric.full_name for metric in METRICS.values() if not metric.labels}
            assert {name for name in single if "_bus_" not in name} <= shown


@pytest.mark.needs("redis")
def test_the_bus_is_shown(project_data: Path, redis_url: str, serve: Callable[..., Server]) -> None:
    server = serve(METRICS=True, BUS=redis_url)
    with connect(server) as client:
        id = client.send("GET", "/api/notes/", subscribe=True)
        client.receive_for(id)
        client.request("POST", "/api/notes/", data={"text": uuid4().hex})

        def published() -> Any:
            found = scrape(server.port)
            return found if value(found, "wsrequest_bus_publish_seconds_count") else None

        found = wait_until(published)
    assert value(found, "wsrequest_bus_publish_seconds_sum") > 0
    assert value(found, "wsrequest_bus_connected") == 1
    assert value(found, "wsrequest_bus_gaps_total") >= 1  # the first connection
    assert value(found, "wsrequest_commits_received_total") >= 1
    for name in ("wsrequest_bus_dropped_total", "wsrequest_bus_queue_length"):
        assert (name, ()) in found and value(found, name) == 0


@pytest.mark.needs("redis")
def test_workers_that_only_write_share_what_they_publish(
    project_data: Path, tmp_path: Path, redis_url: str
) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        with serving("gunicorn", project_data, METRICS=True, BUS=redis_url) as server:
            body, json = b'{"text": "a"}', {"Content-Type": "application/json"}

            def published() -> float:
                assert server.http("POST", "/api/notes/", body, json).status == 201
                # Tries again if a worker is just making its file.
                metrics = SharedRegistry(MultiProcessCollector(None, str(tmp_path))).collect()
                samples = [sample for metric in metrics for sample in metric.samples]
                name = "wsrequest_bus_publish_seconds_count"
                total: float = sum(s.value for s in samples if s.name == name)
                return total

            wait_until(lambda: published() > 1 and len(list(tmp_path.glob("summary_*.db"))) == 2)


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (["--metrics-port", "0"], {}, "--metrics-port needs WSREQUEST_METRICS = True"),
        (["--metrics-port", "x"], {"WSREQUEST_METRICS": ON}, "'x' is none of PORT"),
        (["--metrics-port", "unix:/x"], {"WSREQUEST_METRICS": ON}, "metrics need a TCP port"),
        (["--metrics-port", "{taken}"], {"WSREQUEST_METRICS": ON}, "That port is already in use"),
    ],
)
def test_port_that_cannot_work_is_named(
    project_data: Path,
    any_server: Server,
    arguments: list[str],
    settings: dict[str, Any],
    sentence: str,
) -> None:
    arguments = [each.format(taken=any_server.port) for each in arguments]
    command = ("runwebsockets", str(free_port()), *arguments)
    code, printed = finished(project_data, *command, **settings)
    assert code != 0 and sentence in printed


PROGRAM = """
import asyncio, sys
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["wsrequest"], DATABASES={}, SECRET_KEY="x", ALLOWED_HOSTS=["*"],
                   ROOT_URLCONF="wsrequest.errors", **METRICS)
django.setup()
from wsrequest.asgi import get_asgi_application
application = get_asgi_application()
async def main():
    application._wiring.get_server()
    found = [name for name in sys.modules if name.startswith(("prometheus", "wsrequest.metrics"))]
    print(sorted(found)[:1])
asyncio.run(main())
"""


@pytest.mark.parametrize(("metrics", "first"), [("{}", "[]"), ("{'WSREQUEST_METRICS': True}", "p")])
def test_nothing_is_imported_while_metrics_are_off(metrics: str, first: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("METRICS)", f"{metrics})")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert (done.stdout.strip() == "[]") is (first == "[]"), done.stdout
