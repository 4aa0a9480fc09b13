"""What a fuzzer drives: the codec, the session, and a whole connection without a network.

Owns how bytes become frames, and what must hold then. It knows no fuzzer: ``fuzzing`` has
atheris call it, the suite calls it with the seeds.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.test import override_settings

from tests.unit.ledger import Ledger
from tests.unit.peer import Peer, base, make_server
from tests.unit.protocol.arrival import check_client_frame, check_server_frame
from wsrequest.connection.connection import Connection
from wsrequest.errors import Refused
from wsrequest.protocol.client_codec import decode_client
from wsrequest.protocol.session import Session
from wsrequest.request.handler import finish_thread, prepare_thread
from wsrequest.server.context import ConnectionConfig
from wsrequest.types import Frame, Limits
from wsrequest.workers.pool import WorkerPool

__all__ = ["SEPARATOR", "TARGETS", "Hub", "codec", "project", "session", "split"]

SEPARATOR = b"\n%%\n"
LIMITS = Limits(
    in_flight=2, waiting=2, message_bytes=4096, body_bytes=600, part_bytes=100, answer_bytes=2000
)
MOST_WAITING = 2 * (LIMITS.in_flight + LIMITS.waiting)
"""More replies than these in a row cut a client that does not read."""

SECONDS = 10.0
PLENTY = 2**20


def split(data: bytes) -> Iterator[Frame]:
    """Yield the frames of an input: text, or binary where the piece begins with ``b``."""
    for piece in data.split(SEPARATOR):
        if piece[:1] == b"b":
            yield piece[1:]
        else:
            yield piece[1:].decode("utf-8", "replace")


def codec(data: bytes) -> None:
    """Every frame, from either side."""
    for frame in split(data):
        check_client_frame(frame)
        check_server_frame(frame)


def session(data: bytes) -> None:
    """The session agrees with the ledger, frame by frame, when nothing is ever answered."""
    held, ledger = Session(LIMITS), Ledger(LIMITS)
    for frame in split(data):
        ledger.owed.clear()
        ledger.take(frame)
        refused = None
        try:
            held.receive(decode_client(frame, max_bytes=LIMITS.message_bytes))
        except Refused as error:
            refused = error
            if error.id is not None and error.code != "id_in_use":
                held.finish(error.id)  # as the connection does
        told = [what for what in ledger.owed if what[0] in ("refused", "in use")]
        assert bool(told) == (refused is not None), (told, refused)
        assert len(held) == len(ledger.unfinished)
        assert held.body_bytes == ledger.body_bytes


class Hub:
    """The event loop and the lane of all connections of one run."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._lane = WorkerPool(
            self._loop, threads=2, max_threads=8, prepare=prepare_thread, finish=finish_thread
        )
        self._server = make_server(self._lane)

    def connection(self, data: bytes) -> None:
        """A connection answers each frame, in whatever order, and leaves nothing behind."""
        self._runner.run(self._serve(data))

    def close(self) -> None:
        self._lane.stop()
        self._runner.close()

    async def _serve(self, data: bytes) -> None:
        peer = Peer()
        connection = Connection(peer.send, base(), None, self._server, ConnectionConfig(LIMITS))
        peer.connection, peer.pool = connection, self._lane
        peer.task = asyncio.ensure_future(connection.run(peer.receive))
        await asyncio.sleep(0)
        ledger, count = Ledger(LIMITS), 0
        for frame in split(data):
            connection.dispatcher.receive(frame)
            ledger.take(frame)
            count += 1
            if not frame or count == MOST_WAITING:  # an empty frame lets the views run, too
                await self._settle(peer, ledger)
                count = 0
        await self._settle(peer, ledger)
        peer.vanish()
        await asyncio.wait_for(peer.task, SECONDS)
        assert not connection.dispatcher._session and not connection.dispatcher._session.body_bytes
        assert not connection.dispatcher._tasks and not connection.dispatcher._waiting
        assert not connection.dispatcher._running
        assert not connection.dispatcher._send_queue.waiting_bytes and not self._lane._blocked

    async def _settle(self, peer: Peer, ledger: Ledger) -> None:
        """Give credit to all that could want it, and wait for everything that is owed."""
        for entry in ledger.unfinished:
            if entry.credit is not None and entry.id is not None:
                id = f'"{entry.id}"' if isinstance(entry.id, str) else entry.id
                peer.connection.dispatcher.receive(f'{{"id":{id},"credit":{PLENTY}}}')
        ledger.settle()
        async with asyncio.timeout(SECONDS):
            dispatcher = peer.connection.dispatcher
            while ledger.owed or dispatcher._running or dispatcher._waiting:
                for message in peer.messages:
                    ledger.came(message)
                peer.messages.clear()
                await asyncio.sleep(0)
        assert not peer.messages and peer.closed is None


@contextmanager
def project() -> Iterator[None]:
    """The settings that connections of this package are tested with; nothing is logged."""
    logging.disable(logging.CRITICAL)
    try:
        with override_settings(
            ROOT_URLCONF="tests.fuzz.views",
            MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
            SESSION_ENGINE="django.contrib.sessions.backends.cache",
            CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        ):
            yield
    finally:
        logging.disable(logging.NOTSET)


TARGETS = ("codec", "session", "connection")
