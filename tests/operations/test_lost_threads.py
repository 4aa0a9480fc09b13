"""Views that run for an hour: each keeps its thread, and there are only so many."""

from collections.abc import Callable
from uuid import uuid4

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server, wait_until

THREADS, MAX_THREADS = 2, 4
ALL_TAKEN = f"all {MAX_THREADS} threads (WSREQUEST_MAX_THREADS)"
ARE_BACK = "threads have come back"


def is_too_late(client: Client, id: object) -> bool:
    answer = client.answer(id)
    assert answer.error is not None
    return (answer.status, answer.error["code"], answer.error["temporary"]) == (
        504,
        "deadline_exceeded",
        True,
    )


def lose_all_threads(server: Server, name: str) -> None:
    for n in range(MAX_THREADS):
        # One address alone is kept from losing all of them.
        with connect(server, source_address=(f"127.0.0.{n + 2}", 0)) as client:
            assert client.get("/ready/").data == "ready"  # while there are threads left
            assert is_too_late(client, client.send("GET", f"/block/?name={name}"))


def test_a_full_thread_pool_refuses_for_a_time_and_recovers(serve: Callable[..., Server]) -> None:
    server = serve(
        THREADS=THREADS,
        MAX_THREADS=MAX_THREADS,
        REQUEST_SECONDS=0.4,
        HTTP_DJANGO_PATHS=["/state/", "/release/"],
    )
    with connect(server) as client:
        name = uuid4().hex
        lose_all_threads(server, name)
        assert ALL_TAKEN not in server.log()  # nothing has had to wait for one
        threads = server.status()["Threads"]
        # Whatever needs a thread is refused by its deadline, async views too, for their middleware.
        ids = [
            client.send("GET", url) for url in ("/ready/", "/who/async/", "/sleep/?seconds=0") * 4
        ]
        # What needs none is obeyed meanwhile.
        client.send_frame(ping="still here")
        assert client.receive().head == {"pong": "still here"}
        client.send_frame(id=ids[0], cancel=True)
        bad = client.get("no slash")
        assert bad.error and bad.error["code"] == "bad_url"
        assert all([is_too_late(client, id) for id in ids[1:]])
        assert server.status()["Threads"] == threads
        with connect(server) as other:
            assert other.hello is not None
            assert server.http("GET", "/ready/").status == 504
            # What is left to Django's own handler runs on other threads.
            assert server.http("GET", f"/state/?name={name}").json()["started"] == MAX_THREADS
        assert server.log().count(ALL_TAKEN) == 1
        assert ARE_BACK not in server.log()
        # The views end after all: what waits then is served.
        waiting = client.send("GET", "/ready/")
        server.http("GET", f"/release/?name={name}")
        assert client.answer(waiting).data == "ready"
        wait_until(lambda: server.log().count(ARE_BACK) == 1)
        wait_until(
            lambda: server.http("GET", f"/state/?name={name}").json()["finished"] == MAX_THREADS
        )
        ids = [client.send("GET", "/sleep/?seconds=0.01") for _ in range(20)]
        assert {client.answer(id).status for id in ids} == {200}
        assert client.settle() == []
        assert server.log().count(ALL_TAKEN) == 1
