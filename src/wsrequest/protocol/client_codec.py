"""Decode and encode the frames that clients send: Request, Part, Cancel and Credit.

Implements PROTOCOL.md 4.1 and 4.3 to 4.5. ``validation`` and ``headers`` check the members of a
message, and ``session`` checks whether it may come now.
"""

from typing import Annotated, get_args

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from wsrequest.errors import Refused
from wsrequest.protocol import validation
from wsrequest.protocol.content import is_json
from wsrequest.protocol.framing import (
    UNREADABLE,
    check_credit,
    check_size,
    encode_ping,
    head_and_body,
    ping_value,
    refused_for,
)
from wsrequest.protocol.headers import check_headers
from wsrequest.protocol.messages import (
    Cancel,
    ClientMessage,
    Credit,
    EventKind,
    Part,
    PatchKind,
    Ping,
    Pong,
    Request,
)
from wsrequest.protocol.nesting import MAX_NESTING, check_nesting
from wsrequest.protocol.validation import check_id, need_id, readable_id
from wsrequest.types import Frame, Id

__all__ = ["decode_client", "encode_client"]

JSON_TYPE = "application/json"
TEXT_TYPE = (
    "text/plain;charset=UTF-8"  # fetch's type for a string (Fetch standard, "extract a body")
)
_WHITE_SPACE = b" \t\r\n"

_MAX_PATCH_KINDS = 8
_MAX_EVENT_KINDS = 8
_MAX_POSITIONS = 256

# With these headers, an application treats a GET as another method. Reruns would repeat its effect.
_METHOD_OVERRIDES = frozenset("x-http-method x-http-method-override x-method-override".split())


class _Head(Struct, omit_defaults=True):
    """All members that a client's frame may have, in the order in which they are printed."""

    id: Id | UnsetType = UNSET
    method: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    headers: dict[str, str] = {}
    data: Raw | UnsetType = UNSET
    body: str | UnsetType = UNSET
    token: str | None = None
    referrer: str | UnsetType = UNSET
    credit: int | UnsetType = UNSET
    more: bool = False
    cancel: bool = False
    subscribe: bool = False
    patch: PatchKind | Annotated[list[str], Meta(max_length=_MAX_PATCH_KINDS)] | None = None
    tag_only: bool = False
    settled: bool = False
    rerun: str | bool = False
    events: Annotated[list[str], Meta(max_length=_MAX_EVENT_KINDS)] | None = None
    since: Annotated[dict[str, str], Meta(max_length=_MAX_POSITIONS)] | None = None
    ping: Raw | UnsetType = UNSET
    pong: Raw | UnsetType = UNSET


_head = msgspec.json.Decoder(_Head)
_encode = msgspec.json.Encoder().encode

# Only for the text of a refusal, which names the member that has the wrong type. msgspec names it
# in its own words, which are not part of its interface.
_MUST_BE = {
    **dict.fromkeys(("method", "url", "body", "token", "referrer"), "a string"),
    **dict.fromkeys(("more", "cancel", "subscribe", "settled", "tag_only"), "true or false"),
    "id": "a string or an integer",
    "headers": "an object whose values are strings",
    "credit": "an integer",
    "patch": f'"json", "merge", "text" or a list of at most {_MAX_PATCH_KINDS} strings',
    "rerun": "a string or a boolean",
    "events": f"a list of at most {_MAX_EVENT_KINDS} strings",
    "since": f"an object of at most {_MAX_POSITIONS} strings",
}
_MAX_EXPLAINED_BYTES = 2**16  # of a member: longer headers would take milliseconds once more
_decoders = {
    field.name: msgspec.json.Decoder(field.type)
    for field in msgspec.structs.fields(_Head)
    if field.name in _MUST_BE
}
_raw_head = msgspec.json.Decoder(
    msgspec.defstruct("_RawHead", [(name, Raw | UnsetType, UNSET) for name in _decoders])
)


def decode_client(frame: Frame, *, max_bytes: int = 2**20) -> ClientMessage:
    """Return the message that a client's frame carries, after checking its shape.

    Args:
        frame: a text frame as str, a binary frame as bytes.
        max_bytes: the largest frame accepted, in bytes (of UTF-8 in a text frame).

    Raises:
        Refused: with the id, if it could be read, and a code of section 5.2.

    Source: PROTOCOL.md sections 2.6, 3 and 4.
    """
    if len(frame) * 4 > max_bytes:  # a character has at most four bytes
        check_size(frame, max_bytes)
    head_text, body = frame, None
    try:
        if isinstance(frame, bytes):
            head_text, body = head_and_body(frame)
        if len(head_text) > MAX_NESTING:  # most frames are shorter, and so cannot be deeper
            check_nesting(head_text)
        head = _head.decode(head_text)
    except UNREADABLE as error:
        raise refused_for(error, head_text, _explain) from None
    try:
        if head.url is not UNSET:
            return _request(head, head.url, body)
        return _other(head, body)
    except Refused as refused:
        refused.id = readable_id(head.id)
        raise


def _explain(head: Frame) -> str:
    """Say what is wrong with JSON that is not the head of a message."""
    try:
        members = _raw_head.decode(head)
    except msgspec.ValidationError:
        return "a frame is a JSON object"
    for name, decoder in _decoders.items():
        value = getattr(members, name)
        try:
            if value is not UNSET and len(bytes(value)) <= _MAX_EXPLAINED_BYTES:
                decoder.decode(value)
        except msgspec.ValidationError:
            hint = ": leave it out instead of null" if bytes(value) == b"null" else ""
            return f"{name} must be {_MUST_BE[name]}{hint}"
    return "a member has a wrong type"


