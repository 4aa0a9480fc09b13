"""What clients leave unread counts in the budget of the process, and yields to what others need."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.peer import Peer, base, connected, make_server, pool_open
from wsrequest.connection.connection import Connection
from wsrequest.connection.dispatcher import SLOW_READER
from wsrequest.connection.send_queue import _UNSEEN_BYTES, SendQueue
from wsrequest.connection.unread import Unread
from wsrequest.errors import Refused
from wsrequest.request.budget import Account, Budget
from wsrequest.server.context import ConnectionConfig, ServerContext
from wsrequest.types import Limits

LIMITS = Limits(process_bytes=8000)  # 1,000 for an address, 2,000 in all


class Client:
    """One that leaves what a test says."""

    def __init__(self, budget: Budget, address: str) -> None:
        self.is_cut = False
        self.unread = Unread(budget, base(address=address), LIMITS, self.cut)

    def cut(self) -> None:
        self.is_cut = True
        self.unread.in_send_queue(0)  # as the outbox does that is discarded


def account_of(client: Client) -> Account:
    return client.unread._account


def test_what_waits_counts_until_it_is_read() -> None:
    budget = Budget()
    one, other = Client(budget, "203.0.113.1"), Client(budget, "203.0.113.2")
    one.unread.in_send_queue(300)
    one.unread.in_server(100)
    other.unread.in_send_queue(50)
    assert (account_of(one).unread_bytes, budget.unread_bytes, budget.held_bytes) == (400, 450, 450)
    one.unread.in_send_queue(200)
    assert budget.held_bytes == 350 and list(budget.unread.values()) == [50, 300]
    one.unread.in_send_queue(0)
    one.unread.in_server(0)
    other.unread.in_send_queue(0)
    assert not budget.held_bytes and not budget.unread and not account_of(one)._unread


def test_of_an_address_those_are_cut_who_have_not_read_for_longest() -> None:
    budget = Budget()
    clients = [Client(budget, "203.0.113.1") for _ in range(4)]
    other = Client(budget, "203.0.113.2")
    for client in (other, *clients[:3]):
        client.unread.in_send_queue(300)
    clients[0].unread.in_send_queue(0)
    clients[0].unread.in_send_queue(300)  # it has read meanwhile
    clients[3].unread.in_send_queue(600)
    assert [client.is_cut for client in clients] == [False, True, True, False]
    assert not other.is_cut and account_of(clients[0]).unread_bytes == 900
    clients[1].unread.in_server(500)  # what its server still holds is on the way out
    assert account_of(clients[0]).unread_bytes == 900


def test_of_all_addresses_those_are_cut_who_have_not_read_for_longest() -> None:
    """A visitor who read all the time was cut because others read nothing: it had the most."""
    budget = Budget()
    identity, *silent = (Client(budget, f"203.0.113.{n}") for n in range(9))
    identity.unread.in_send_queue(900)
    for client in silent[:5]:
        client.unread.in_send_queue(200)
    for client in silent[5:]:
        identity.unread.in_send_queue(500)
        identity.unread.in_send_queue(900)  # it has read, and has more to read
        client.unread.in_send_queue(200)
    assert [client.is_cut for client in silent] == 3 * [True] + 5 * [False]
    assert not identity.is_cut and budget.unread_bytes == 900 + 5 * 200


@pytest.mark.parametrize(
    ("addresses", "count"), [(("x", "x", "x"), 500), (("x", "y", "z"), 1500)], ids=["one", "all"]
)
def test_who_has_read_a_part_is_cut_after_those_who_have_not(
    addresses: tuple[str, ...], count: int
) -> None:
    budget = Budget()
    slow, silent, last = (Client(budget, address) for address in addresses)
    slow.unread.in_send_queue(500)
    silent.unread.in_send_queue(400)
    slow.unread.in_send_queue(400)
    slow.unread.in_send_queue(410)
    last.unread.in_send_queue(count)
    assert [client.is_cut for client in (slow, silent, last)] == [False, True, False]


class Counting(dict[Any, int]):
    """Counts the clients that somebody looks at."""

    looks = 0

    def __iter__(self) -> Iterator[Any]:
        for each in super().__iter__():
            self.looks += 1
            yield each


def test_each_client_that_is_cut_is_looked_at_once() -> None:
    """With 2,000 clients, one report had looked at each of them for each that it cut: 2 s."""
    budget = Budget()
    budget.unread = Counting()
    clients = [Client(budget, f"203.0.113.{n}") for n in range(200)]
    for client in clients:
        client.unread.in_send_queue(10)
    assert budget.unread.looks == 0
    Client(budget, "198.51.100.1").unread.in_send_queue(1995)
    assert all(client.is_cut for client in clients)
    assert budget.unread.looks == 200


Need = Callable[[Budget], object]

NEEDS = [
    pytest.param(lambda budget: budget.take(100, LIMITS.process_bytes, 1), id="request"),
    pytest.param(lambda budget: budget.account_of("x").take(100, LIMITS), id="live"),
    pytest.param(lambda budget: budget.account_of("x").spare(100, LIMITS), id="reads"),
]


@pytest.mark.parametrize("need", NEEDS)
def test_what_nobody_reads_gives_way_to_requests(need: Need) -> None:
    """One connection that read nothing had everybody refused for 24 s: nobody cut the only one."""
    budget = Budget()
    only = Client(budget, "203.0.113.1")
    only.unread.in_send_queue(7900)
    need(budget)
    assert not only.is_cut and budget.held_bytes == 8000
    need(budget)
    assert only.is_cut and budget.held_bytes == 200 and not budget.unread


def test_no_more_are_cut_than_a_request_needs() -> None:
    budget = Budget()
    clients = [Client(budget, f"203.0.113.{n}") for n in range(4)]
    for client in clients:
        client.unread.in_send_queue(500)
    clients[0].unread.in_send_queue(490)
    budget.take(6700, LIMITS.process_bytes, 1)
    assert [client.is_cut for client in clients] == [False, True, True, False]
    with pytest.raises(Refused):
        budget.take(1301, LIMITS.process_bytes, 2)  # not even without them
    assert not clients[0].is_cut and not clients[3].is_cut


def test_one_answer_may_be_larger_than_all_that_may_wait() -> None:
    budget = Budget()
    client, other = Client(budget, "203.0.113.1"), Client(budget, "203.0.113.1")
    client.unread.in_send_queue(50_000)
    assert not client.is_cut
    other.unread.in_send_queue(10)
    assert client.is_cut and not other.is_cut


@pytest.mark.asyncio
async def test_an_outbox_tells_what_waits_beyond_what_any_may_leave() -> None:
    told: list[int] = []
    go = asyncio.Event()

    async def send(event: Any) -> None:
        await go.wait()

    send_queue = SendQueue(send, 10**6, lambda: None, lambda since: None, on_waiting=told.append)
    send_queue.put(b"x" * _UNSEEN_BYTES)
    assert told == []
    send_queue.put(b"x" * 1000)
    send_queue.put("\u00e9" * 1000)
    assert told == [1000, 3000]
    go.set()
    await send_queue.flush()
    assert told == [1000, 3000, 0]
    go.clear()
    send_queue.put(b"x" * (_UNSEEN_BYTES + 1))
    await asyncio.sleep(0)
    send_queue.discard()
    send_queue.discard()
    assert told[3:] == [1, 0]


@pytest.mark.asyncio
async def test_what_breaks_counts_no_more() -> None:
    told: list[int] = []

    async def send(event: Any) -> None:
        await asyncio.sleep(0)
        raise OSError

    send_queue = SendQueue(send, 10**6, lambda: None, lambda since: None, on_waiting=told.append)
    send_queue.put(b"x" * (_UNSEEN_BYTES + 1))
    await send_queue.flush()
    assert told == [1, 0]


# Connections.


async def left_unread(peer: Peer, id: int, size: int) -> None:
    peer.reads.clear()
    peer.say(id=id, url=f"/blob/b/?size={size}")
    await peer.becomes(lambda: peer.connection.send_queue.waiting_bytes >= size)


@pytest.mark.asyncio
async def test_unread_answers_count_and_those_are_cut_who_have_not_read_for_longest() -> None:
    """A client that read nothing held 32 to 240 MB on each connection, beside every limit."""
    size = 1_000_000
    most: dict[str, Any] = {"process_bytes": 16_000_000}  # 2 MB of an address
    async with pool_open(4) as pool:
        server = make_server(pool)
        async with (
            connected(server, address="203.0.113.1", **most) as one,
            connected(server, address="203.0.113.1", **most) as two,
            connected(server, address="203.0.113.1", **most) as three,
            connected(server, address="203.0.113.2", **most) as other,
        ):
            for peer in (other, one, two):
                await left_unread(peer, 1, size)
            assert 2.5 * size < server.budget.held_bytes < 3.5 * size
            assert server.budget.unread_bytes == server.budget.held_bytes
            await left_unread(three, 1, size)
            assert (await one.is_closed())[0] == SLOW_READER
            assert server.budget.held_bytes < 3.5 * size
            for peer in (two, three, other):
                peer.reads.set()
                assert len(await peer.body(1)) == size
            await other.becomes(lambda: not server.budget.held_bytes)
        assert not server.budget.unread


@pytest.mark.asyncio
async def test_the_server_s_buffer_counts_until_the_connection_is_gone() -> None:
    async with pool_open() as pool:
        server = make_server(pool)
        async with connected(server) as peer:
            peer.connection.is_buffered(0)
            assert peer.connection._unread is None  # an idle connection costs nothing
            peer.connection.is_buffered(70_000)
            assert server.budget.unread_bytes == 70_000
            peer.vanish()
            await asyncio.wait_for(asyncio.shield(peer.task), 5)
            assert server.budget.unread_bytes == 70_000  # until the transport is gone
            peer.connection.is_buffered(0)
        assert server.budget.held_bytes == 0


async def cut_off(server: ServerContext, cause: str) -> bool:
    """Serve a client that reads nothing, not even a close. Whether its connection was aborted."""
    aborted, inbox = asyncio.Event(), asyncio.Queue[Any]()

    async def send(event: Any) -> None:
        await asyncio.Event().wait()

    limits = Limits(pong_seconds=0.01, slow_reader_seconds=0.01, process_bytes=1_000_000)
    connection = Connection(send, base(), None, server, ConnectionConfig(limits))
    connection.abort = aborted.set
    task = asyncio.ensure_future(connection.run(inbox.get))
    await asyncio.sleep(0)
    if cause == "time":
        connection.send_queue.put("x")
    else:
        connection.send_queue.put("x" * 300_000)
        Unread(server.budget, base(), limits, lambda: None).in_send_queue(10)
        assert aborted.is_set()  # at once
    await asyncio.wait_for(asyncio.shield(task), 5)
    return aborted.is_set()


@pytest.mark.asyncio
@pytest.mark.parametrize("cause", ["time", "others"])
async def test_a_client_that_does_not_even_read_the_close_is_cut_off(cause: str) -> None:
    """A transport sends what it holds before it closes: 15 MB had stayed for good, uncounted."""
    async with pool_open() as pool:
        assert await cut_off(make_server(pool), cause)
