"""What ``validation``, ``headers`` and ``framing`` promise to callers other than the codecs."""

import gc
import sys
import tracemalloc
from collections.abc import Callable

import pytest
from msgspec import Raw

from wsrequest.errors import Refused
from wsrequest.protocol import content, headers, validation
from wsrequest.protocol.client_codec import decode_client
from wsrequest.protocol.framing import head_and_body
from wsrequest.protocol.messages import Ping, Pong, Request, Response
from wsrequest.protocol.nesting import MAX_NESTING
from wsrequest.protocol.server_codec import decode_server, encode_server


@pytest.mark.parametrize("method", sorted(validation.METHODS))
def test_method_comes_back_in_upper_case(method: str) -> None:
    assert validation.check_method(method) == validation.check_method(method.lower()) == method


def test_url_comes_back_as_it_goes_on() -> None:
    assert validation.check_url("/a?b=c") == "/a?b=c"
    assert validation.check_url("/ä?ö=%") == "/%C3%A4?%C3%B6=%"


def test_token_is_judged_without_headers_too() -> None:
    assert validation.check_token("a.b.c") is None
    with pytest.raises(Refused, match="bad_header"):
        validation.check_token("a\nb")
    with pytest.raises(Refused, match="not both"):
        validation.check_token("a", {"X-A": "1", "authorization": "2"})


@pytest.mark.parametrize("name", sorted(headers.FORBIDDEN))
def test_name_that_fetch_or_a_proxy_keeps_is_forbidden(name: str) -> None:
    assert headers.is_forbidden(name)
    for spelling in (name, name.title(), name.upper()):
        with pytest.raises(Refused, match="cannot be set by a message"):
            headers.check_headers({spelling: "x"})


@pytest.mark.parametrize("prefix", headers.FORBIDDEN_PREFIXES)
def test_name_with_a_prefix_that_is_kept_is_forbidden(prefix: str) -> None:
    assert headers.is_forbidden(prefix + "any")
    for spelling in (prefix, prefix.title(), prefix.upper()):
        with pytest.raises(Refused, match="cannot be set by a message"):
            headers.check_headers({spelling + "Any": "x"})


def test_refusal_of_a_header_names_it_and_not_all_of_a_long_one() -> None:
    for name in ("Sec-" + "a" * 10_000, "\0" * 10_000):
        with pytest.raises(Refused) as caught:
            headers.check_headers({name: "x"})
        assert len(caught.value.detail) < 300


def test_values_lose_the_white_space_around_them_in_place() -> None:
    given = {"X-A": "\t a b ", "X-B": "c"}
    headers.check_headers(given)
    assert given == {"X-A": "a b", "X-B": "c"}


def test_allowed_values_are_printable_latin_1_and_tab() -> None:
    allowed = {code for code in range(0x300) if headers.is_allowed_value(chr(code))}
    assert allowed == {9, *range(0x20, 0x7F), *range(0x80, 0x100)} - {0x85}
    # A bad character is found wherever it stands, behind others outside ASCII too.
    for text in ("\0", "a\0", "\0a", "é\0", "é\n"):
        assert not headers.is_allowed_value(text)


@pytest.mark.parametrize("data", [b"[1]", b"1", b'"a"', b'{"a":null}', b'{"a":[{}]}', b"{", b""])
def test_query_data_is_refused_for_other_callers_too(data: bytes) -> None:
    with pytest.raises(Refused, match="bad_message"):
        validation.encode_query(Raw(data))


def deep(count: int) -> str:
    return "[" * count + "]" * count


def outcome(frame: str | bytes, decode: object) -> str:
    """Return what comes of a frame; anything but a message or a refusal is raised."""
    assert callable(decode)
    try:
        decode(frame)
    except Refused as refused:
        return refused.code
    return "message"


