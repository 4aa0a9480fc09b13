"""What a frame that cannot be read is refused with: our words, whoever reads it."""

import msgspec
import pytest

from tests.unit.protocol.wire import Case, cases
from wsrequest.errors import Refused
from wsrequest.protocol.client_codec import decode_client
from wsrequest.protocol.server_codec import decode_server
from wsrequest.protocol.unreadable import refused_for

REFUSED = [case for case in cases() if case.refused is not None]


def detail_of(frame: str | bytes) -> str:
    with pytest.raises(Refused) as raised:
        decode_client(frame)
    return raised.value.detail


@pytest.mark.parametrize(
    ("frame", "detail"),
    [
        ('{"url":1}', "url must be a string, not an integer"),
        ('{"url":null}', "url must be a string, not null; leave out what there is not"),
        ('{"url":"/","id":1.5}', "id must be a string or an integer, not a number with a fraction"),
        ('{"url":"/","id":true}', "id must be a string or an integer, not a boolean"),
        ('{"url":"/","id":1e400}', "id must be a string or an integer"),
        ('{"url":"/","more":"yes"}', "more must be true or false, not a string"),
        ('{"url":"/","credit":[]}', "credit must be an integer, not an array"),
        ('{"url":"/","patch":"xml"}', 'patch must be "json" or "merge"'),
        ('{"url":"/","headers":[]}', "headers must be an object whose values are strings, not an"),
        ('{"url":"/","headers":{"A":1}}', "whose values are strings: one is an integer"),
        ('{"url":"/","headers":{"A":null}}', "one is null; leave out what there is not"),
        ("[]", "a frame is a JSON object, not an array"),
        ("null", "a frame is a JSON object, not null"),
    ],
)
def test_a_member_of_a_wrong_type_is_named_with_what_it_must_be(frame: str, detail: str) -> None:
    assert detail in detail_of(frame)


@pytest.mark.parametrize(
    ("frame", "detail"),
    [
        ('{"url" "/"}', "the frame is no JSON: what stands at byte 7 cannot stand there"),
        ('{"url":1, "a"}', "the frame is no JSON: what stands at byte 13 cannot stand there"),
        ('{"url":"/', "the frame is no JSON: it ends too early"),
        ('{"url":"\\ud800"}', "half of a surrogate pair"),
        ('{"url":"\ud800"}', "the JSON is not UTF-8"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(frame: str, detail: str) -> None:
    assert detail in detail_of(frame)


@pytest.mark.parametrize(
    "frame", ['{"hello":1}', '{"hello":{"protocol":1}}', '{"error":{}}', '{"error":{"code":1}}']
)
def test_a_frame_of_the_server_is_refused_in_the_same_words(frame: str) -> None:
    with pytest.raises(Refused, match=r"must be an object as PROTOCOL\.md has it"):
        decode_server(frame)


def test_a_refusal_needs_no_word_of_msgspec() -> None:
    """Its errors are not documented: with other words the place is missing, and no more."""
    assert refused_for(msgspec.ValidationError("no"), "[]").detail == "a frame is a JSON object"
    assert "ends too early" in refused_for(msgspec.DecodeError("no"), "{").detail


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_no_refusal_on_the_wire_is_in_words_of_msgspec(case: Case) -> None:
    with pytest.raises(Refused) as raised:
        case.decode(case.frame)
    for word in ("`", "$.", "Expected", "malformed", "Input data"):
        assert word not in raised.value.detail
