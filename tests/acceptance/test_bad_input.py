"""Frames that no client should send: each is answered by its code and disturbs nothing else.

The frames are ``bad_frames``'. After each the same connection still works, and so does another
one that was open all along, with a request in flight.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.bad_frames import MEBIBYTE, ROWS, Row, request
from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server
from wsrequest.errors import CODES
from wsrequest.types import Frame


@contextmanager
def witness(server: Server) -> Iterator[Client]:
    """Another connection, with a request in flight that is answered when the block ends."""
    name = uuid4().hex
    with connect(server) as client:
        id = client.send("GET", f"/block/?name={name}")
        yield client
        assert client.get("/ready/").data == "ready"
        client.get(f"/release/?name={name}")
        assert client.answer(id).data == {"released": name}


def check_refused(client: Client, row: Row, frame: Frame) -> None:
    """The frame is refused as its row says, and the connection goes on."""
    client.socket.send(frame)
    answer = client.receive().head
    status, _ = CODES[row.code]
    assert (answer["status"], answer["error"]["code"]) == (status, row.code)
    assert answer["error"]["temporary"] is False
    assert isinstance(answer["error"]["detail"], str)
    assert answer["error"]["detail"]
    if row.id is not ...:
        assert answer.get("id") == row.id
    assert client.get("/ready/", id="after").data == "ready"
    assert client.settle() == []


@pytest.mark.parametrize(
    ("input", "name"),
    [(input, name) for input, row in ROWS.items() for name in row.frames],
)
def test_frame_is_refused_and_disturbs_nothing(any_server: Server, input: str, name: str) -> None:
    with witness(any_server), connect(any_server) as client:
        check_refused(client, ROWS[input], ROWS[input].frames[name])


def test_frame_is_refused_alike_on_every_server(server: Server) -> None:
    """The first of each row, all on one connection."""
    before = len(server.log())  # other tests have uvicorn print a traceback of its own
    with witness(server) as other, connect(server) as client:
        client.send("GET", "/sleep/async/?seconds=4", id="sleeper")
        for row in ROWS.values():
            check_refused(client, row, next(iter(row.frames.values())))
            assert other.get("/ready/").data == "ready"
        assert client.answer("sleeper").data == {"slept": 4}
    assert "Traceback" not in server.log()[before:]


@pytest.mark.parametrize(
    ("frame", "id"),
    [
        ('{"id":1,"method":"GET"', 1),
        ('{"id":"a","method":"GET"', "a"),
        ('{"id":-5,"url":oops}', -5),
        (' { "id" : 7 , nonsense', 7),
        ('{"method":"GET","id":1', None),
        ("oops", None),
        (b'{"id":3,oops}\nbody', 3),
    ],
)
def test_refusal_names_the_id_that_the_frame_starts_with(
    any_client: Client, frame: str | bytes, id: Any
) -> None:
    any_client.socket.send(frame)
    answer = any_client.receive().head
    assert (answer["error"]["code"], answer.get("id")) == ("bad_json", id)


@pytest.mark.parametrize("frame", [request(id="a", data=[1]), request(id="a", url="x")])
def test_refusal_has_the_id_of_its_request(any_client: Client, frame: str) -> None:
    any_client.socket.send(frame)
    assert any_client.receive().head["id"] == "a"


@pytest.mark.documents("docs/bad-input.md", "what is just within each limit")
def test_limits_are_inclusive(any_client: Client) -> None:
    assert any_client.get("/echo/" + "a" * 8184).status == 200
    assert any_client.get("/echo/?a=" + "ü" * 1363 + "abc").status == 200
    many = {f"X-{n}": "a" for n in range(100)}
    assert any_client.get("/echo/", headers=many).data["headers"]["X-99"] == "a"
    long = any_client.get("/echo/", headers={"X-A": "a" * 16_381})
    assert long.data["headers"]["X-A"] == "a" * 16_381
    nested = "[" * 99 + "]" * 99
    any_client.socket.send('{"id":1,"method":"POST","url":"/echo/","data":' + nested + "}")
    assert any_client.answer(1).data["length"] == len(nested)
    start = '{"id":1,"url":"/ready/","x":"'
    any_client.socket.send(start + "x" * (MEBIBYTE - len(start) - 2) + '"}')
    assert any_client.answer(1).data == "ready"
    assert any_client.get("/ready/", id="x" * 64).data == "ready"
    any_client.send_frame(ping="x" * 123)
    assert any_client.receive().head == {"pong": "x" * 123}


@pytest.mark.documents("docs/bad-input.md", "an `id` that is in use")
def test_id_in_use_is_refused_without_id_and_the_first_goes_on(any_client: Client) -> None:
    for number, other in ((1, 1), ("a", "a")):
        any_client.send("GET", "/sleep/async/?seconds=0.2", id=number)
        any_client.send("GET", "/ready/", id=other)
        refusal = any_client.receive().head
        assert "id" not in refusal
        assert (refusal["status"], refusal["error"]["code"]) == (409, "id_in_use")
        assert (refusal["error"]["id"], refusal["error"]["temporary"]) == (other, False)
        assert any_client.receive_for(number).head["data"] == {"slept": 0.2}


@pytest.mark.documents("docs/bad-input.md", "escapes of half a surrogate pair or of NUL in JSON")
def test_surrogates_and_null_characters_do_no_harm(any_client: Client) -> None:
    """JSON may escape what no UTF-8 can hold. Whatever it is answered, it is answered."""
    for n, text in enumerate(("\\ud800", "\\udfff\\ud800", "\\u0000", "\\ufffe")):
        for frame in (
            '{"id":%d,"url":"/echo/%s"}',
            '{"id":%d,"url":"/echo/?a=%s"}',
            '{"id":%d,"url":"/echo/","data":{"a":"%s"}}',
            '{"id":%d,"url":"/echo/","headers":{"X-A":"%s"}}',
            '{"id":%d,"url":"/echo/","token":"%s"}',
            '{"id":%d,"url":"/echo/","method":"POST","body":"%s"}',
            '{"id":%d,"url":"/echo/","method":"POST","data":"%s"}',
            '{"id":%d,"url":"/echo/","method":"%s"}',
        ):
            any_client.socket.send(frame % (n, text))
            head = any_client.receive().head
            assert head["status"] in (200, 400, 501), (frame, text)
            assert head.get("error", {}).get("code") != "internal_error"
    assert any_client.get("/ready/").data == "ready"


@pytest.mark.documents("docs/bad-input.md", "hundreds of bad frames in a row")
def test_many_bad_frames_in_a_row_do_no_harm(any_server: Server) -> None:
    with witness(any_server), connect(any_server) as client:
        for _ in range(500):
            client.socket.send("{")
        codes = [client.receive().head["error"]["code"] for _ in range(500)]
        assert codes == ["bad_json"] * 500
        assert client.get("/ready/").data == "ready"


def test_large_and_small_numbers_in_a_query_do_no_harm(any_client: Client) -> None:
    any_client.socket.send('{"id":1,"url":"/echo/","data":{"a":1e400,"b":%s}}' % ("9" * 5000))
    head = any_client.receive().head
    assert head["status"] in (200, 400)
    assert head.get("error", {}).get("code") != "internal_error"
