"""Decode and encode the frames that the server sends: Hello, Uncertain, Response, Part and others.

Implements PROTOCOL.md 3, 4.2 to 4.4, and 5.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from wsrequest.errors import Refused
from wsrequest.protocol.content import body_of, data_of
from wsrequest.protocol.framing import (
    UNREADABLE,
    check_credit,
    encode_ping,
    head_and_body,
    ping_value,
    refused_for,
)
from wsrequest.protocol.messages import (
    Credit,
    Event,
    Hello,
    JoinedRoom,
    Member,
    Missed,
    Part,
    Ping,
    Pong,
    Presence,
    Refusal,
    Response,
    Rooms,
    ServerMessage,
    Uncertain,
)
from wsrequest.protocol.nesting import check_nesting
from wsrequest.protocol.validation import check_id, need_id
from wsrequest.types import Frame, Headers, Id

__all__ = [
    "decode_server",
    "encode_ending",
    "encode_event",
    "encode_refused",
    "encode_response",
    "encode_server",
    "encode_version",
    "encode_whole",
]


class _ResponseHead(Struct, omit_defaults=True):
    """The members of a Response, in the order in which they are printed: ``data`` last."""

    id: Id | UnsetType
    version: int | UnsetType
    status: int
    headers: Headers
    cookies: str | None = None
    csrf: str | None = None
    more: bool = False
    settled: bool | UnsetType = UNSET
    rerun: str | None = None
    patch: Literal["json", "text"] | None = None
    data: Raw | str | UnsetType = UNSET


class _Failure(Struct, omit_defaults=True):
    code: str
    detail: str
    temporary: bool | UnsetType = UNSET
    id: Id | UnsetType = UNSET


class _Head(Struct, omit_defaults=True):
    """All members that a server's frame may have, so that msgspec reads it in one pass."""

    id: Id | UnsetType = UNSET
    status: int | UnsetType = UNSET
    headers: Headers = {}
    cookies: str | None = None
    csrf: str | None = None
    more: bool = False
    version: int | UnsetType = UNSET
    settled: bool | UnsetType = UNSET
    rerun: str | None = None
    patch: Literal["json", "text"] | None = None
    credit: int | UnsetType = UNSET
    hello: Hello | UnsetType = UNSET
    ping: Raw | UnsetType = UNSET
    pong: Raw | UnsetType = UNSET
    uncertain: bool | UnsetType = UNSET
    error: _Failure | UnsetType = UNSET
    rooms: list[JoinedRoom] | UnsetType = UNSET
    event: str | UnsetType = UNSET
    presence: str | UnsetType = UNSET
    missed: str | UnsetType = UNSET
    room: str | None = None
    to: Literal["user", "session"] | None = None
    position: str | None = None
    joined: list[Member] = []
    left: list[str] = []
    data: Raw | UnsetType = UNSET


_head = msgspec.json.Decoder(_Head)
_encode = msgspec.json.Encoder().encode


def encode_server(message: ServerMessage) -> Frame:
    """Return the frame for a message of the server, in text if the body allows it (4.2)."""
    if isinstance(message, Response):
        return encode_response(message)
    if isinstance(message, Part):
        return _encode(_Head(id=message.id, more=message.more)) + b"\n" + message.body
    if isinstance(message, Refusal):
        about = _or_unset(message.about)
        failure = _Failure(message.code, message.detail, message.temporary, about)
        status = UNSET if message.status is None else message.status
        return _encode(_Head(id=_or_unset(message.id), status=status, error=failure)).decode()
    if isinstance(message, Credit):
        return _encode(_Head(id=message.id, credit=message.count)).decode()
    if isinstance(message, Hello):
        return _encode(_Head(hello=message)).decode()
    if isinstance(message, Uncertain):
        return _encode(_Head(uncertain=message.uncertain)).decode()
    if isinstance(message, Event):
        return encode_event(message)
    if isinstance(message, Rooms):
        return _encode(_Head(id=_or_unset(message.id), rooms=message.rooms)).decode()
    if isinstance(message, Presence | Missed):
        return _encode(_Head(**msgspec.structs.asdict(message))).decode()
    return encode_ping(message)


def encode_event(message: Event) -> Frame:
    """Return the frame of an event, the same for all who get it."""
    head = _Head(event=message.event, room=message.room, to=message.to, position=message.position)
    return f'{_encode(head).decode()[:-1]},"data":{bytes(message.data).decode()}}}'


def encode_refused(refused: Refused, *, has_begun: bool = False) -> Frame:
    """Return the frame that reports an error (5).

    Args:
        refused: the error. Its id is that of the request, except for ``id_in_use``.
        has_begun: whether the response failed after its first frame, so there is no status (4.3).
    """
    is_foreign = refused.code == "id_in_use"
    return encode_server(
        Refusal(
            refused.code,
            refused.detail,
            refused.temporary,
            None if has_begun else refused.status,
            None if is_foreign else refused.id,
            refused.id if is_foreign else None,
        )
    )


