"""NATS as a broker, by its core messages. They pass through it, and it stores nothing.

nats-py needs an event loop. Each connection has one of its own, which runs only during the calls of
its thread. So no thread is added, and a process that forks has no running loop to share.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import quote

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from wsrequest.bus.engine import CALL_SECONDS, Unavailable

__all__ = ["NatsEngine", "NatsOptions", "subject_of"]

T = TypeVar("T")

# Shorter than the longest call, because a connection that fails must be closed, too.
_CALL_SECONDS = CALL_SECONDS * 0.8
_CLOSE_SECONDS = CALL_SECONDS * 0.1


@dataclass(frozen=True)
class NatsOptions:
    """How to connect.

    Attributes:
        hosts: servers of one cluster.
        is_tls: whether a server without TLS is refused.
        user: with a password. Or None.
        password: of the user.
        token: instead of a user. Or None.
        ca_certs: the path of the authorities that may have signed the server's certificate. None
            stands for those of the system.
        certfile: the path of this client's certificate. Or None.
        keyfile: the path of its key, if it is not in the same file.
    """

    hosts: Sequence[tuple[str, int]]
    is_tls: bool = False
    user: str | None = None
    password: str | None = None
    token: str | None = None
    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None


class NatsEngine:
    """An ``Engine`` for NATS.

    Args:
        address: names the servers in logs.
        options: how to connect.
    """

    max_message_bytes = 2**20  # NATS's own default. A server that takes less says so

    def __init__(self, address: str, options: NatsOptions) -> None:
        self.address, self._options = address, options
        self._first = 0  # the host that answered last

    def connect_sender(self) -> "_Sender":
        """See ``Engine.connect_sender``."""
        connection = self._connect()
        self.max_message_bytes = min(self.max_message_bytes, connection.client.max_payload)
        return _Sender(connection)

    def connect_receiver(self, channels: Sequence[str]) -> "_Receiver":
        """See ``Engine.connect_receiver``."""
        connection = self._connect()
        try:
            return _Receiver(connection, channels)
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> "_Connection":
        hosts = self._options.hosts
        deadline, failures = monotonic() + _CALL_SECONDS, []
        for tried in range(len(hosts)):
            index = (self._first + tried) % len(hosts)
            seconds = (deadline - monotonic()) / (len(hosts) - tried)
            connection = _Connection()
            try:
                connection.open(hosts[index], self._options, seconds)
            except BaseException as error:
                connection.close()
                if not isinstance(error, Unavailable):
                    raise
                failures.append(str(error))
            else:
                self._first = index
                return connection
        raise Unavailable("; ".join(dict.fromkeys(failures)))


class _Loop(asyncio.SelectorEventLoop):
    """An event loop for one connection. Only ``_Connection.close`` closes it."""

    def __init__(self) -> None:
        super().__init__()
        self.transports: list[asyncio.BaseTransport] = []

    def __del__(self) -> None:
        """Do nothing. In a forked process, closing it would take events from the parent."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        # Here, and not in a thread: a process that ends can begin none.
        return socket.getaddrinfo(host, port, **options)

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        made = await super().create_connection(*arguments, **options)
        self.transports.append(made[0])
        return made


