"""Runs the configurations of examples/deploy as they are, except for addresses and paths.

Each replaced text must occur in its file, so a change of the file is noticed here.
"""

import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import psycopg.sql
import pytest
import yaml
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_socket
from websockets.typing import Origin

from tests.acceptance.servers import ROOT, wait_until
from tests.contract.certificates import Certificates
from tests.nginx import find_nginx
from tests.ports import free_port
from tests.postgres import Params, connecting

DEPLOY = ROOT / "examples" / "deploy"
DEMO = ROOT / "demo"
BIN = Path(sys.executable).parent
PASSWORD = "a password of the tests"
SOCKETS = ("8001", "8002")
"""The ports that the files name for sockets."""


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """Return the text with each change made everywhere. Each must be possible."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the file"
        text = text.replace(old, new)
    return text


@dataclass
class Plan:
    """What one kind of deployment runs.

    Attributes:
        nginx: its configuration, which includes locations.conf beside it.
        addresses: what stands for the test's own addresses in it.
        environ: of every process of the project.
        prepare: commands that must end before the servers start.
        servers: the command of each server.
    """

    nginx: Path
    addresses: dict[str, str]
    environ: dict[str, str]
    prepare: list[list[str]]
    servers: dict[str, list[str]] = field(default_factory=dict)
    ports: dict[str, int] = field(
        default_factory=lambda: {name: free_port() for name in ("http", "https", "8000", *SOCKETS)}
    )


def unit(name: str, **changes: str) -> str:
    """Return the text of a unit, with the environment of the tests in place of /srv/app."""
    text = (DEPLOY / "systemd" / name).read_text(encoding="utf-8")
    return replaced(text, {"/srv/app/.venv/bin": str(BIN), "/srv/app": str(DEMO), **changes})


def value_of(text: str, name: str) -> str:
    """Return the value of one option of a unit."""
    (found,) = [line for line in text.splitlines() if line.startswith(f"{name}=")]
    return found.partition("=")[2]


def systemd() -> Plan:
    """The units, their environment and nginx with TLS."""
    lines = (DEPLOY / "systemd" / "environment").read_text(encoding="utf-8").splitlines()
    environ = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    plan = Plan(
        nginx=DEPLOY / "nginx" / "nginx.conf",
        addresses={f"127.0.0.1:{port}": port for port in ("8000", *SOCKETS)},
        environ=environ,
        prepare=[
            ["python", "manage.py", *command.split()]
            for command in ("migrate", "wsrequest_publication")
        ],
    )
    for name, port in (("pages", "8000"), *(("sockets@", port) for port in SOCKETS)):
        command = value_of(unit(f"app-{name}.service").replace("%i", port), "ExecStart")
        address = {f"127.0.0.1:{port}": f"127.0.0.1:{plan.ports[port]}"}
        plan.servers[port] = shlex.split(replaced(command, address))
    return plan


def compose() -> Plan:
    """The commands and the environment of the services, and nginx without TLS."""
    text = (DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    environ = {
        # "${NAME:-default}"
        name: value.rpartition(":-")[2].rstrip("}") if value.startswith("${") else value
        for name, value in services["pages"]["environment"].items()
    }
    dockerfile = (DEPLOY / "compose" / "Dockerfile").read_text(encoding="utf-8")
    assert "DJANGO_SETTINGS_MODULE=production" in dockerfile
    plan = Plan(
        nginx=DEPLOY / "compose" / "nginx.conf",
        addresses={"pages:8000": "8000", "sockets:8001": "8001"},
        environ={**environ, "DJANGO_SETTINGS_MODULE": "production"},
        prepare=[services["prepare"]["command"]],
    )
    for name, port in (("pages", "8000"), ("sockets", "8001")):
        command = services[name]["command"]
        assert f"0.0.0.0:{port}" in command
        ours = f"127.0.0.1:{plan.ports[port]}"
        plan.servers[port] = [ours if word == f"0.0.0.0:{port}" else word for word in command]
    return plan


@dataclass
class Deployment:
    """A running one."""

    plan: Plan
    tls: ssl.SSLContext | None
    run: Callable[[str, list[str]], "subprocess.Popen[bytes]"]
    servers: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start a server, and wait until it listens."""
        self.servers[name] = self.run(name, self.plan.servers[name])
        wait_until(lambda: _listens(self.plan.ports[name]), 90)

    def stop(self, name: str) -> None:
        """Send a server SIGTERM, as systemd does. It drains then."""
        self.servers[name].terminate()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.plan.ports['https' if self.tls else 'http']}"

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def request(
        self, method: str, path: str, data: Any = None, **headers: str
    ) -> tuple[int, bytes]:
        """Make one request through nginx."""
        port = int(self.host.partition(":")[2])
        connection: http.client.HTTPConnection
        if self.tls is not None:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", port, timeout=60, context=self.tls
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            body = None if data is None else json.dumps(data)
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def open(self) -> ClientConnection:
        """Open a socket through nginx, as a browser does."""
        scheme = "wss" if self.tls else "ws"
        return connect_socket(
            f"{scheme}://{self.host}/ws/",
            origin=Origin(self.origin),
            open_timeout=60,
            ssl=self.tls,
        )