def encode_version(id: Id | None, version: int, tail: Frame) -> Frame:
    """Return the frame of one version for one subscriber (4.7).

    Args:
        id: that of the live request. None for server-sent events, which need no id.
        version: greater than all earlier ones.
        tail: the frame of a Response without id and version, the same for all subscribers.
    """
    head = b"{" if id is None else b'{"id":' + _encode(id) + b","
    head += b'"version":%d,' % version
    return head.decode() + tail[1:] if isinstance(tail, str) else head + tail[1:]


def encode_ending(data: Raw | str | None, body: bytes) -> Frame:
    """Return the end of the frame of a whole response, for ``encode_whole``.

    Args:
        data: the result of ``data_of``, which takes the longest to compute.
        body: of the response, not empty.
    """
    if data is None:
        return b"\n" + body
    try:
        text = body.decode() if isinstance(data, Raw) else _encode(data).decode()
    except UnicodeDecodeError:
        return b"\n" + body
    return f',"data":{text}}}'


def encode_whole(message: Response, ending: Frame) -> Frame:
    """Return the frame of a response whose body is already encoded, as ``encode_response`` would.

    Args:
        message: without its body.
        ending: the result of ``encode_ending``.
    """
    head = encode_response(message)
    assert isinstance(head, str)  # it has no body
    return head[:-1] + ending if isinstance(ending, str) else head.encode() + ending


def encode_response(message: Response) -> Frame:
    """Return the frame for a response, as ``encode_server`` does."""
    id, body = message.id, message.body
    head = _ResponseHead(
        UNSET if id is None else id,
        UNSET if message.version is None else message.version,
        message.status,
        message.headers,
        message.cookies,
        message.csrf,
        message.more,
        UNSET if message.settled is None else message.settled,
        message.rerun,
        message.patch,
    )
    if message.patch is not None and body:
        head.data = Raw(body)
        return _encode(head).decode()
    if message.more:
        return _encode(head) + b"\n" + (body or b"")
    if not body:
        return _encode(head).decode()
    data = data_of(message.headers, body)
    if data is not None:
        head.data = data
        try:
            return _encode(head).decode()
        except UnicodeDecodeError:
            head.data = UNSET
    return _encode(head) + b"\n" + body


def _or_unset(id: Id | None) -> Id | UnsetType:
    return UNSET if id is None else id


def _explain(head: Frame) -> str:
    if head.lstrip()[:1] not in ("{", b"{"):
        return "a frame is a JSON object"
    return "the frame is not a message of the server (PROTOCOL.md)"


def decode_server(frame: Frame) -> ServerMessage | None:
    """Return the message that a server's frame carries, or None for one to ignore (2.6).

    The client's transport limits the size of a frame.

    Raises:
        Refused: ``bad_json`` or ``bad_message``. The peer does not speak this protocol.
    """
    head_text, body = frame, None
    try:
        if isinstance(frame, bytes):
            head_text, body = head_and_body(frame)
        check_nesting(head_text)
        head = _head.decode(head_text)
    except UNREADABLE as error:
        raise refused_for(error, head_text, _explain) from None
    if head.ping is not UNSET:
        return Ping(ping_value(head.ping))
    if head.pong is not UNSET:
        return Pong(ping_value(head.pong))
    if head.hello is not UNSET:
        return head.hello
    if head.uncertain is not UNSET:
        return Uncertain(head.uncertain)
    id = check_id(head.id)
    if head.credit is not UNSET:
        return Credit(need_id(id, "credit"), check_credit(head.credit))
    if head.error is not UNSET:
        return _refusal(head, head.error, id)
    if head.status is not UNSET:
        return _response(head, head.status, id, body)
    if head.rooms is not UNSET:
        return Rooms(head.rooms, id)
    if head.event is not UNSET:
        data = Raw(b"null") if head.data is UNSET else head.data
        return Event(head.event, data, head.room, head.position, head.to)
    if head.presence is not UNSET:
        return Presence(head.presence, head.joined, head.left)
    if head.missed is not UNSET:
        return Missed(head.missed, head.position, head.to)
    if body is not None and id is not None:
        return Part(id, body, head.more)
    return None


def _refusal(head: _Head, failure: _Failure, id: Id | None) -> Refusal:
    return Refusal(
        failure.code,
        failure.detail,
        failure.temporary is True,
        None if head.status is UNSET else head.status,
        id,
        check_id(failure.id),
    )


def _response(head: _Head, status: int, id: Id | None, body: bytes | None) -> Response:
    if not 100 <= status <= 599:
        raise Refused("bad_message", "a status is a number from 100 to 599", id)
    if head.more and (body is None or id is None):
        raise Refused("bad_message", "more needs a binary frame and an id", id)
    version = None if head.version is UNSET else head.version
    is_patch = version is not None and body is None and head.data is not UNSET
    patch = head.patch if is_patch else None
    if body is None and head.data is not UNSET:
        body = bytes(head.data) if patch else body_of(head.headers, head.data)
    settled = None if head.settled is UNSET else head.settled
    return Response(
        status, head.headers, id, body or None, head.more, head.cookies, version, patch, settled,
        head.csrf, None if version is None else head.rerun,
    )  # fmt: skip
