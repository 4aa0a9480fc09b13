"""Who is in a room, over processes that are killed, frozen and ended, and a bus that restarts."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import manage
from tests.contract.conftest import BROKERS, SERVICES
from tests.contract.servers import SERVERS, Serve, frozen
from tests.contract.servers import Server as Broker
from tests.postgres import Params, made_cluster
from tests.processes.conftest import Site, on_one_broker

pytestmark = [pytest.mark.once, pytest.mark.timeout(240)]

# The machine may be slow. Without faults, it takes 5 seconds.
SETTLE_SECONDS = 60.0


class Watcher:
    """A client that follows the members of a room by its frames.

    Attributes:
        members: the ids of those who are there.
    """

    def __init__(self, client: Client, room: str, member: str | None = None) -> None:
        self.client, self._room = client, room
        self.members: set[str] = set()
        query = "" if member is None else f"?member={member}"
        self.id = client.send("GET", f"/room/{room}/{query}", subscribe=True, events=["room"])
        while "rooms" not in self._take(SETTLE_SECONDS):
            pass

    def until(self, *expected: str) -> None:
        """Follow until exactly these are there."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.members != set(expected):
            self._take(max(0.0, deadline - time.monotonic()))

    def stays(self, seconds: float) -> None:
        """Follow for some time, in which nobody may join or leave."""
        before, deadline = set(self.members), time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self._take(deadline - time.monotonic())
            except TimeoutError:
                break
            assert self.members == before

    def _take(self, seconds: float) -> dict[str, Any]:
        head = self.client.receive(seconds).head
        for room in head.get("rooms", ()):
            listed = [member["id"] for member in room.get("members", ())]
            assert len(listed) == len(set(listed)), "a member is there twice"
            self.members = set(listed)
        if head.get("presence") == self._room:
            self.members |= {member["id"] for member in head.get("joined", ())}
            self.members -= set(head.get("left", ()))
        return head


def members_in_a_shell(site: Site, room: str) -> list[str]:
    code = f"from wsrequest import push; print([m.id for m in push.members({room!r})])"
    found: list[str] = json.loads(site.shell(code).strip().splitlines()[-1].replace("'", '"'))
    return found


def test_members_of_all_processes_are_known_in_all(site: Site) -> None:
    one, other, room = site.runwebsockets(), site.runwebsockets(), uuid4().hex
    with connect(one) as first, connect(other) as second, connect(other) as third:
        ada, bob = Watcher(first, room, "ada"), Watcher(second, room, "bob")
        for watcher in (ada, bob):
            watcher.until("ada", "bob")
        Watcher(third, room, "ada")  # another tab, on another process
        assert members_in_a_shell(site, room) == ["ada", "bob"]
        first.send_frame(id=ada.id, cancel=True)
        bob.stays(4.0)
        third.socket.close()
        bob.until("bob")
    assert members_in_a_shell(site, room) == []


def test_members_of_a_killed_process_leave(site: Site) -> None:
    one, other, room = site.runwebsockets(), site.runwebsockets(), uuid4().hex
    with connect(other) as client:
        watcher = Watcher(client, room, "bob")
        with connect(one) as lost:
            Watcher(lost, room, "ada")
            watcher.until("ada", "bob")
            os.kill(one.process.pid, signal.SIGKILL)
            watcher.until("bob")


def test_members_of_a_frozen_process_leave_and_come_back(site: Site) -> None:
    one, other, room = site.runwebsockets(), site.runwebsockets(), uuid4().hex
    with connect(one) as first, connect(other) as second:
        ada, bob = Watcher(first, room, "ada"), Watcher(second, room, "bob")
        bob.until("ada", "bob")
        with frozen(one.process.pid):
            bob.until("bob")
        bob.until("ada", "bob")
        ada.until("ada", "bob")
        ada.stays(6.0)


@on_one_broker
def test_members_of_a_process_that_ends_leave(site: Site) -> None:
    one, other, room = site.runwebsockets(), site.runwebsockets(), uuid4().hex
    with connect(one) as first, connect(other) as second:
        Watcher(first, room, "ada")
        bob = Watcher(second, room, "bob")
        bob.until("ada", "bob")
        one.stop()
        bob.until("bob")


@on_one_broker
def test_page_that_is_loaded_again_by_another_process_has_not_left(site: Site) -> None:
    one, other, room = site.runwebsockets(), site.runwebsockets(), uuid4().hex
    with connect(other) as second:
        bob = Watcher(second, room, "bob")
        with connect(one) as first:
            Watcher(first, room, "ada")
            bob.until("ada", "bob")
        with connect(other) as again:
            Watcher(again, room, "ada")
            bob.stays(4.0)


@on_one_broker
def test_members_of_a_killed_worker_leave(site: Site) -> None:
    """The server starts another worker in its place, which learns who is there."""
    server, room = site.serve("uvicorn-3"), uuid4().hex
    watchers: dict[str, Watcher] = {}
    with ExitStack() as stack:
        for number in range(8):
            client = stack.enter_context(connect(server))
            watchers[str(number)] = Watcher(client, room, str(number))
        for watcher in watchers.values():
            watcher.until(*watchers)
        workers = server.pids()[1:]
        os.kill(workers[-1], signal.SIGKILL)
        left: dict[str, Watcher] = {}
        for name, watcher in watchers.items():
            with suppress(ConnectionClosed):
                watcher.client.request("GET", "/ready/")
                left[name] = watcher
        for watcher in left.values():
            watcher.until(*left)
        with connect(server) as client:
            watcher = Watcher(client, room)
            watcher.until(*left)


@pytest.fixture(params=BROKERS)
def restartable(
    request: pytest.FixtureRequest, project_data: Path, tmp_path: Path
) -> Iterator[tuple[Site, Broker]]:
    """A site, and the server of its bus. If that is PostgreSQL, it is the site's database, too."""
    kind, data = request.param, tmp_path / "data"
    shutil.copytree(project_data, data)
    with ExitStack() as stack:
        if SERVICES.get(kind) != "postgresql":
            broker = _started(stack, stack.enter_context(SERVERS[kind]()))
            yield Site(data, broker.url, stack), broker
            return
        cluster, params = stack.enter_context(made_cluster()), list[Params]()

        @contextmanager
        def serve(port: int) -> Iterator[tuple[str, int]]:
            with cluster.serve(port) as found:
                params.append(found)
                yield "", cluster.pid

        broker = _started(stack, serve)
        site = Site(data, f"postgresql+{kind}://default", stack, params[0])
        if kind == "log":
            manage(data, "wsrequest_publication", **site.environ)
        yield site, broker


def _started(stack: ExitStack, serve: Serve) -> Broker:
    broker = Broker(serve)
    broker.start()
    stack.callback(broker.close)
    return broker


def test_members_are_right_after_a_restart_of_the_bus(restartable: tuple[Site, Broker]) -> None:
    site, broker = restartable
    one, other, room = site.runwebsockets(), site.runwebsockets(), uuid4().hex
    with connect(one) as first, connect(other) as second:
        ada, bob = Watcher(first, room, "ada"), Watcher(second, room, "bob")
        for watcher in (ada, bob):
            watcher.until("ada", "bob")
        broker.kill()
        if site.postgres is None:  # the view needs no broker: nobody leaves
            bob.stays(8.0)
            with connect(one) as third:
                Watcher(third, room, "cyd")
        broker.start()
        with connect(one) as third:
            Watcher(third, room, "dot")
            for watcher in (ada, bob):
                watcher.until("ada", "bob", "dot")