@contextmanager
def deployed(
    plan: Plan, directory: Path, params: Params, certificates: Certificates
) -> Iterator[Deployment]:
    """Run everything for the length of the block.

    Args:
        plan: what to run.
        directory: an empty one, for logs and static files.
        params: of a server of PostgreSQL, in which the deployment gets a database.
        certificates: for nginx.
    """
    name = f"deploy_{plan.ports['http']}"
    with psycopg.connect(**connecting(params), autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name))
        )
    environ = {
        **os.environ,
        **plan.environ,
        "HOSTS": "127.0.0.1",
        "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join([str(DEPLOY), str(ROOT / "src")]),
        "POSTGRES": params["HOST"],
        "POSTGRES_PORT": str(params["PORT"]),
        "POSTGRES_DB": name,
        "POSTGRES_USER": params["USER"],
        "POSTGRES_PASSWORD": params["PASSWORD"],
        "STATIC_ROOT": str(directory / "static"),
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    ours = (
        "collectstatic --noinput",
        "createsuperuser --noinput --username=admin --email=admin@example.com",
    )
    for command in (*plan.prepare, *(["python", "manage.py", *each.split()] for each in ours)):
        subprocess.run(
            command, cwd=DEMO, env=environ, check=True, stdout=subprocess.DEVNULL, timeout=180
        )
    with ExitStack() as stack:

        def run(name: str, command: list[str]) -> "subprocess.Popen[bytes]":
            log = stack.enter_context((directory / f"{name}.log").open("ab"))
            process = subprocess.Popen(command, cwd=DEMO, env=environ, stdout=log, stderr=log)
            stack.callback(_end, process)
            return process

        is_secure = "ssl" in plan.nginx.read_text(encoding="utf-8")
        authority = str(certificates.authority)
        context = ssl.create_default_context(cafile=authority) if is_secure else None
        deployment = Deployment(plan, context, run)
        for name in plan.servers:
            deployment.start(name)
        run("nginx", _nginx(plan, directory, certificates))
        wait_until(lambda: _listens(plan.ports["https" if is_secure else "http"]), 90)
        yield deployment


def _nginx(plan: Plan, directory: Path, certificates: Certificates) -> list[str]:
    program = find_nginx()
    if program is None:
        missing = "nginx is missing (Debian package nginx)"
        if os.environ.get("CI") or os.environ.get("TEST_ALL"):
            pytest.fail(missing)
        pytest.skip(missing)
    changes = {old: f"127.0.0.1:{plan.ports[name]}" for old, name in plan.addresses.items()}
    changes |= {
        "listen 80;": f"listen 127.0.0.1:{plan.ports['http']};",
        "root /srv/app;": f"root {directory};",
    }
    text = plan.nginx.read_text(encoding="utf-8")
    if "ssl" in text:
        changes |= {
            "listen 443 ssl;": f"listen 127.0.0.1:{plan.ports['https']} ssl;",
            "/etc/nginx/certificate.pem": str(certificates.certificate),
            "/etc/nginx/key.pem": str(certificates.key),
        }
    # Where a user who is not root may write.
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {directory}/{kind};" for kind in kinds)
    text = replaced(text, {**changes, "http {": f"http {{ access_log off; {places}"})
    (directory / "nginx.conf").write_text(text, encoding="utf-8")
    shutil.copy(DEPLOY / "nginx" / "locations.conf", directory)
    user = "user root; " if os.geteuid() == 0 else ""  # who can read the tests' directory
    options = f"daemon off; {user}pid {directory}/nginx.pid; error_log {directory}/error.log;"
    return [program, "-p", str(directory), "-c", str(directory / "nginx.conf"), "-g", options]


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
