"""What holds for any frame and any message: one refusal or one message, and back again."""

import json
import string
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tests.unit.protocol.arrival import check_client_frame, check_server_frame, sent
from tests.unit.protocol.wire import cases
from wsrequest.errors import CODES, Refused
from wsrequest.protocol import headers, validation
from wsrequest.protocol.client_codec import decode_client, encode_client
from wsrequest.protocol.messages import (
    Cancel,
    Credit,
    Hello,
    HelloLimits,
    Part,
    PatchKind,
    Ping,
    Pong,
    Refusal,
    Request,
    Response,
    Uncertain,
)
from wsrequest.protocol.server_codec import decode_server, encode_server
from wsrequest.types import Frame

often = settings(max_examples=400, deadline=None)
SEEDS = [case.frame for case in cases() if len(case.frame) < 500]
JSON_TYPE, TEXT_TYPE = "application/json", "text/plain;charset=UTF-8"

any_text = st.text(st.characters())  # half surrogate pairs among it
ids = st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=64)
no_or = st.none() | ids
counts = st.integers(0, 2**53 - 1)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
json_bytes = st.builds(
    lambda value, ascii, indent: json.dumps(value, ensure_ascii=ascii, indent=indent).encode(),
    any_json.filter(lambda value: "Infinity" not in json.dumps(value)),
    st.booleans(),
    st.none() | st.integers(0, 2),
)
TOKEN = "!#$%&'*+-.^`|~" + string.digits + string.ascii_letters
values = st.text(
    st.characters(max_codepoint=0xFF).filter(headers.is_allowed_value), max_size=20
).map(lambda value: value.strip(" \t"))
names = st.text(TOKEN, min_size=1, max_size=12).filter(
    lambda name: not headers.is_forbidden(name.lower())
)
header_sets = st.dictionaries(names, values, max_size=4).filter(
    lambda found: len({name.lower() for name in found}) == len(found)
)
urls = st.text("".join(set(map(chr, range(0x21, 0x7F))) - set("#\\")), max_size=40).map(
    lambda rest: "/" + rest.lstrip("/")
)


