"""A frame that cannot be decoded is refused in our own words, not in those of msgspec."""

import pytest

from tests.unit.protocol.wire import Case, cases
from wsrequest.errors import Refused
from wsrequest.protocol import client_codec
from wsrequest.protocol.client_codec import decode_client
from wsrequest.protocol.server_codec import decode_server

REFUSED = [case for case in cases() if case.refused is not None]


def detail_of(frame: str | bytes) -> str:
    with pytest.raises(Refused) as raised:
        decode_client(frame)
    return raised.value.detail


@pytest.mark.parametrize(
    ("frame", "detail"),
    [
        ('{"url":1}', "url must be a string"),
        ('{"url":null}', "url must be a string: leave it out instead of null"),
        ('{"url":"/","id":1.5}', "id must be a string or an integer"),
        ('{"url":"/","id":true}', "id must be a string or an integer"),
        ('{"url":"/","id":1e400}', "id must be a string or an integer"),
        ('{"url":"/","more":"yes"}', "more must be true or false"),
        ('{"url":"/","credit":[]}', "credit must be an integer"),
        ('{"url":"/","rerun":1}', "rerun must be a string or a boolean"),
        ('{"url":"/","token":1}', "token must be a string"),
        (
            '{"url":"/","patch":"xml"}',
            'patch must be "json", "merge", "text" or a list of at most 8 strings',
        ),
        ('{"url":"/","headers":[]}', "headers must be an object whose values are strings"),
        ('{"url":"/","headers":{"A":1}}', "headers must be an object whose values are strings"),
        ('{"url":1,"url":"/"}', "a member has a wrong type"),
        ("[]", "a frame is a JSON object"),
        ("null", "a frame is a JSON object"),
    ],
)
def test_a_member_of_a_wrong_type_is_named_with_what_it_must_be(frame: str, detail: str) -> None:
    assert detail_of(frame) == detail


def test_long_headers_are_not_decoded_again_to_name_what_is_wrong() -> None:
    long = f'"A":"{"b" * 2**16}"'
    assert detail_of(f'{{"url":1,"headers":{{{long}}}}}') == "url must be a string"
    assert detail_of(f'{{"url":"/","headers":{{{long},"B":1}}}}') == "a member has a wrong type"


def test_each_member_has_a_sentence_for_a_value_of_a_wrong_type() -> None:
    for name in client_codec._Head.__struct_fields__:
        if name not in ("data", "ping", "pong"):  # any JSON
            assert detail_of(f'{{"{name}":[[]]}}').startswith(f"{name} must be ")


@pytest.mark.parametrize(
    ("frame", "detail"),
    [
        ('{"url" "/"}', "the frame is not JSON"),
        ('{"url":1, "a"}', "the frame is not JSON"),
        ('{"url":"/', "the frame is not JSON"),
        ('{"url":"\\ud800"}', "the frame is not JSON"),
        ('{"more":1,"url":"\\ud800"}', "the frame is not JSON"),
        ('{"url":"\ud800"}', "the JSON is not UTF-8"),
    ],
)
def test_a_frame_that_is_not_json_is_refused_in_our_words(frame: str, detail: str) -> None:
    assert detail_of(frame) == detail


@pytest.mark.parametrize(
    "frame", ['{"hello":1}', '{"hello":{"protocol":1}}', '{"error":{}}', '{"error":{"code":1}}']
)
def test_a_frame_of_the_server_is_refused_in_our_words(frame: str) -> None:
    with pytest.raises(Refused, match=r"not a message of the server"):
        decode_server(frame)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_no_refusal_on_the_wire_is_in_words_of_msgspec(case: Case) -> None:
    with pytest.raises(Refused) as raised:
        case.decode(case.frame)
    for word in ("`", "$.", "Expected", "malformed", "Input data"):
        assert word not in raised.value.detail
