"""``manage.py runwebsockets``: serves the project's WebSockets from a process of their own.

It is for a project whose HTTP stays with a WSGI server. The application itself drains.
"""

import os
import signal
import sys
import threading
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from inspect import signature
from socket import socket
from types import FrameType
from typing import Any, TypeVar

import uvicorn
from django.core.management.base import BaseCommand, CommandError, CommandParser
from uvicorn.supervisors import Multiprocess

from wsrequest.asgi import get_websocket_application
from wsrequest.conf import conf
from wsrequest.faults import path_fault
from wsrequest.management.listening import Address, explain, listen, parse_address
from wsrequest.management.serving import make_config

__all__ = ["Command"]

T = TypeVar("T")

# For uvicorn's own shutdown. After the drain it can only wait for clients that do not close.
_GRACEFUL_SECONDS = 0.5


class Command(BaseCommand):
    """``manage.py runwebsockets``."""

    help = (
        "Serves the project's WebSockets, and nothing else, from a process of its own: "
        "beside a WSGI server, behind the same proxy."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "address",
            nargs="?",
            default="127.0.0.1:8001",
            metavar="ADDR:PORT",
            type=_argument(parse_address),
            help="where to listen; also PORT, [IPV6]:PORT or unix:/path (default: %(default)s)",
        )
        parser.add_argument(
            "--path", help="path of the socket (default: WSREQUEST_PATH)", type=_argument(_path)
        )
        parser.add_argument(
            "--workers",
            type=_argument(_positive),
            default=1,
            help="processes that share the address (default: %(default)s)",
        )
        parser.add_argument(
            "--forwarded-allow-ips",
            metavar="IPS",
            help=(
                "addresses or networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto "
                "are believed, separated by commas; * for all "
                "(default: $FORWARDED_ALLOW_IPS, else 127.0.0.1,::1)"
            ),
        )

        parser.add_argument(
            "--metrics-port",
            metavar="[ADDR:]PORT",
            type=_argument(_tcp_address),
            help="where Prometheus can read the metrics of all workers, on 127.0.0.1 unless ADDR "
            "is given (default: nowhere)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until a signal comes."""
        address: Address = options["address"]
        path: str | None = options["path"]
        # Even if the workers make their own, so that a fault of the project is reported once.
        application = get_websocket_application(path)
        metrics: Address | None = options["metrics_port"]
        if metrics is not None and not conf.METRICS:
            raise CommandError("--metrics-port needs WSREQUEST_METRICS = True.")
        common = {
            "forwarded_allow_ips": options["forwarded_allow_ips"],
            "timeout_graceful_shutdown": _GRACEFUL_SECONDS,
        }
        with _listening(address) as listener:
            port = 0 if address.path is not None else listener.getsockname()[1]
            self.stdout.write(f"WebSockets are at {address.url(port, application.path)}")
            if conf.BUS == "memory://" and conf.MAX_SUBSCRIPTIONS:
                self.stderr.write(
                    "WSREQUEST_BUS is memory://, so live requests show what other processes commit "
                    f"only after up to {conf.LIVE_RECHECK_SECONDS:g} seconds. If other processes "
                    "write, name a bus that reaches all of them (docs/processes.md)."
                )
            self.stdout.flush()
            if options["workers"] == 1:
                if metrics is not None:
                    self._serve_metrics(metrics)
                _serve(make_config(application, **common), listener)
                return
            factory = partial(get_websocket_application, path)
            workers = options["workers"]
            config = make_config(factory, factory=True, workers=workers, **common)
            with _sharing_metrics() if metrics is not None else nullcontext():
                supervisor = _supervisor(config, listener)
                if metrics is not None:
                    pids = partial(_pids, supervisor)
                    self._serve_metrics(metrics, pids)
                supervisor.run()

    def _serve_metrics(
        self, address: Address, pids: Callable[[], Iterable[int]] | None = None
    ) -> None:
        from wsrequest.metrics.port import serve  # needs prometheus_client

        try:
            port = serve(address.host, address.port, pids)
        except OSError as error:
            raise CommandError(f"--metrics-port: {explain(error, address)}") from error
        host = f"[{address.host}]" if ":" in address.host else address.host
        self.stdout.write(f"Metrics are at http://{host}:{port}/metrics")
        self.stdout.flush()


def _argument(read: Callable[[str], T]) -> Callable[[str], T]:
    """Let argparse show the sentence of a ValueError, which it would hide."""

    def typed(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return typed


def _path(text: str) -> str:
    fault = path_fault(text)
    if fault:
        raise ValueError(f"{text!r} {fault}")
    return text


def _tcp_address(text: str) -> Address:
    address = parse_address(text)
    if address.path is not None:
        raise ValueError(f"{text!r}: metrics need a TCP port")
    return address


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is no number of processes")
    return int(text)


@contextmanager
def _listening(address: Address) -> Iterator[socket]:
    try:
        listener = listen(address)
    except OSError as error:
        raise CommandError(explain(error, address)) from error
    try:
        yield listener
    finally:
        listener.close()
        if address.path is not None:
            with suppress(FileNotFoundError):
                os.unlink(address.path)


def _serve(config: uvicorn.Config, listener: socket) -> None:
    server = uvicorn.Server(config)

    def stop(number: int, frame: FrameType | None) -> None:
        # uvicorn raises the signal once more after its shutdown. Then only the exit is left.
        if not server.should_exit:
            # Python drops the exception if it is raised in a callback of a weak reference. Then the
            # server ends right after its start.
            server.should_exit = True
            sys.exit(0)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
    with suppress(KeyboardInterrupt):
        server.run([listener])


def _supervisor(config: uvicorn.Config, listener: socket) -> Multiprocess:
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        raise CommandError("--workers needs DJANGO_SETTINGS_MODULE, which each process reads.")
    arguments: dict[str, Any] = {"sockets": [listener]}
    if "target" in signature(Multiprocess).parameters:  # older versions of uvicorn
        arguments["target"] = uvicorn.Server(config).run
    return Multiprocess(config, **arguments)


def _pids(supervisor: Multiprocess) -> list[int]:
    found = [process.pid for process in list(supervisor.processes)]
    return [pid for pid in found if pid is not None]


def _sharing_metrics() -> AbstractContextManager[None]:
    from wsrequest.metrics.port import shared_directory  # needs prometheus_client

    return shared_directory()
