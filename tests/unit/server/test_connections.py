"""The open sockets of the process, found from any thread while others open and close."""

import sys
import threading
import weakref
from collections.abc import Iterator

import pytest

from tests.unit.fixtures import _project as _project
from wsrequest.bus.logouts import Logout, session_digest
from wsrequest.server import connections


class FakeSocket:
    def __init__(self, session_key: str | None = "s-any") -> None:
        self.connection_id, self.session_key = str(id(self)), session_key
        self.closed: tuple[int, str] | None = None
        self.is_logged_out = False
        self.hidden_keys: list[str] = []

    @property
    def session_keys(self) -> list[str]:
        return [*self.hidden_keys, *([] if self.session_key is None else [self.session_key])]

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


class Watched(FakeSocket):
    """One whose session is not asked for any more."""

    @property
    def session_keys(self) -> list[str]:
        return ["s-watched"]

    @property
    def session_key(self) -> str | None:
        raise AssertionError("looked at")

    @session_key.setter
    def session_key(self, key: str | None) -> None:
        pass


def test_a_logout_looks_at_the_sockets_of_its_session_only() -> None:
    mine, others = FakeSocket("s-one"), [Watched() for _ in range(10)]
    for socket in (mine, *others):
        connections.add(socket)
    assert connections.close_sockets("s-one") == 1
    connections.session_ended_elsewhere(Logout(session_digest("s-one"), None, "another"))


def test_a_socket_is_found_by_the_session_that_it_has_now() -> None:
    socket = FakeSocket("s-before")
    connections.add(socket)
    socket.session_key = "s-after"
    connections.session_changed(socket)
    assert connections.close_sockets("s-before") == 0
    assert connections.close_sockets("s-after") == 1
    socket.session_key = None
    connections.session_changed(socket)
    assert connections.close_sockets("s-after") == 0


def test_a_session_whose_cookie_was_hidden_until_another_ended() -> None:
    socket = FakeSocket("s-now")
    socket.hidden_keys = ["s-later"]
    connections.add(socket)
    assert connections.close_sockets("s-later") == 0
    socket.session_key = "s-later"  # no response has changed the cookies
    assert connections.close_sockets("s-later") == 1


def test_a_socket_that_has_ended_is_not_found_again_and_leaves_nothing() -> None:
    before = dict(connections._by_session)
    socket = FakeSocket("s-gone")
    connections.add(socket)
    other = FakeSocket("s-gone")
    connections.add(other)
    del other  # without a word
    connections.discard(socket)
    connections.session_changed(socket)
    assert connections.close_sockets("s-gone") == 0
    assert connections._by_session == before


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