def _other(head: _Head, body: bytes | None) -> ClientMessage:
    """Return the message of a head without a url."""
    if head.method is not UNSET:
        raise Refused("missing_url", "the message has a method and no url")
    if head.ping is not UNSET:
        return Ping(ping_value(head.ping))
    if head.pong is not UNSET:
        return Pong(ping_value(head.pong))
    id = check_id(head.id)
    if head.cancel:
        return Cancel(need_id(id, "cancel"))
    if head.credit is not UNSET:
        return Credit(need_id(id, "credit"), check_credit(head.credit))
    if body is not None and id is not None:
        return Part(id, body, head.more)
    raise Refused("missing_url", "the message has no url")


def _request(head: _Head, url: str, body: bytes | None) -> Request:
    id = check_id(head.id)
    method = "GET" if head.method is UNSET else validation.check_method(head.method)
    url = validation.check_url(url)
    if head.headers:
        check_headers(head.headers)
    if head.token is not None:
        validation.check_token(head.token, head.headers)
    referrer = None if head.referrer is UNSET else validation.check_referrer(head.referrer)
    credit = None if head.credit is UNSET else check_credit(head.credit)
    if head.more and body is None:
        raise Refused("bad_message", "more needs a binary frame")
    if (head.more or credit is not None or head.settled) and id is None:
        raise Refused("bad_message", "more, credit and settled need an id")
    patch = None
    events: tuple[EventKind, ...] = ()
    if head.subscribe:
        _check_subscribe(head, method, id)
        patch = _known_kinds(head.patch)
        if head.events:
            events = tuple(kind for kind in get_args(EventKind) if kind in head.events)
    query, content, content_type = "", body, None
    if head.data is not UNSET or head.body is not UNSET or body is not None:
        query, content, content_type = _content(head, method, body)
    return Request(
        method, url, id, head.headers, query, content, content_type, head.token, credit, head.more,
        head.subscribe, patch, head.settled,
        head.rerun if head.subscribe and isinstance(head.rerun, str) else "", referrer,
        head.tag_only and patch is not None, events, head.since if events else None,
    )  # fmt: skip


def _known_kinds(patch: PatchKind | list[str] | None) -> PatchKind | list[PatchKind] | None:
    if not isinstance(patch, list):
        return patch
    return [kind for kind in get_args(PatchKind) if kind in patch] or None


def _check_subscribe(head: _Head, method: str, id: Id | None) -> None:
    if method != "GET":
        raise Refused("bad_message", f"only a GET can be subscribed to, not a {method}")
    if id is None:
        raise Refused("bad_message", "subscribe needs an id")
    for name in head.headers:
        if name.lower() in _METHOD_OVERRIDES:
            raise Refused("bad_header", f"a request with subscribe cannot have {name}", id)
    if head.more or head.credit is not UNSET:
        raise Refused("bad_message", "subscribe is answered whole, without credit and more")
    if head.referrer is not UNSET:
        raise Refused("bad_message", "a live request has no referrer, because it is run again")


def _content(head: _Head, method: str, body: bytes | None) -> tuple[str, bytes | None, str | None]:
    """Return the query, the body, and the type of a body if no header states it."""
    data, text = head.data, head.body
    if (data is not UNSET) + (text is not UNSET) + (body is not None) > 1:
        raise Refused(
            "bad_message",
            "a request has one body: data, body, or what follows the head of a binary frame",
        )
    if method in ("GET", "HEAD"):
        if text is not UNSET or body is not None:
            raise Refused("bad_message", f"a {method} has no body; its data becomes the query")
        return ("" if data is UNSET else validation.encode_query(data)), None, None
    if data is not UNSET:
        return "", bytes(data), JSON_TYPE
    if text is not UNSET:
        return "", text.encode(), TEXT_TYPE
    return "", body, None


def encode_client(message: ClientMessage) -> Frame:
    """Return the frame for a client's message, in text if its body is JSON or text."""
    if isinstance(message, Request):
        return _encode_request(message)
    if isinstance(message, Part):
        return _encode(_Head(id=message.id, more=message.more)) + b"\n" + message.body
    if isinstance(message, Cancel):
        return _encode(_Head(id=message.id, cancel=True)).decode()
    if isinstance(message, Credit):
        return _encode(_Head(id=message.id, credit=message.count)).decode()
    return encode_ping(message)


def _encode_request(message: Request) -> Frame:
    url = message.url
    if message.query:
        url += ("&" if "?" in url else "?") + message.query
    head = _Head(
        id=UNSET if message.id is None else message.id,
        method=UNSET if message.method == "GET" else message.method,
        url=url,
        headers=message.headers,
        token=message.token,
        referrer=UNSET if message.referrer is None else message.referrer,
        credit=UNSET if message.credit is None else message.credit,
        more=message.more,
        subscribe=message.subscribe,
        patch=list(message.patch) if isinstance(message.patch, list) else message.patch,
        tag_only=message.tag_only,
        settled=message.settled,
        rerun=message.rerun or False,
        events=list(message.events) or None,
        since=message.since,
    )
    if message.body is None or _put_body(head, message.body, message.content_type):
        return _encode(head).decode()
    names = [name.lower() for name in message.headers]
    if message.content_type is not None and "content-type" not in names:
        head.headers = {**message.headers, "Content-Type": message.content_type}
    return _encode(head) + b"\n" + message.body


def _put_body(head: _Head, body: bytes, content_type: str | None) -> bool:
    """Put a body into the head of a text frame if that preserves every byte of it."""
    if head.more:
        return False
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    if content_type == TEXT_TYPE:
        head.body = text
    # White space around a JSON value is not part of it, and would be lost.
    elif content_type == JSON_TYPE and body.strip(_WHITE_SPACE) == body and is_json(body):
        head.data = Raw(body)
    else:
        return False
    return True
