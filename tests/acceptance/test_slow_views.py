"""Views that take long: nobody else waits for them, and no request waits for ever."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server, wait_until


def state(client: Client, name: str) -> dict[str, int]:
    found: dict[str, int] = client.get(f"/state/?name={name}").data
    return found


def started(client: Client, name: str) -> int:
    return state(client, name)["started"]


@pytest.mark.parametrize("url", ["/block/?name=", "/sleep/async/?seconds=60&name="])
def test_slow_view_delays_nobody(server: Server, url: str) -> None:
    name = uuid4().hex
    with connect(server) as slow, connect(server) as other:
        id = slow.send("GET", url + name)
        wait_until(lambda: started(other, name) == 1)
        assert slow.get("/ready/").data == "ready"
        assert other.get("/ready/").data == "ready"
        assert other.get("/who/async/").status == 200
        assert state(other, name)["finished"] == 0
        other.get(f"/release/?name={name}")
        if "async" in url:
            slow.send_frame(id=id, cancel=True)
            wait_until(lambda: state(other, name)["cancelled"] == 1)
        else:
            assert slow.answer(id).data == {"released": name}


def test_answers_come_in_the_order_in_which_they_are_ready(client: Client) -> None:
    for id, seconds in (("slow", 0.6), ("middle", 0.3), ("fast", 0)):
        client.send("GET", f"/sleep/?seconds={seconds}", id=id)
    assert [client.receive().head["id"] for _ in range(3)] == ["fast", "middle", "slow"]


def test_blocked_views_hold_no_async_view_back(any_server: Server) -> None:
    """Long polls: more of them than threads that run synchronous code."""
    with connect(any_server) as client:
        name = uuid4().hex
        ids = [client.send("GET", f"/sleep/async/?seconds=3&name={name}") for _ in range(40)]
        wait_until(lambda: started(client, name) == 40)
        assert client.get("/ready/").data == "ready"
        assert {client.answer(id).data["slept"] for id in ids} == {3}


def test_queue_is_fair_across_connections(serve: Callable[..., Server]) -> None:
    """One client has 40 views for two threads; the other waits for a few of them."""
    name = uuid4().hex
    server = serve(THREADS=2, MAX_THREADS=2)
    with connect(server) as greedy, connect(server) as modest:
        url = f"/sleep/?seconds=0.1&name={name}"
        ids = [greedy.send("GET", url) for _ in range(40)]
        greedy.answer(ids[0])
        for _ in range(2):
            assert modest.get("/ready/").data == "ready"
        assert state(modest, name)["finished"] < 20
        for id in ids[1:]:
            assert greedy.answer(id).status == 200


def test_threads_are_as_many_as_the_setting_says(serve: Callable[..., Server]) -> None:
    with connect(serve(THREADS=2, MAX_THREADS=2)) as client:
        ids = [client.send("GET", "/thread/") for _ in range(50)]
        assert 1 <= len({client.answer(id).data["thread"] for id in ids}) <= 2


@pytest.mark.documents("docs/bad-input.md", "exceeds `WSREQUEST_REQUEST_SECONDS`")
def test_deadline_answers_504_and_the_connection_goes_on(
    kind: str, serve: Callable[..., Server]
) -> None:
    with connect(serve(kind, REQUEST_SECONDS=1)) as client:
        name = uuid4().hex
        ids = [
            client.send("GET", f"/block/?name={name}"),
            client.send("GET", f"/sleep/async/?seconds=30&name={name}"),
        ]
        for id in ids:
            answer = client.answer(id)
            assert answer.status == 504
            assert answer.error and answer.error["code"] == "deadline_exceeded"
            assert answer.error["temporary"] is True
        assert client.get("/ready/").data == "ready"
        wait_until(lambda: client.get(f"/state/?name={name}").data["cancelled"] == 1)
        client.get(f"/release/?name={name}")
        wait_until(lambda: client.get(f"/state/?name={name}").data["finished"] == 1)
        assert client.settle() == []


def test_deadline_is_for_the_beginning_of_an_answer(serve: Callable[..., Server]) -> None:
    """40 events take two seconds, twice the deadline."""
    with connect(serve(REQUEST_SECONDS=1)) as client:
        for url in ("/events/?count=40", "/events/async/?count=40"):
            answer = client.get(url, credit=65536)
            assert answer.error is None
            assert answer.bytes.endswith(b"data: 39\n\n")


@pytest.mark.documents("docs/bad-input.md", "never ends")
def test_deadline_frees_what_views_that_never_end_have_taken(serve: Callable[..., Server]) -> None:
    """Each of them keeps its thread; requests go on being served, by others."""
    with connect(serve(THREADS=2, MAX_THREADS=20, REQUEST_SECONDS=1)) as client:
        name = uuid4().hex
        for _ in range(3):
            ids = [client.send("GET", f"/block/?name={name}") for _ in range(2)]
            assert [client.answer(id).status for id in ids] == [504, 504]
            assert client.get("/ready/").data == "ready"
        client.get(f"/release/?name={name}")


@pytest.mark.documents("docs/bad-input.md", "a body in parts whose next part does not come")
def test_deadline_holds_between_the_parts_of_a_request(serve: Callable[..., Server]) -> None:
    with connect(serve(REQUEST_SECONDS=1)) as client:
        id = client.send("PUT", "/piecewise/", bytes=b"x", more=True)
        answer = client.answer(id)
        assert answer.error and answer.error["code"] == "deadline_exceeded"
        assert client.get("/ready/").data == "ready"


@pytest.mark.documents(
    "docs/bad-input.md", "more requests than `WSREQUEST_MAX_IN_FLIGHT` and `_WAITING`"
)
def test_requests_past_the_queue_are_refused_as_temporary(
    kind: str, serve: Callable[..., Server]
) -> None:
    server = serve(kind, MAX_IN_FLIGHT=2, MAX_WAITING=2)
    with connect(server) as client, connect(server) as other:
        name = uuid4().hex
        url = f"/block/?name={name}"
        for id in ("first", "second", "third", "fourth"):
            client.send("GET", url, id=id)
        refusal = client.request("GET", "/ready/", id="fifth")
        assert (refusal.status, refusal.error and refusal.error["code"]) == (
            429,
            "too_many_requests",
        )
        assert refusal.error and refusal.error["temporary"] is True
        # What waits has not begun; another connection has limits of its own.
        wait_until(lambda: started(other, name) == 2)
        # Control frames pass: cancelling makes room.
        client.send_frame(ping=1)
        assert client.receive().head == {"pong": 1}
        client.send_frame(id="fourth", cancel=True)
        client.send("GET", url, id="sixth")
        client.send_frame(ping=2)  # or the release, on another connection, could come first
        assert client.receive().head == {"pong": 2}
        other.get(f"/release/?name={name}")
        for id in ("first", "second", "third", "sixth"):
            assert client.answer(id).data == {"released": name}
        assert started(other, name) == 4
        assert client.settle() == []


def test_requests_that_wait_run_in_their_order(serve: Callable[..., Server]) -> None:
    with connect(serve(MAX_IN_FLIGHT=1)) as client:
        ids = [client.send("GET", f"/class/{n}/") for n in range(30)]
        assert [client.receive().head["id"] for _ in ids] == ids


def test_cancel_of_all_in_flight_frees_the_connection(serve: Callable[..., Server]) -> None:
    with connect(serve(MAX_IN_FLIGHT=2, MAX_WAITING=0)) as client:
        name = uuid4().hex
        ids = [client.send("GET", f"/sleep/async/?seconds=60&name={name}") for _ in range(2)]
        assert client.get("/ready/").status == 429
        for id in ids:
            client.send_frame(id=id, cancel=True)
        assert client.get("/ready/").data == "ready"
