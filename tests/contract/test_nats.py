"""What is particular to NATS: several servers, credentials, TLS, limits, and permissions."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.contract.certificates import Certificates
from tests.contract.conftest import make_bus
from tests.contract.receiver import LOST, NUMBERS, Receiver, contents
from tests.nats import running_nats
from tests.ports import free_port
from wsrequest.bus.base import Topic
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.engine import CALL_SECONDS, Engine, Unavailable
from wsrequest.bus.nats import subject_of

pytestmark = pytest.mark.needs("nats")


def engine_of(url: str) -> Engine:
    bus = make_bus(url)
    assert isinstance(bus, BrokerBus)
    return bus._engine


def goes_through(url: str) -> None:
    """Send a message through a server, and receive it."""
    engine = engine_of(url)
    with closing(engine.connect_receiver(["here"])) as receiver:
        with closing(engine.connect_sender()) as sender:
            sender.send("here", [b"one", b"two"])
        came: list[bytes] = []
        deadline = time.monotonic() + 20
        while len(came) < 2 and time.monotonic() < deadline:
            came += contents(receiver.receive(0.2))
        assert came == [b"one", b"two"]


def refusal_of(url: str) -> str:
    with pytest.raises(Unavailable) as raised:
        engine_of(url).connect_sender()
    return str(raised.value)


@contextmanager
def configured(tmp_path: Path, text: str) -> Iterator[int]:
    path, port = tmp_path / "nats.conf", free_port()
    path.write_text(text)
    with running_nats("--config", str(path), port=port):
        yield port


@pytest.mark.parametrize(
    ("channel", "subject"),
    [
        ("shop", "shop"),
        ("shop:0f", "shop.0f"),
        ("shop.live", "shop.live"),
        ("our shop", "our%20shop"),
        ("*", "%2A"),
        (">", "%3E"),
        ("a..b", "a.%.b"),
        ("", "%"),
        ("a\r\nPUB b", "a%0D%0APUB%20b"),
        ("é", "%C3%A9"),
    ],
)
def test_subject_of_a_channel_is_valid(channel: str, subject: str) -> None:
    assert subject_of(channel) == subject


def test_first_server_that_answers_is_used(nats_url: str) -> None:
    here = nats_url.partition("//")[2]
    goes_through(f"nats://127.0.0.1:{free_port()},{here}")
    goes_through(f"nats://{here},127.0.0.1:{free_port()}")


def test_servers_that_are_down_are_all_named() -> None:
    first, second = free_port(), free_port()
    began_at = time.monotonic()
    text = refusal_of(f"nats://127.0.0.1:{first},127.0.0.1:{second}")
    assert f"127.0.0.1:{first}: " in text
    assert f"127.0.0.1:{second}: " in text
    assert "onnect" in text
    assert time.monotonic() - began_at < CALL_SECONDS + 1


def test_user_and_password(tmp_path: Path) -> None:
    with configured(tmp_path, 'authorization { user: "a b", password: "p@ss/word" }') as port:
        goes_through(f"nats://a%20b:p%40ss%2Fword@127.0.0.1:{port}")
        for credentials in ("", "a%20b:secret2@", "other:p%40ss%2Fword@"):
            text = refusal_of(f"nats://{credentials}127.0.0.1:{port}")
            assert "Authorization Violation" in text
            assert "Correct the user, password or token in WSREQUEST_BUS" in text
            assert "secret2" not in text


def test_token(tmp_path: Path) -> None:
    with configured(tmp_path, 'authorization { token: "t0ken" }') as port:
        goes_through(f"nats://t0ken@127.0.0.1:{port}")
        assert "Authorization Violation" in refusal_of(f"nats://other@127.0.0.1:{port}")


def test_tls(tmp_path: Path, certificates: Certificates) -> None:
    tls = f'tls {{ cert_file: "{certificates.certificate}", key_file: "{certificates.key}" }}'
    user = 'authorization { user: "u", password: "p" }'
    with configured(tmp_path, f"{tls}\n{user}") as port:
        goes_through(f"tls://u:p@127.0.0.1:{port}?ca_certs={certificates.authority}")
        goes_through(f"tls://u:p@localhost:{port}?ca_certs={certificates.authority}")
        text = refusal_of(f"tls://u:p@127.0.0.1:{port}")
        assert "CERTIFICATE_VERIFY_FAILED" in text
        assert "?ca_certs=" in text
        missing = tmp_path / "missing.pem"
        assert str(missing) in refusal_of(f"tls://u:p@127.0.0.1:{port}?ca_certs={missing}")


def test_server_without_tls_gets_no_password(tmp_path: Path, certificates: Certificates) -> None:
    log = tmp_path / "log"
    with configured(
        tmp_path, f'log_file: "{log}"\ntrace: true\nauthorization {{ user: u, password: p }}'
    ) as port:
        text = refusal_of(f"tls://u:p@127.0.0.1:{port}?ca_certs={certificates.authority}")
        assert "does not require TLS" in text
        assert "write nats://" in text
    assert "CONNECT" not in log.read_text()


def test_smaller_limit_of_the_server_is_kept(tmp_path: Path) -> None:
    letters: Topic[str] = Topic(
        "light", str.encode, bytes.decode, lighten=lambda letters: letters[:10]
    )
    with configured(tmp_path, "max_payload: 4096") as port:
        url = f"nats://127.0.0.1:{port}"
        with closing(make_bus(url)) as bus, closing(make_bus(url)) as other:
            receiver = Receiver(bus, letters)
            receiver.take_turns_until(lambda: LOST in receiver.came)
            receiver.came.clear()
            # The first one is made before the limit is known. It is lost, and that is noticed.
            other.publish(letters, "x" * 8192)
            receiver.take_turns_until(lambda: receiver.came)
            assert receiver.came == [LOST]
            other.publish(letters, "x" * 8192)
            receiver.take_turns_until(lambda: receiver.messages)
            assert receiver.messages == ["x" * 10]


def test_missing_permissions_are_named(tmp_path: Path) -> None:
    users = """authorization { users: [
        { user: reader, password: p, permissions: { subscribe: ">", publish: "none" } }
        { user: writer, password: p, permissions: { publish: ">", subscribe: "none" } }
        { user: both, password: p, permissions: {
            publish: ["wsrequest", "wsrequest.*"], subscribe: ["wsrequest", "wsrequest.*"] } }
    ] }"""
    with configured(tmp_path, users) as port:
        # The server may answer before it tells the error. Then the next call fails.
        reader = engine_of(f"nats://reader:p@127.0.0.1:{port}")
        with closing(reader.connect_sender()) as sender:
            with pytest.raises(Unavailable, match='permissions violation for publish to "here"'):
                for _ in range(100):
                    sender.send("here", [b"one"])
        writer = engine_of(f"nats://writer:p@127.0.0.1:{port}")
        with pytest.raises(Unavailable, match='permissions violation for subscription to "here"'):
            with closing(writer.connect_receiver(["here"])) as receiving:
                receiving.receive(10)
        with closing(make_bus(f"nats://both:p@127.0.0.1:{port}")) as bus:
            receiver = Receiver(bus)
            receiver.take_turns_until(lambda: LOST in receiver.came)
            with closing(make_bus(f"nats://both:p@127.0.0.1:{port}")) as other:
                other.publish(NUMBERS, 1)
                receiver.take_turns_until(lambda: receiver.messages)


def test_connection_that_the_server_closes_is_noticed_at_once() -> None:
    port = free_port()
    engine = engine_of(f"nats://127.0.0.1:{port}")
    with running_nats(port=port):
        sender, receiver = engine.connect_sender(), engine.connect_receiver(["here"])
    began_at = time.monotonic()
    with pytest.raises(Unavailable):
        receiver.receive(30)
    with pytest.raises(Unavailable):
        sender.send("here", [b"one"])
    assert time.monotonic() - began_at < 10
    receiver.close()
    sender.close()


async def _connect_here(url: str) -> None:
    engine_of(url).connect_sender()


def test_thread_with_an_event_loop_is_told_so(nats_url: str) -> None:
    """With gevent all threads are one."""
    with pytest.raises(Unavailable, match="does not work in a process that receives with gevent"):
        asyncio.run(_connect_here(nats_url))


def test_process_that_ends_at_once_finds_a_server_by_name(nats_url: str) -> None:
    """Looking a name up in a thread would fail, because the process begins no more threads."""
    url = nats_url.replace("127.0.0.1", "localhost")
    with closing(make_bus(nats_url)) as bus:
        receiver = Receiver(bus)
        receiver.take_turns_until(lambda: LOST in receiver.came)
        receiver.came.clear()
        program = (
            "from tests.contract.conftest import make_bus\n"
            "from tests.contract.receiver import NUMBERS\n"
            f"make_bus({url!r}).publish(NUMBERS, 7)\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True, env=dict(os.environ))
        receiver.take_turns_until(lambda: receiver.came)
        assert receiver.messages == [7]
