"""An event of any process comes to the clients of all others, in the order of its sender."""

import json
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server
from tests.acceptance.test_live import add_note, subscribe
from tests.contract.conftest import BROKERS
from tests.processes.conftest import Site, on_one_broker

pytestmark = [pytest.mark.once, pytest.mark.timeout(240)]


def joins(client: Client, room: str, **members: Any) -> tuple[Any, dict[str, Any]]:
    """Join a room; return the id, and what is said of the room."""
    id = subscribe(client, f"/room/{room}/", events=["room"], **members)
    while True:
        head = client.receive_for(id, 90).head
        if "rooms" in head:
            return id, head["rooms"][0]


def event(client: Client) -> dict[str, Any]:
    """Wait for the next event.

    A server that begins to hear others when its first client has already joined tells it that
    events may be lost. That is so, but none was sent yet.
    """
    while True:
        head = client.receive(90).head
        if "event" in head:
            return head


def send_by_http(server: Server, room: str, name: str, data: Any = None) -> None:
    body = json.dumps({"event": name, "data": data}).encode()
    page = server.http("POST", f"/room/{room}/", body, {"Content-Type": "application/json"})
    assert page.status == 204, page


def test_processes_beside_wsgi(site: Site) -> None:
    """gunicorn and ``manage.py shell`` send; the clients of ``runwebsockets`` get it in order."""
    sockets, http, room = site.runwebsockets(), site.serve("gunicorn"), uuid4().hex
    with connect(sockets, subprotocol=None) as client:
        joins(client, room)
        send_by_http(http, room, "from-wsgi", {"text": "é"})
        assert event(client)["data"] == {"text": "é"}
        site.shell(
            "from wsrequest import push\n"
            f"for number in range(20): push.send({room!r}, 'from-shell', number)"
        )
        assert [event(client)["data"] for _ in range(20)] == list(range(20))


def test_workers_of_one_server(site: Site) -> None:
    server, room = site.serve("uvicorn-3"), uuid4().hex
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(6)]
        for client in clients:
            joins(client, room)
        for number in range(3):
            send_by_http(server, room, "typing", number)
            assert {event(client)["data"] for client in clients} == {number}


@on_one_broker
def test_transaction_of_a_shell_that_rolls_back(site: Site) -> None:
    sockets, room = site.runwebsockets(), uuid4().hex
    with connect(sockets, subprotocol=None) as client:
        joins(client, room)
        site.shell(
            "from django.db import transaction\n"
            "from wsrequest import push\n"
            "try:\n"
            "    with transaction.atomic():\n"
            f"        push.send({room!r}, 'never')\n"
            "        raise ZeroDivisionError\n"
            "except ZeroDivisionError:\n"
            f"    push.send({room!r}, 'sent')"
        )
        assert event(client)["event"] == "sent"


@on_one_broker
def test_lost_permission_leaves_the_room_in_every_process(site: Site) -> None:
    one, other, room = site.runwebsockets(), site.runwebsockets(), uuid4().hex
    with connect(one) as writer, connect(other) as client:
        id, _ = joins(client, room)
        add_note(writer, f"{room} is closed")
        assert client.receive_for(id, 90).head["status"] == 403
        site.shell(f"from wsrequest import push; push.send({room!r}, 'secret')")
        joins(client, "open")
        site.shell("from wsrequest import push; push.send('open', 'next')")
        assert event(client)["event"] == "next"


KEEPING = [broker for broker in BROKERS if broker.values != ("nats",)]


@pytest.mark.parametrize("site", KEEPING, indirect=True)
def test_history_outlives_all_processes(site: Site) -> None:
    site.settings["PUSH_SHARED_HISTORY_BYTES"] = 2**20
    room = uuid4().hex
    with site.serving_for_a_while() as first, connect(first, subprotocol=None) as client:
        joins(client, room)
        _, other = joins(client, "quiet")
        site.shell(f"from wsrequest import push; push.send({room!r}, 'one')")
        held = {room: event(client)["position"], "quiet": other["position"]}
    site.shell(
        "from wsrequest import push\n"
        f"for number in range(5): push.send({room!r}, 'missing', number)"
    )
    second = site.runwebsockets()
    with connect(second, subprotocol=None) as client:
        _, found = joins(client, room, since=held)
        assert not found.get("missed")
        assert [event(client)["data"] for _ in range(5)] == list(range(5))
        quiet = joins(client, "quiet", since=held)[1]
        assert not quiet.get("missed"), (held, found, quiet)
        # And what it cannot know is said.
        assert joins(client, "unknown", since={"unknown": "another:1"})[1]["missed"]
        site.shell(f"from wsrequest import push; push.send({room!r}, 'later')")
        assert event(client)["event"] == "later"


@pytest.mark.parametrize("site", KEEPING, indirect=True)
def test_without_shared_history_the_loss_is_told(site: Site) -> None:
    room = uuid4().hex
    with site.serving_for_a_while() as first, connect(first, subprotocol=None) as client:
        joins(client, room)
        site.shell(f"from wsrequest import push; push.send({room!r}, 'one')")
        held = {room: event(client)["position"]}
    with connect(site.runwebsockets(), subprotocol=None) as client:
        assert joins(client, room, since=held)[1]["missed"]