class _Connection:
    """A client and its loop."""

    def __init__(self) -> None:
        self.client = Client()
        self._loop = _Loop()
        self.broken: asyncio.Future[str] = self._loop.create_future()
        self._error = ""

    def open(self, host: tuple[str, int], options: NatsOptions, seconds: float) -> None:
        """Connect to one server.

        Raises:
            Unavailable: it does not work.
        """
        scheme = "tls" if options.is_tls else "nats"
        name = f"[{host[0]}]" if ":" in host[0] else host[0]

        async def connect() -> None:
            await self.client.connect(
                f"{scheme}://{name}:{host[1]}",
                error_cb=self._on_error,
                closed_cb=self._on_close,
                name="wsrequest",
                allow_reconnect=False,  # BrokerBus connects again, and knows of the gap
                connect_timeout=seconds,  # type: ignore[arg-type]  # it takes fractions
                reconnect_time_wait=0,
                max_reconnect_attempts=1,
                tls=_tls_of(options),
                tls_hostname=host[0],
                **self._credentials(options),
            )
            self._require_tls(options)

        try:
            self.run(connect(), seconds)
        except Unavailable as error:
            # It says that no server is left. What it reported before is the reason.
            raise Unavailable(f"{host[0]}:{host[1]}: {self._error or error}") from error

    def _credentials(self, options: NatsOptions) -> dict[str, Any]:
        """Return the credentials as functions, which are called when they are sent."""

        def checked(value: str) -> Any:
            def credential() -> str:
                self._require_tls(options)
                return value

            return credential

        named = {"user": options.user, "password": options.password, "token": options.token}
        return {name: checked(value) for name, value in named.items() if value is not None}

    def _require_tls(self, options: NatsOptions) -> None:
        # nats-py goes on without TLS if the server does not ask for it.
        if options.is_tls and not self.client._server_info.get("tls_required"):
            self._error = (
                "the server does not require TLS, so nothing was sent to it. Turn TLS on there, or "
                "write nats:// instead of tls://"
            )
            raise Unavailable(self._error)

    def run(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run a coroutine until it ends, the connection breaks, or time is up.

        Raises:
            Unavailable: it failed.
        """
        if _is_in_a_loop():
            work.close()
            raise Unavailable(
                "another event loop runs in this thread. nats-py does not work in a process that "
                "receives with gevent's threads: take another bus"
            )
        try:
            return self._loop.run_until_complete(self._guarded(work, seconds))
        except (errors.Error, OSError, ValueError) as error:
            raise Unavailable(_text_of(error)) from error

    async def _guarded(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        task = self._loop.create_task(work)
        try:
            both: set[asyncio.Future[Any]] = {task, self.broken}
            await asyncio.wait(both, timeout=seconds, return_when="FIRST_COMPLETED")
            if self.broken.done():
                raise Unavailable(self.broken.result())
            if not task.done():
                raise Unavailable("it does not answer in time")
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=_CLOSE_SECONDS)

    async def _on_error(self, error: Exception) -> None:
        self._error = _text_of(error)
        if self.client.is_connected:  # otherwise connecting fails, or it is closed
            self._break(self._error)

    async def _on_close(self) -> None:
        error = self.client.last_error
        self._break(_text_of(error) if error else "it has closed the connection")

    def _break(self, text: str) -> None:
        if not self.broken.done():
            self.broken.set_result(text)

    def close(self) -> None:
        """Close the connection. Raises nothing."""
        loop = self._loop
        if loop.is_closed():
            return
        if not _is_in_a_loop():
            with suppress(Exception):
                loop.run_until_complete(asyncio.wait_for(self.client.close(), _CLOSE_SECONDS))
            with suppress(Exception):
                loop.run_until_complete(self._clear())
        loop.close()

    async def _clear(self) -> None:
        for transport in self._loop.transports:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_SECONDS)
        await asyncio.sleep(0)  # the transports close in the next turn


class _Sender:
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def send(self, channel: str, messages: Sequence[bytes]) -> None:
        """See ``Sender.send``."""
        self._connection.run(self._send(subject_of(channel), messages), _CALL_SECONDS)

    async def _send(self, subject: str, messages: Sequence[bytes]) -> None:
        client = self._connection.client
        for message in messages:
            # One that was made before the limit was known is left out. Its number is missing then.
            if len(message) <= client.max_payload:
                await client.publish(subject, message)
        await client.flush(10)  # the server has read all of it

    def close(self) -> None:
        """See ``Sender.close``."""
        self._connection.close()


class _Receiver:
    def __init__(self, connection: _Connection, channels: Sequence[str]) -> None:
        self._connection = connection
        self._arrived: list[bytes] = []
        self._has_arrived = asyncio.Event()
        connection.run(self._subscribe(map(subject_of, channels)), _CALL_SECONDS)

    async def _subscribe(self, subjects: "map[str]") -> None:
        for subject in subjects:
            await self._connection.client.subscribe(subject, cb=self._take)
        await self._connection.client.flush(10)  # the server knows the subscriptions

    async def _take(self, message: Msg) -> None:
        self._arrived.append(message.data)
        self._has_arrived.set()

    def receive(self, seconds: float) -> Sequence[bytes]:
        """See ``Receiver.receive``."""
        try:
            self._connection.run(self._wait(seconds), seconds + CALL_SECONDS)
        except Unavailable:
            if not self._arrived:
                raise
        found, self._arrived = self._arrived, []
        self._has_arrived.clear()
        return found

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_arrived.wait(), seconds)

    def close(self) -> None:
        """See ``Receiver.close``."""
        self._connection.close()


def subject_of(channel: str) -> str:
    """Return the subject of a channel. A colon separates tokens, so that wildcards match them."""
    tokens = re.split(r"[.:]", channel)
    # Empty tokens, white space and wildcards are not allowed.
    return ".".join(quote(token, safe="") or "%" for token in tokens)


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _tls_of(options: NatsOptions) -> ssl.SSLContext | None:
    if not (options.is_tls or options.ca_certs or options.certfile):
        return None  # nats-py makes one, should the server ask for TLS
    try:
        context = ssl.create_default_context(cafile=options.ca_certs)
        if options.certfile:
            context.load_cert_chain(options.certfile, options.keyfile)
    except OSError as error:  # it does not say which file
        paths = (options.ca_certs, options.certfile, options.keyfile)
        named = ", ".join(path for path in paths if path)
        raise Unavailable(f"TLS cannot use the files {named}: {_text_of(error)}") from error
    return context


def _text_of(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, errors.AuthorizationError) or "uthoriz" in text:
        return f"{text}. Correct the user, password or token in WSREQUEST_BUS"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{text}. Name the authority that signed the certificate with ?ca_certs=PATH"
    return text
