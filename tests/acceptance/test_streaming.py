"""Answers in parts: credit, cancel, endless streams and those that fail in their middle."""

import json
from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.acceptance.client import Answer, Client, connect
from tests.acceptance.servers import Server, wait_until
from tests.project.views.streams import content

PIECES = "piece 0\npiece 1\npiece 2\n"
STREAMS = ["/stream/", "/stream/async/"]
EVENTS = ["/events/", "/events/async/"]


def error_code(answer: Answer) -> str | None:
    return None if answer.error is None else answer.error["code"]


@pytest.mark.parametrize("url", STREAMS)
def test_stream_without_credit_is_gathered(client: Client, url: str) -> None:
    answer = client.get(url)
    assert (len(answer.frames), answer.data) == (1, PIECES)


def test_stream_of_json_without_credit_is_json(client: Client) -> None:
    assert client.get("/stream/json/").data == {"a": [1, 2]}


@pytest.mark.parametrize("url", STREAMS)
def test_stream_with_credit_comes_in_parts(client: Client, url: str) -> None:
    answer = client.get(url, credit=65536)
    assert answer.bytes.decode() == PIECES
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain"
    assert [frame.body is None for frame in answer.frames] == [False] * len(answer.frames)
    assert [frame.head.get("more") for frame in answer.frames[:-1]] == [True] * (
        len(answer.frames) - 1
    )
    assert "more" not in answer.frames[-1].head


def test_stream_is_sent_as_it_is_made(client: Client) -> None:
    """The first event is there long before the last: 40 events take two seconds."""
    name = uuid4().hex
    id = client.send("GET", f"/events/async/?count=40&name={name}", credit=65536)
    assert client.receive_for(id).head["more"] is True
    first = client.receive_for(id).body
    assert first is None or b"data: 39" not in first
    assert client.get(f"/stream/progress/?name={name}").data["closed"] == 0
    client.send_frame(id=id, cancel=True)


@pytest.mark.parametrize("url", EVENTS)
def test_events_with_an_end_arrive_all(client: Client, url: str) -> None:
    answer = client.get(f"{url}?count=3", credit=1000)
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.bytes == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


@pytest.mark.documents("docs/bad-input.md", "streams events to such a client")
@pytest.mark.parametrize("url", EVENTS)
def test_events_need_credit(client: Client, url: str) -> None:
    answer = client.get(url)
    assert (answer.status, error_code(answer)) == (406, "needs_credit")
    assert answer.error and answer.error["temporary"] is False


@pytest.mark.parametrize("url", EVENTS)
def test_events_end_when_they_are_cancelled(client: Client, url: str) -> None:
    name = uuid4().hex
    id = client.send("GET", f"{url}?name={name}", credit=65536)
    received = b""
    while b"data: 2\n" not in received:
        received += client.receive_for(id).body or b""
    client.send_frame(id=id, cancel=True)
    wait_until(lambda: client.get(f"/stream/progress/?name={name}").data["closed"] == 1)
    late = client.settle()
    assert all("error" not in frame.head for frame in late)
    assert client.get("/ready/", id=id).data == "ready"


def test_file_comes_in_parts_no_larger_than_the_limit(client: Client) -> None:
    assert client.hello is not None
    limit = client.hello["limits"]["part_bytes"]
    answer = client.get("/file/?bytes=1000000", credit=2_000_000)
    assert answer.bytes == content(1_000_000)
    assert len(answer.frames) >= 1_000_000 // limit
    assert max(len(frame.body or b"") for frame in answer.frames) <= limit
    assert answer.headers["content-length"] == "1000000"
    assert "filename*=utf-8''bericht%20%C3%BC.bin" in answer.headers["content-disposition"]


def test_file_without_credit_comes_whole(client: Client) -> None:
    answer = client.get("/file/?bytes=300000")
    assert (len(answer.frames), answer.bytes) == (1, content(300_000))


def test_answer_larger_than_its_credit_comes_in_parts(client: Client) -> None:
    whole = client.get("/big-json/?bytes=50000", credit=100_000)
    assert len(whole.frames) == 1
    parts = client.get("/big-json/?bytes=300000", credit=100_000)
    assert len(parts.frames) > 3
    assert parts.bytes == parts.bytes.strip()
    assert len(parts.bytes) == int(str(parts.headers["content-length"]))


def test_sender_keeps_to_its_credit(client: Client) -> None:
    id = client.send("GET", "/file/?bytes=1000", credit=10)
    received = b""
    while len(received) < 10:
        received += client.receive_for(id).body or b""
    assert received == content(1000)[:10]
    assert client.settle() == []
    client.send_frame(id=id, credit=500)
    client.send_frame(id=id, credit=490)
    while (frame := client.receive_for(id)).head.get("more"):
        received += frame.body or b""
    assert received + (frame.body or b"") == content(1000)


def test_credit_zero_gives_the_headers_only(any_client: Client) -> None:
    id = any_client.send("GET", "/file/?bytes=1000", credit=0)
    first = any_client.receive_for(id)
    assert (first.head["status"], first.head["more"], first.body) == (200, True, b"")
    assert any_client.settle() == []
    any_client.send_frame(id=id, credit=1000)
    assert any_client.answer(id, grant=False).frames[-1].head.get("more") is None


def test_stream_without_reader_is_not_produced(client: Client) -> None:
    """An endless stream stops at its credit: the server does not make what it may not send."""
    name = uuid4().hex
    id = client.send("GET", f"/stream/endless/?name={name}", credit=65536)
    received = 0
    while received < 65536:
        received += len(client.receive_for(id).body or b"")
    assert received == 65536
    produced = client.get(f"/stream/progress/?name={name}").data["produced"]
    assert client.settle() == []
    assert client.get(f"/stream/progress/?name={name}").data["produced"] <= produced + 2 <= 64
    client.send_frame(id=id, cancel=True)
    wait_until(lambda: client.get(f"/stream/progress/?name={name}").data["closed"] == 1)


