"""The open sockets of the process, found from any thread while others open and close."""

import sys
import threading
import weakref
from collections.abc import Iterator

import pytest

from tests.unit.fixtures import _project as _project
from wsrequest.bus.logouts import Logout
from wsrequest.server import connections


class FakeSocket:
    def __init__(self, session_key: str | None = "s-any") -> None:
        self.connection_id, self.session_key = str(id(self)), session_key
        self.closed: tuple[int, str] | None = None
        self.is_logged_out = False

    def close_soon(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def logged_out_soon(self) -> None:
        self.is_logged_out = True


@pytest.fixture
def _often() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_a_socket_is_found_until_it_is_discarded() -> None:
    socket = FakeSocket()
    connections.add(socket)
    assert socket in connections.open_sockets()
    connections.discard(socket)
    connections.discard(socket)
    assert socket not in connections.open_sockets()


def test_a_socket_is_not_kept_alive() -> None:
    socket = FakeSocket()
    reference = weakref.ref(socket)
    connections.add(socket)
    del socket
    assert reference() is None


def test_close_sockets_closes_those_of_the_session() -> None:
    mine, kept, foreign, anonymous = (FakeSocket(key) for key in ("s-one", "s-one", "s-two", None))
    for socket in (mine, kept, foreign, anonymous):
        connections.add(socket)
    assert connections.close_sockets("s-one", except_connection_id=kept.connection_id) == 1
    assert mine.closed is not None and mine.closed[0] == 4003
    assert kept.closed is foreign.closed is anonymous.closed is None
    assert [socket.is_logged_out for socket in (mine, kept, foreign, anonymous)] == [
        False, True, False, False
    ]  # fmt: skip


def test_session_that_ended_elsewhere_closes_its_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    announced: list[Logout] = []
    monkeypatch.setattr(connections, "_announce", announced.append)
    mine, kept, foreign, anonymous = (FakeSocket(key) for key in ("s-one", "s-one", "s-two", None))
    connections.close_sockets("s-one", except_connection_id=kept.connection_id)
    (logout,) = announced
    for socket in (mine, kept, foreign, anonymous):
        connections.add(socket)
    connections.session_ended_elsewhere(logout)
    assert mine.closed is None  # this process has done it already
    connections.session_ended_elsewhere(Logout(logout.session, kept.connection_id, "another"))
    assert mine.closed is not None and mine.closed[0] == 4003
    assert kept.closed is foreign.closed is anonymous.closed is None
    assert kept.is_logged_out and not foreign.is_logged_out


@pytest.mark.usefixtures("_often")
def test_sockets_are_found_in_one_thread_while_others_open_in_another() -> None:
    """A logout looks for them in a worker thread; the event loop opens and closes them."""
    kept = [FakeSocket() for _ in range(200)]
    for socket in kept:
        connections.add(socket)
    stop = threading.Event()

    def open_and_close() -> None:
        while not stop.is_set():
            for socket in [FakeSocket() for _ in range(50)]:
                connections.add(socket)
                connections.discard(socket)

    other = threading.Thread(target=open_and_close)
    other.start()
    try:
        for _ in range(300):
            assert set(kept) <= set(connections.open_sockets())
    finally:
        stop.set()
        other.join()
        for socket in kept:
            connections.discard(socket)
