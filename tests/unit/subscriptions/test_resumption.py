"""The proof of a live request covers all that its client chose."""

from typing import Any

import msgspec
import pytest

from tests.unit.peer import base
from wsrequest.protocol.headers import ADDED_BY_HTTP, PER_REQUEST
from wsrequest.protocol.messages import Request
from wsrequest.subscriptions.resumption import digest_of_request

MESSAGE = Request("GET", "/a/", subscribe=True)

BROUGHT: dict[str, Any] = {
    "method": "HEAD",
    "url": "/b/",
    "headers": {"X-A": "1"},
    "query": "a=1",
    "body": b"",
    "content_type": "text/plain",
    "token": "1",
    "referrer": "https://testserver/",
}
# How the answer is sent and taken up, which no view is told.
OF_THE_WIRE = {
    "id",
    "credit",
    "more",
    "subscribe",
    "patch",
    "settled",
    "tag_only",
    "rerun",
    "events",
    "since",
}


def named(names: list[str]) -> list[str]:
    return [name.replace("*", "x") for name in names]


def with_header(name: str) -> Request:
    return Request("GET", "/a/", subscribe=True, headers={name.upper(): "0042"})


@pytest.mark.parametrize("member", [f for f in Request.__struct_fields__ if f not in OF_THE_WIRE])
def test_all_that_a_message_brings_counts(member: str) -> None:
    other = msgspec.structs.replace(MESSAGE, **{member: BROUGHT[member]})
    assert digest_of_request(other, base()) != digest_of_request(MESSAGE, base())


def test_each_header_of_a_message_counts() -> None:
    """Those of one request had not: each was a place for another guess at a one-time password."""
    names = [*PER_REQUEST, "cache-control", "pragma", "x-real-ip", "cf-ray", "x-any"]
    digests = [digest_of_request(with_header(name), base()) for name in named(names)]
    assert len({*digests, digest_of_request(MESSAGE, base())}) == len(names) + 1


def test_what_is_added_to_the_request_for_a_stream_does_not_count() -> None:
    """A proxy names each request, so no stream could be opened again without effects."""
    plain = digest_of_request(MESSAGE, base(), is_by_http=True)
    assert plain == digest_of_request(MESSAGE, base())  # it may go on by the socket
    for name in named(PER_REQUEST):
        is_same = digest_of_request(with_header(name), base(), is_by_http=True) == plain
        assert is_same is (name in named(ADDED_BY_HTTP)), name


@pytest.mark.parametrize("name", ["x-forwarded-for", "cf-ray", "pragma", "sec-fetch-mode"])
def test_what_differs_by_the_way_of_a_handshake_does_not_count(name: str) -> None:
    assert digest_of_request(MESSAGE, base(headers={name: "1"})) == digest_of_request(
        MESSAGE, base(headers={name: "2"})
    )