def test_streams_do_not_wait_for_each_other(client: Client) -> None:
    names = [uuid4().hex for _ in range(4)]
    stuck = [client.send("GET", f"/stream/endless/?name={name}", credit=100) for name in names]
    assert client.get("/file/?bytes=500000", credit=65536).bytes == content(500_000)
    assert client.get("/ready/").data == "ready"
    for id in stuck:
        client.send_frame(id=id, cancel=True)


@pytest.mark.documents("docs/bad-input.md", "streams, and then fails")
@pytest.mark.parametrize("url", ["/stream/broken/", "/stream/broken/async/"])
def test_stream_that_fails_in_its_middle_says_so(client: Client, url: str) -> None:
    answer = client.get(url, credit=65536)
    assert answer.status == 200
    assert answer.frames[0].head["more"] is True
    assert answer.bytes == b"the beginning, "
    assert error_code(answer) == "internal_error"
    assert client.get("/ready/").data == "ready"


@pytest.mark.documents("docs/bad-input.md", "does so for a client without credit")
@pytest.mark.parametrize("url", ["/stream/broken/", "/stream/broken/async/"])
def test_stream_that_fails_is_no_answer_without_credit(client: Client, url: str) -> None:
    answer = client.get(url)
    assert (answer.status, error_code(answer)) == (500, "internal_error")
    assert client.get("/ready/").data == "ready"


@pytest.mark.documents(
    "docs/bad-input.md", "streams more than `WSREQUEST_MAX_BUFFERED_RESPONSE_BYTES`"
)
def test_stream_over_the_limit_needs_credit(serve: Callable[..., Server]) -> None:
    with connect(serve(MAX_BUFFERED_RESPONSE_BYTES=50_000)) as client:
        assert len(client.get("/file/?bytes=50000").bytes) == 50_000
        answer = client.get("/file/?bytes=50001")
        assert (answer.status, error_code(answer)) == (500, "answer_too_large")
        assert answer.error and answer.error["temporary"] is False
        assert client.get("/file/?bytes=50001", credit=10_000).bytes == content(50_001)


def test_cancel_stops_an_async_view(client: Client) -> None:
    name = uuid4().hex
    id = client.send("GET", f"/sleep/async/?seconds=60&name={name}")
    wait_until(lambda: client.get(f"/state/?name={name}").data["started"] == 1)
    client.send_frame(id=id, cancel=True)
    wait_until(lambda: client.get(f"/state/?name={name}").data["cancelled"] == 1)
    assert client.get("/ready/", id=id).data == "ready"


def test_cancel_drops_the_answer_of_a_sync_view(client: Client) -> None:
    name = uuid4().hex
    id = client.send("GET", f"/block/?name={name}")
    wait_until(lambda: client.get(f"/state/?name={name}").data["started"] == 1)
    client.send_frame(id=id, cancel=True)
    client.get(f"/release/?name={name}")
    wait_until(lambda: client.get(f"/state/?name={name}").data["finished"] == 1)
    assert client.settle() == []


def test_cancel_of_what_is_finished_or_unknown_does_nothing(client: Client) -> None:
    assert client.get("/ready/", id=1).data == "ready"
    client.send_frame(id=1, cancel=True)
    client.send_frame(id="never seen", cancel=True)
    assert client.settle() == []
    assert client.get("/ready/", id=1).data == "ready"


def test_credit_for_what_is_finished_or_unknown_does_nothing(any_client: Client) -> None:
    assert any_client.get("/ready/", id=1).data == "ready"
    any_client.send_frame(id=1, credit=100)
    any_client.send_frame(id=2, credit=100)
    any_client.send_frame(b"late part", id=1)
    assert any_client.settle() == []


def test_connection_that_closes_ends_its_streams(server: Server) -> None:
    name = uuid4().hex
    with connect(server) as client:
        for url in EVENTS:
            id = client.send("GET", f"{url}?name={name}", credit=65536)
            while not client.receive_for(id).body:
                pass
    wait_until(lambda: server.get_json(f"/stream/progress/?name={name}")["closed"] == 2)


@pytest.mark.parametrize("credit", [None, 1_000_000])
@pytest.mark.parametrize("body", ["&sync", ""])
@pytest.mark.parametrize("url", ["/context/", "/context/async/"])
def test_a_body_finds_active_what_it_finds_by_http(
    server: Server, client: Client, url: str, body: str, credit: int | None
) -> None:
    """Language, time zone, URLconf, script prefix and locals; asgiref ties these to a thread.

    A thread-critical local is of its thread: on the event loop it is compared, and not in
    synchronous code, which runs in another thread than by HTTP.
    """
    name = uuid4().hex
    target, headers = f"{url}?name={name}{body}", {"Accept-Language": "de"}
    by_http = server.http("GET", target, headers=headers).body
    members = {} if credit is None else {"credit": credit}
    answer = client.get(target, headers=headers, **members)
    by_socket = answer.data.encode() if credit is None else answer.bytes
    lines = [json.loads(line) for line in by_http.splitlines()]
    ours = [json.loads(line) for line in by_socket.splitlines()]
    assert len(lines) == 3
    for line in [*lines, *ours] if body else [lines[2], ours[2]]:
        del line["critical"]
    assert ours == lines
    for line in lines:
        assert (line["language"], line["zone"]) == ("de", "Asia/Tokyo")
        assert (line["local"], line["variable"]) == (name, name)
