"""What is particular to Redis: sockets, TLS, passwords, Sentinel, and Cluster."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.contract.certificates import Certificates
from tests.contract.conftest import make_bus
from tests.contract.receiver import LOST, NUMBERS, Receiver, contents
from tests.ports import free_port
from tests.redis import serving_redis
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.engine import Engine, Unavailable

pytestmark = pytest.mark.needs("redis")

WAIT_SECONDS = 40.0


def engine_of(url: str) -> Engine:
    bus = make_bus(url)
    assert isinstance(bus, BrokerBus)
    return bus._engine


def goes_through(url: str, channel: str = "here") -> None:
    """Send messages through a server, and receive them."""
    engine = engine_of(url)
    with closing(engine.connect_receiver([channel])) as receiver:
        with closing(engine.connect_sender()) as sender:
            sender.send(channel, [b"one", b"two"])
        came: list[Any] = []
        deadline = time.monotonic() + WAIT_SECONDS
        while len(came) < 2 and time.monotonic() < deadline:
            came += contents(receiver.receive(0.2))
        assert came == [b"one", b"two"]


def refusal_of(url: str) -> str:
    with pytest.raises(Unavailable) as raised:
        with closing(engine_of(url).connect_receiver(["here"])):
            pass
    return str(raised.value)


def test_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with serving_redis(free_port(), "--unixsocket", str(path), "--requirepass", "p@ss"):
        goes_through(f"unix://:p%40ss@{path}?db=1")
        goes_through(f"unix://{path}?password=p%40ss")
    text = refusal_of(f"unix://:p%40ss@{path}")
    assert str(path) in text
    assert "p@ss" not in text


def test_password(tmp_path: Path) -> None:
    port = free_port()
    with serving_redis(port, "--requirepass", "p@ss/word"):
        goes_through(f"redis://:p%40ss%2Fword@127.0.0.1:{port}/1")
        goes_through(f"redis://default:p%40ss%2Fword@127.0.0.1:{port}")
        for credentials in (":secret2@", "other:p%40ss%2Fword@"):
            text = refusal_of(f"redis://{credentials}127.0.0.1:{port}")
            assert "invalid username-password pair" in text
            assert "secret2" not in text
        assert "Authentication required" in refusal_of(f"redis://127.0.0.1:{port}")


def test_role_with_the_documented_permissions() -> None:
    (rules,) = re.findall(r"has ACLs, allow `([^`]+)`", Path("docs/settings.md").read_text())
    port = free_port()
    url = f"redis://web:pw@127.0.0.1:{port}"
    with serving_redis(port), closing(Redis(port=port)) as found:
        client: Any = found
        client.execute_command("ACL", "SETUSER", "web", "on", ">pw", *rules.split())
        goes_through(url, "wsrequest")
        client.execute_command("ACL", "SETUSER", "web", "-get")
        with closing(engine_of(url).connect_sender()) as sender:
            with pytest.raises(Unavailable, match="permission|can.t run this command"):
                sender.send("wsrequest", [b"one"])


def test_database_that_the_server_does_not_have(redis_url: str) -> None:
    assert "DB index is out of range" in refusal_of(f"{redis_url.rpartition('/')[0]}/99")


def test_tls(tmp_path: Path, certificates: Certificates) -> None:
    plain, port = free_port(), free_port()
    files = {
        "--tls-ca-cert-file": certificates.authority,
        "--tls-cert-file": certificates.certificate,
        "--tls-key-file": certificates.key,
    }
    options = [word for name, path in files.items() for word in (name, str(path))]
    with serving_redis(plain, "--tls-port", str(port), "--tls-auth-clients", "no", *options):
        goes_through(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificates.authority}")
        assert "CERTIFICATE_VERIFY_FAILED" in refusal_of(f"rediss://127.0.0.1:{port}")
        refusal_of(f"redis://127.0.0.1:{port}")  # it waits for a handshake
        text = refusal_of(f"rediss://127.0.0.1:{plain}?ssl_ca_certs={certificates.authority}")
        assert text


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """The URL of a server and its replica behind a sentinel, and the pid of the server."""
    first, second, watching = free_port(), free_port(), free_port()
    config = tmp_path / "sentinel.conf"  # it writes into it
    config.write_text(
        f"sentinel monitor main 127.0.0.1 {first} 1\n"
        "sentinel auth-pass main p@ss\n"
        "sentinel down-after-milliseconds main 500\n"
        "sentinel failover-timeout main 5000\n"
    )
    password = ("--requirepass", "p@ss", "--masterauth", "p@ss")
    with ExitStack() as stack:
        pid = stack.enter_context(serving_redis(first, *password))
        stack.enter_context(serving_redis(second, *password, "--replicaof", f"127.0.0.1 {first}"))
        stack.enter_context(serving_redis(watching, "--sentinel", config=config))
        client: Any = stack.enter_context(closing(Redis(port=watching)))
        wait_for(lambda: client.sentinel_slaves("main"))
        yield f"redis+sentinel://:p%40ss@127.0.0.1:{watching}/main/1", pid


@pytest.mark.slow
def test_sentinel_names_the_server_and_its_successor(sentinel: tuple[str, int]) -> None:
    url, pid = sentinel
    goes_through(url)
    with closing(make_bus(url)) as bus, closing(make_bus(url)) as other:
        receiver = Receiver(bus)
        receiver.take_turns_until(lambda: LOST in receiver.came)
        receiver.came.clear()
        os.kill(pid, signal.SIGKILL)
        receiver.take_turns_until(lambda: LOST in receiver.came)
        number = 0
        while number not in receiver.messages:  # one that follows a loss may belong to it
            receiver.came.clear()
            number += 1
            other.publish(NUMBERS, number)
            receiver.take_until_came(1)


@pytest.mark.slow
def test_service_that_the_sentinel_does_not_know(sentinel: tuple[str, int]) -> None:
    url, _ = sentinel
    assert "No master found for 'other'" in refusal_of(url.replace("/main/1", "/other"))


@pytest.mark.slow
def test_cluster(tmp_path: Path) -> None:
    # The bus of a node has a port of its own, which is 10000 higher unless it is named.
    ports = [free_port() for _ in range(6)]
    with ExitStack() as stack:
        nodes: list[Any] = []
        for port, bus in zip(ports[:3], ports[3:], strict=True):
            options = ("--cluster-enabled", "yes", "--cluster-port", str(bus))
            stack.enter_context(serving_redis(port, *options))
            nodes.append(stack.enter_context(closing(Redis(port=port))))
        slots = 16384
        for index, node in enumerate(nodes):
            first, end = index * slots // 3, (index + 1) * slots // 3
            node.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
            if index:
                node.execute_command("CLUSTER MEET", "127.0.0.1", ports[0], ports[3])
        wait_for(lambda: all(is_ready(node) for node in nodes))
        for port in ports[:3]:
            goes_through(f"redis+cluster://127.0.0.1:{port}")
        goes_through(f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{ports[1]}")


def is_ready(node: Any) -> bool:
    state = node.execute_command("CLUSTER INFO")
    return (state["cluster_state"], state["cluster_known_nodes"]) == ("ok", "3")


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