@pytest.mark.parametrize(
    "template",
    [
        '{"id":1,"url":"/","data":{"a":%s}}',
        '{"id":1,"method":"POST","url":"/","data":%s}',
        '{"id":1,"x":%s,"url":"/"}',
        '{"id":1,"url":5,"x":%s}',
        '{"ping":%s}',
    ],
)
def test_the_limit_of_nesting_is_not_the_interpreters(template: str) -> None:
    around = (template % "").count("{") + (template % "").count("[")
    at_limit, over = (template % deep(count - around) for count in (MAX_NESTING, MAX_NESTING + 1))
    assert outcome(over, decode_client) == outcome(template % deep(200_000), decode_client)
    assert outcome(over, decode_client) == "bad_json"
    # A ping's value is too long, and a query's member may hold no list in a list.
    assert outcome(at_limit, decode_client) in ("message", "bad_message")


def test_answer_that_nests_too_deeply_for_us_is_left_to_its_reader() -> None:
    body = deep(200_000).encode()
    frame = encode_server(Response(200, {"Content-Type": "application/json"}, 1, body))
    assert isinstance(frame, bytes)
    assert head_and_body(frame)[1] == body
    text = '{"id":1,"status":200,"headers":{"Content-Type":"application/json"},"data":%s}'
    assert outcome(text % body.decode(), decode_server) == "bad_json"


def test_value_of_a_ping_does_not_hold_its_frame() -> None:
    frame = '{"ping":{"a":[1]},"x":"' + "y" * 10_000 + '"}'
    before = sys.getrefcount(frame)
    message = decode_client(frame)
    assert isinstance(message, Ping)
    assert sys.getrefcount(frame) == before
    assert encode_server(Pong(message.value)) == '{"pong":{"a":[1]}}'


@pytest.mark.parametrize(
    ("frame", "detail"),
    [
        pytest.param('{"id":1,"url":', "not JSON", id="broken"),
        pytest.param(deep(200_000), "nests more than 500 levels deep", id="deep"),
        pytest.param(b'{"id":"\xff"}\n', "not UTF-8", id="bytes"),
        pytest.param('{"id":"\ud800"}', "not UTF-8", id="surrogate"),
        pytest.param(b'{"id":1}', "line feed", id="no-head"),
        pytest.param("[]", "a frame is a JSON object", id="shape"),
    ],
)
def test_refusal_says_what_is_wrong_with_a_frame(frame: str | bytes, detail: str) -> None:
    for decode in (decode_client, decode_server):
        with pytest.raises(Refused) as caught:
            decode(frame)
        assert detail in caught.value.detail


def test_requests_do_not_share_their_headers() -> None:
    one, two = decode_client('{"url":"/"}'), decode_client('{"url":"/"}')
    assert isinstance(one, Request) and isinstance(two, Request)
    one.headers["X-A"] = "b"
    assert two.headers == {}
    assert Request("GET", "/").headers == {}


def test_large_frame_is_refused_for_its_size_before_it_is_read() -> None:
    with pytest.raises(Refused, match="message_too_large"):
        decode_client("é" * 100, max_bytes=199)
    with pytest.raises(Refused, match="bad_json"):
        decode_client("é" * 100, max_bytes=200)
    with pytest.raises(Refused, match="message_too_large"):
        decode_client("\ud800" * 100, max_bytes=299)
    with pytest.raises(Refused, match="bad_json"):
        decode_client("\ud800" * 100, max_bytes=300)
    with pytest.raises(Refused, match="message_too_large"):
        decode_client(b"\xff" * 101, max_bytes=100)


def _name(text: str) -> None:
    headers.check_headers({f"x-{text}": ""})


def _type(text: str) -> None:
    content.data_of({"Content-Type": f"text/plain; boundary={text}"}, b"x")


@pytest.mark.once
@pytest.mark.parametrize("use", [_name, _type])
def test_long_texts_that_a_peer_chose_are_not_remembered(use: Callable[[str], None]) -> None:
    """A view may answer with the type that its client named."""
    for n in range(600):  # what is remembered of short ones is full
        use(f"{n}")
    gc.collect()
    tracemalloc.start()
    try:
        for n in range(200):
            use(f"{n}-" + "n" * 16_000)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2**16