PATCH_KINDS: tuple[PatchKind, ...] = get_args(PatchKind)
patch_kinds: st.SearchStrategy[PatchKind | list[PatchKind] | None] = st.sampled_from(
    (None, *PATCH_KINDS)
) | st.sets(st.sampled_from(PATCH_KINDS), min_size=1).map(sorted)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Any request that a frame can carry, but for a query, which the url takes up."""
    method, id = draw(st.sampled_from(sorted(validation.METHODS))), draw(no_or)
    found = draw(header_sets)
    token = draw(st.none() | values)
    if any(name.lower() == "authorization" for name in found):
        token = None
    body, content_type, more = None, None, False
    if method not in ("GET", "HEAD"):
        body, content_type = draw(
            st.just((None, None))
            | st.tuples(st.binary(max_size=30), st.none())
            | st.tuples(json_bytes, st.just(JSON_TYPE))
            | st.tuples(st.text().map(str.encode), st.just(TEXT_TYPE))
        )
        more = id is not None and body is not None and content_type is None and draw(st.booleans())
    subscribe = method == "GET" and id is not None and draw(st.booleans())
    credit = None if id is None or subscribe else draw(st.none() | counts)
    patch = draw(patch_kinds) if subscribe else None
    settled = id is not None and draw(st.booleans())
    return Request(
        method, draw(urls), id, found, "", body, content_type, token, credit, more,
        subscribe, patch, settled, tag_only=patch is not None and draw(st.booleans()),
    )  # fmt: skip


SERVER_KINDS: tuple[Literal["json", "text"], ...] = ("json", "text")
MEDIA_TYPES = [
    *("application/json", "application/json; charset=utf-8", "application/problem+json"),
    *("text/html; charset=utf-8", "text/csv", "text/plain; charset=latin-1", "image/png", "", "x"),
]
response_headers = st.dictionaries(
    st.text(TOKEN, min_size=1, max_size=12) | st.just("Content-Encoding"),
    st.text(max_size=10) | st.lists(st.text(max_size=10), max_size=2),
    max_size=3,
)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    found = draw(response_headers)
    if draw(st.booleans()):
        found["Content-Type"] = draw(st.sampled_from(MEDIA_TYPES))
    id = draw(no_or)
    body = draw(
        st.none() | json_bytes | st.binary(min_size=1) | st.text(min_size=1).map(str.encode)
    )
    more = id is not None and draw(st.booleans())
    cookies = draw(st.none() | st.text(max_size=9))
    version, settled = draw(st.none() | counts), draw(st.none() | st.booleans())
    is_patch = version is not None and not more and draw(st.booleans())
    if is_patch:
        body = draw(json_bytes)
    return Response(
        draw(st.integers(100, 599)), found, id, body, more, cookies, version,
        draw(st.sampled_from(SERVER_KINDS)) if is_patch else None, settled,
    )  # fmt: skip


pings = st.builds(
    lambda cls, value: cls(Raw(value)),
    st.sampled_from([Ping, Pong]),
    json_bytes.map(lambda value: value.strip()).filter(lambda value: len(value) <= 125),
)
parts = st.builds(Part, ids, st.binary(max_size=30), st.booleans())
credits = st.builds(Credit, ids, counts)
client_messages = requests() | parts | credits | st.builds(Cancel, ids) | pings
server_messages = (
    responses()
    | parts
    | credits
    | pings
    | st.builds(
        Refusal,
        st.sampled_from(sorted(CODES)),
        st.text(),
        st.booleans(),
        st.none() | counts,
        no_or,
        no_or,
    )
    | st.builds(Uncertain, st.booleans())
    | st.builds(Hello, st.text(), st.floats(0, 1e6), st.builds(HelloLimits, *[counts] * 7))
)


@st.composite
def heads(draw: st.DrawFn) -> str:
    """JSON objects whose members have names and, often, values that mean something."""
    something: dict[str, st.SearchStrategy[Any]] = {
        "id": ids,
        "method": st.sampled_from(sorted(validation.METHODS)),
        "url": urls,
        "headers": st.dictionaries(names, values, max_size=2),
        "data": any_json,
        "body": st.text(),
        "token": values,
        "credit": counts,
        "more": st.booleans(),
        "cancel": st.booleans(),
        "subscribe": st.booleans(),
        "patch": st.sampled_from(["json", "merge", "xml", [], ["text"], ["xml", "json"], [1]]),
        "tag_only": st.booleans(),
        "settled": st.booleans(),
        "version": counts,
        "ping": any_json,
        "pong": any_json,
        "status": st.integers(0, 700),
        "error": st.fixed_dictionaries({"code": st.text(), "detail": st.text()}),
        "hello": any_json,
        "cookies": st.text(),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(something)), unique=True, max_size=6))
    wild = any_json | st.floats() | any_text
    members = {name: draw(something[name] if draw(st.integers(0, 5)) else wild) for name in chosen}
    return json.dumps(members, ensure_ascii=draw(st.booleans()))


@st.composite
def mutants(draw: st.DrawFn) -> Frame:
    """A frame of the tables with something put in, taken out or doubled."""
    seed = draw(st.sampled_from(SEEDS))
    start = draw(st.integers(0, len(seed)))
    end = draw(st.integers(start, min(len(seed), start + 8)))
    if isinstance(seed, str):
        return seed[:start] + draw(any_text | st.just(seed[start:end] * 2)) + seed[end:]
    return seed[:start] + draw(st.binary() | st.just(seed[start:end] * 2)) + seed[end:]


@st.composite
def binary_frames(draw: st.DrawFn) -> bytes:
    head = draw(heads()).encode("utf-8", "surrogatepass")
    return head + draw(st.just(b"\n") | st.just(b"")) + draw(st.binary(max_size=20))


frames = any_text | st.binary() | heads() | binary_frames() | mutants()


@often
@given(frames)
@example('{"id":\u0661,"url":"/')
@example('{"id":01,"url":"/')
@example('{"id":"\ud800","url":"/')
@example('{"id":"\0","url":"/')
@example(b'{"ping":"\xff"}\n')
def test_any_frame_of_a_client_is_a_message_or_refused(frame: Frame) -> None:
    check_client_frame(frame)


@often
@given(frames)
@example('{"status":200,"data":5}')
@example(b'{"pong":"\xff"}\n')
def test_any_frame_of_a_server_is_a_message_or_nothing_or_refused(frame: Frame) -> None:
    check_server_frame(frame)


@often
@given(client_messages)
def test_any_message_of_a_client_arrives(message: Any) -> None:
    assert decode_client(encode_client(message)) == sent(message)


@often
@given(server_messages)
def test_any_message_of_a_server_arrives(message: Any) -> None:
    assert decode_server(encode_server(message)) == sent(message)


@often
@given(responses())
def test_text_frame_of_an_answer_is_json_that_any_parser_reads(message: Response) -> None:
    frame = encode_server(message)
    if isinstance(frame, bytes):
        head, _, body = frame.partition(b"\n")
        assert body == (message.body or b"")
        found = json.loads(head)
        assert "data" not in found
    else:
        found = json.loads(frame)
        assert ("data" in found) == bool(message.body)
        assert list(found)[-1] == "data" or not message.body
    assert (found["status"], found["headers"]) == (message.status, message.headers)
    assert found.get("id") == message.id


@often
@given(json_bytes, st.binary(max_size=3), st.binary(max_size=3))
def test_answer_is_spliced_in_only_where_it_is_json(
    body: bytes, before: bytes, after: bytes
) -> None:
    body = before + body + after
    frame = encode_server(Response(200, {"Content-Type": JSON_TYPE}, 1, body))
    if isinstance(frame, str):
        assert body.decode() in frame
        assert json.loads(frame)["data"] == json.loads(body, parse_constant=not_json)
        return
    assert frame.partition(b"\n")[2] == body
    # Python's own parser takes UTF-16, a byte order mark and half surrogate pairs, too.
    if b"\0" not in body and b"\xef\xbb\xbf" not in body and b"\\ud" not in body.lower():
        with pytest.raises(ValueError):
            json.loads(body, parse_constant=not_json)


def not_json(name: str) -> None:
    """Refuse NaN and Infinity, which Python's own parser takes."""
    raise ValueError(name)


query_values = st.text() | st.booleans() | st.integers() | st.floats(allow_nan=False)


@often
@given(st.dictionaries(st.text(), query_values | st.lists(query_values, max_size=3), max_size=4))
def test_query_says_what_data_said(data: dict[str, Any]) -> None:
    text = json.dumps(data)
    assume("Infinity" not in text)
    expected = [
        (name, item if isinstance(item, str) else json.dumps(item))
        for name, value in data.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    query = validation.encode_query(Raw(text.encode()))
    assert query.isascii()
    assert parse_qsl(query, keep_blank_values=True, max_num_fields=1000) == expected


@often
@given(any_text | st.text("/\\#?%. \t\n@:éa"))
def test_any_url_that_is_taken_is_a_path_in_ascii(text: str) -> None:
    try:
        url = validation.check_url(text)
    except Refused as refused:
        assert refused.code == "bad_url"
    else:
        assert url.isascii() and url.isprintable()
        assert url.startswith("/") and not url.startswith("//")
        assert not set(url) & set(" #\\")
        assert validation.check_url(url) == url
