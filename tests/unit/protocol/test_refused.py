"""How errors become frames, and that they lose no facts on the way."""

import pickle

import pytest

from wsrequest.errors import CODES, HandshakeRefused, Refused
from wsrequest.protocol.messages import Refusal
from wsrequest.protocol.server_codec import decode_server, encode_refused


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("id", [None, 0, "", 7, "é"])
def test_refused_is_told_in_the_shape_of_a_response(code: str, id: int | str | None) -> None:
    refused = Refused(code, "why", id)
    status, temporary = CODES[code]
    assert (refused.status, refused.temporary) == (status, temporary)
    told = decode_server(encode_refused(refused))
    if code == "id_in_use":  # the id belongs to the request that goes on
        assert told == Refusal(code, "why", temporary, status, None, id)
    else:
        assert told == Refusal(code, "why", temporary, status, id, None)


def test_refused_behind_the_first_frame_has_no_status() -> None:
    frame = encode_refused(Refused("internal_error", "it broke", 3), has_begun=True)
    assert frame == (
        '{"id":3,"error":{"code":"internal_error","detail":"it broke","temporary":true}}'
    )


def test_errors_pickle_with_their_facts() -> None:
    refused = Refused("bad_url", "no path")
    refused.id = "late"
    again = pickle.loads(pickle.dumps(refused))
    assert (again.code, again.detail, again.id) == ("bad_url", "no path", "late")
    assert str(again) == "bad_url: no path"
    handshake = pickle.loads(pickle.dumps(HandshakeRefused(403, "foreign origin")))
    assert (handshake.status, str(handshake)) == (403, "403: foreign origin")
