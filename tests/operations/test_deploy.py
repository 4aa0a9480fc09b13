"""The configurations of examples/deploy, run by nginx, PostgreSQL and the commands themselves."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.acceptance.servers import wait_until
from tests.contract.certificates import Certificates, made_certificates
from tests.operations.deploying import (
    BIN,
    DEPLOY,
    PASSWORD,
    SOCKETS,
    Deployment,
    Plan,
    compose,
    deployed,
    systemd,
    unit,
    value_of,
)
from tests.postgres import Params
from wsrequest.conf import conf

pytestmark = pytest.mark.needs("postgresql", "nginx")
UNITS = ("app-pages.service", "app-sockets@.service")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return made_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def deploy(
    tmp_path: Path, postgres_params: Params, authority: Certificates
) -> Iterator[Callable[[Plan], Deployment]]:
    """Runs a plan to the end of the test."""
    with ExitStack() as stack:
        yield lambda plan: stack.enter_context(deployed(plan, tmp_path, postgres_params, authority))


def call(client: ClientConnection, **message: Any) -> Any:
    client.send(json.dumps(message))
    return json.loads(client.recv(60))


def post_snippet(deployment: Deployment, title: str) -> None:
    """Write by HTTP, so in a process of gunicorn."""
    status, body = deployment.request(
        "POST", "/api/token/", {"username": "admin", "password": PASSWORD}
    )
    assert status == 200, body
    snippet = {"title": title, "code": "print(1)", "language": "python"}
    token = json.loads(body)["access"]
    status, body = deployment.request(
        "POST", "/api/snippets/", snippet, Authorization=f"JWT {token}"
    )
    assert status == 201, body


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plan", [systemd, compose])
def test_requests_socket_and_live_update_pass_through_nginx(
    plan: Callable[[], Plan], deploy: Callable[[Plan], Deployment]
) -> None:
    deployment = deploy(plan())
    status, body = deployment.request("GET", "/")
    assert (status, b"<html" in body) == (200, True)
    assert deployment.request("GET", "/static/wsrequest/client.js")[0] == 200
    assert deployment.request("GET", "/ws/?health") == (200, b"ready\n")
    with deployment.open() as client:
        first = call(client, id=1, url="/api/snippets/", subscribe=True)
        assert first["status"] == 200
        post_snippet(deployment, "By another process")
        while True:
            update = json.loads(client.recv(60))
            if "By another process" in json.dumps(update["data"]):
                break


@pytest.mark.timeout(300)
def test_restart_of_one_process_after_the_other_refuses_nobody(
    deploy: Callable[[Plan], Deployment],
) -> None:
    deployment = deploy(systemd())
    plain = replace(deployment, tls=None)
    assert plain.request("GET", "/")[0] == 301
    with deployment.open() as one, deployment.open() as other:
        clients = [one, other]  # one for each process
        for port in SOCKETS:
            deployment.stop(port)

            def is_closed(client: ClientConnection) -> bool:
                try:
                    client.recv(0.05)
                except TimeoutError:
                    return False
                except ConnectionClosed as closed:
                    assert closed.rcvd is not None and closed.rcvd.code == 4004
                return True

            def has_stopped(process: "subprocess.Popen[bytes]" = deployment.servers[port]) -> bool:
                # Meanwhile, whoever comes finds a process.
                with deployment.open() as visitor:
                    assert call(visitor, id=1, url="/api/snippets/")["status"] == 200
                return process.poll() is not None

            wait_until(has_stopped, 90)
            (lost,) = [client for client in clients if is_closed(client)]
            clients.remove(lost)
            deployment.start(port)
    assert clients == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_units(name: str, tmp_path: Path) -> None:
    path = tmp_path / name.replace("@.", "@8001.")
    path.write_text(unit(name), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(path)],
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_supervisors_wait_longer_than_a_drain_takes() -> None:
    drain = conf.SHUTDOWN_SECONDS + 2
    sockets = unit("app-sockets@.service")
    assert int(value_of(sockets, "TimeoutStopSec")) > drain
    # SIGTERM must reach the parent once, and no shell.
    assert value_of(sockets, "KillMode") == "mixed"
    assert value_of(sockets, "ExecStart").startswith(str(BIN))
    text = (DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8")
    service = yaml.safe_load(text)["services"]["sockets"]
    assert int(service["stop_grace_period"].removesuffix("s")) > drain
    assert service["command"][0] == "python"
