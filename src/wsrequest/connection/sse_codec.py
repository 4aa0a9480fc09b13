"""Requests and frames of server-sent events: what an HTTP request asks for, and frames as events.

Pure, except that ``request_of`` moves headers (PROTOCOL.md 4.9).
"""

import re
from base64 import b64encode
from collections.abc import Container
from typing import Any
from urllib.parse import parse_qs

import msgspec

from wsrequest.errors import Refused
from wsrequest.protocol.client_codec import decode_client
from wsrequest.protocol.framing import UNREADABLE, head_and_body
from wsrequest.protocol.headers import is_forbidden
from wsrequest.protocol.messages import Request
from wsrequest.protocol.nesting import check_nesting
from wsrequest.request.environ import Base
from wsrequest.types import Frame

__all__ = ["REQUEST_ID", "event_of", "push_event", "request_of"]

REQUEST_ID = "events"
"""The id of the request in the session of its response."""

_PROOF = "rerun:"
_PROOF_TAG = re.compile(f'"{_PROOF}([^"]*)"')
_PUSH = b"event: push\n"


def event_of(frame: Frame, tag: str | None = None, proof: str = "") -> bytes:
    """Return a frame as an event (WHATWG HTML, "Server-sent events").

    A frame may be large and the event loop waits, so this makes only a few fast passes over it.

    Args:
        frame: a version, or the last frame of the request.
        tag: the ETag of its response, or None.
        proof: that of the first response. A page's own EventSource sends back only the last id, so
            the proof is part of the id, as one more entity tag.
    """
    if isinstance(frame, bytes):
        head, body = head_and_body(frame)
        start, coded = head.strip().encode(), b64encode(body)
        data = b"".join((start[:-1], b',"encoding":"base64","data":"', coded, b'"}'))
    else:
        # Not splitlines(), because Python takes other characters of a JSON text for line ends.
        data = frame.encode().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        data = data.replace(b"\n", b"\ndata: ")
    if tag is not None and proof:
        tag = f'{tag}, "{_PROOF}{proof}"'
    id = b"" if tag is None else b"id: %s\n" % tag.encode()
    return b"".join((id, b"data: ", data, b"\n\n"))


def push_event(frame: Frame) -> bytes:
    """Return a frame about rooms as an event with a name."""
    return _PUSH + event_of(frame)


def request_of(query: bytes, base: Base, per_request: Container[str]) -> Request:
    """Return the live request that an HTTP request asks for, and move its headers out of ``base``.

    Args:
        query: that of the HTTP request, with ``url`` and perhaps ``patch`` and ``events``.
        base: made from its scope. This changes it.
        per_request: lower-case names of the headers that only the first run has.

    Raises:
        Refused: as for the message with the same content.
    """
    parameters = parse_qs(query.decode("latin1"), keep_blank_values=True)
    environ = base.environ
    accepted = environ.pop("HTTP_ACCEPT", "").split(",")
    others = [kind for kind in accepted if not kind.strip().startswith("text/event-stream")]
    environ["HTTP_ACCEPT"] = ",".join(others).strip() or "*/*"
    headers = {}
    for name in base.header_names:
        if name in per_request and not is_forbidden(name):
            value = environ.pop("HTTP_" + name.upper().replace("-", "_"), None)
            if value is not None:
                headers[name] = value
    tags = environ.pop("HTTP_LAST_EVENT_ID", None)
    rerun = parameters.get("rerun", [""])[0]
    if tags:
        headers["if-none-match"] = tags
        # A page's own EventSource reopens its stream by itself, with no other header than this.
        match = _PROOF_TAG.search(tags)
        rerun = match[1] if match else rerun
    message: dict[str, Any] = {"id": REQUEST_ID, "subscribe": True, "headers": headers}
    if "url" in parameters:
        message["url"] = parameters["url"][0]
    if "patch" in parameters:
        kinds = parameters["patch"]
        message["patch"] = kinds if len(kinds) > 1 else kinds[0]
    message["tag_only"] = parameters.get("tag_only") == ["true"]
    message["rerun"] = rerun
    if "events" in parameters:
        message["events"] = parameters["events"]
        message["since"] = _since(parameters.get("since", ["{}"])[0])
    request = decode_client(msgspec.json.encode(message).decode())
    assert isinstance(request, Request)  # url makes it one, and decoding refuses a missing one
    return msgspec.structs.replace(request, id=None)


def _since(text: str) -> msgspec.Raw:
    """Return the positions of a query as a member of the message, which is then checked.

    Raises:
        Refused: ``bad_json``.
    """
    try:
        check_nesting(text)
        msgspec.json.decode(text)
    except UNREADABLE:
        raise Refused("bad_json", "since is the JSON of an object") from None
    return msgspec.Raw(text.encode())
