"""Every case of ``tests/wire``, and the completeness of its tables."""

import json
from collections import Counter

import msgspec
import pytest

from tests.unit.protocol.wire import FILES, TYPES, Case, cases
from wsrequest.errors import CODES, Refused
from wsrequest.protocol.content import data_of
from wsrequest.protocol.messages import Refusal, Response
from wsrequest.protocol.server_codec import (
    decode_server,
    encode_ending,
    encode_refused,
    encode_server,
    encode_whole,
)
from wsrequest.types import Headers

CASES = list(cases())
# These are told by what happened before, so they are the session's and the connection's.
NOT_OF_FRAMES = {
    "use_http",
    *("id_in_use", "too_many_requests", "body_too_large", "needs_credit", "answer_too_large"),
    *("deadline_exceeded", "shutting_down", "internal_error", "not_supported"),
    *("not_live", "too_many_subscriptions", "too_many_rooms", "session_ended"),
}


def named(case: Case) -> str:
    # Some names hold controls and half surrogate pairs, which a terminal shall not see.
    return json.dumps(case.name)[1:-1][:120]


DECODED = [case for case in CASES if case.only != "encode" and case.refused is None]
REFUSED = [case for case in CASES if case.refused is not None]
ENCODED = [case for case in CASES if case.only != "decode" and case.message is not None]


@pytest.mark.parametrize("case", DECODED, ids=named)
def test_frame_is_decoded(case: Case) -> None:
    assert case.decode(case.frame) == case.message


@pytest.mark.documents("docs/live.md", "`subscribe` with another method")
@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_frame_is_refused(case: Case) -> None:
    with pytest.raises(Refused) as caught:
        case.decode(case.frame)
    refused = caught.value
    assert (refused.code, refused.id) == case.refused
    assert refused.detail
    # What it is answered with can be sent, and read.
    answer = decode_server(encode_refused(refused))
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.detail, answer.id) == (refused.code, refused.detail, refused.id)


@pytest.mark.parametrize("case", ENCODED, ids=named)
def test_message_is_encoded(case: Case) -> None:
    encoded = case.encode(case.message)
    assert encoded == case.encoded
    if case.only is None:
        assert case.decode(encoded) == case.message


def test_every_file_has_cases_with_names_of_their_own() -> None:
    assert len(FILES) >= 10
    assert {case.name.partition(":")[0] for case in CASES} == {path.stem for path in FILES}
    twice = [
        name
        for name, count in Counter((case.name, case.side) for case in CASES).items()
        if count > 1
    ]
    assert twice == []


def test_every_code_that_frames_are_refused_with_has_a_case() -> None:
    assert {case.refused[0] for case in REFUSED if case.refused} == CODES.keys() - NOT_OF_FRAMES


def test_every_message_is_decoded_and_encoded() -> None:
    for subject in (DECODED, ENCODED):
        found = {type(case.message).__name__ for case in subject} - {"NoneType"}
        assert found == TYPES.keys()


def test_patch_without_data_means_nothing() -> None:
    """A server sends none; found by scripts/fuzz."""
    frame = '{"id":9,"version":9,"status":200,"headers":{},"patch":"json"}'
    assert decode_server(frame) == Response(200, {}, 9, version=9)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"a": [1,\n2]}'),
        ("application/json", b'"\xff"'),
        ("application/json", b"no"),
        ("text/html", '<p>\u00e9\u2028\r\n"</p>'.encode()),
        ("text/html", b"\xff"),
        ("image/png", b"\x89PNG\n{"),
    ],
)
@pytest.mark.parametrize("id", [None, 7, "x"])
def test_a_body_that_was_encoded_before_makes_the_same_frame(
    kind: str, body: bytes, id: int | str | None
) -> None:
    headers: Headers = {"Content-Type": kind, "Set-Cookie": ["a=b", "c=d"]}
    for head in (Response(200, headers, id, version=3), Response(404, headers, id, cookies="t")):
        ending = encode_ending(data_of(headers, body), body)
        assert encode_whole(head, ending) == encode_server(msgspec.structs.replace(head, body=body))
