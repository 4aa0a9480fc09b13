"""Define one frozen class per message, with the names of PROTOCOL.md.

The classes have only a shape. The codecs turn them into bytes, and ``session`` decides when they
may come.
"""

from enum import StrEnum
from typing import Any, Literal

from msgspec import Raw, Struct

from wsrequest.types import Headers, Id

__all__ = [
    "PATCH_KINDS",
    "Cancel",
    "ClientMessage",
    "Credit",
    "Event",
    "EventKind",
    "Hello",
    "HelloLimits",
    "JoinedRoom",
    "LiveState",
    "Member",
    "Missed",
    "Part",
    "PatchKind",
    "Ping",
    "Pong",
    "Presence",
    "Refusal",
    "Request",
    "Response",
    "Rooms",
    "ServerMessage",
    "Uncertain",
]

PatchKind = Literal["json", "merge", "text"]
"""The patches that a client may ask for (4.7). "merge" (RFC 7396) is answered with whole bodies."""

PATCH_KINDS: tuple[PatchKind, ...] = ("json", "text")
"""The patches that a server makes, as Hello announces them."""

EventKind = Literal["room", "user", "session"]
"""Whose events a live request may ask for (4.11)."""


class LiveState(StrEnum):
    """The state of a live request in client terms (4.10). Only ``live`` means current."""

    CONNECTING = "connecting"
    LIVE = "live"
    POLLING = "polling"
    UNCERTAIN = "uncertain"
    FAILING = "failing"
    ENDED = "ended"


class Ping(Struct, frozen=True):
    """Asks the other side for a sign of life (3.2). ``value`` is JSON of at most 125 bytes."""

    value: Raw


class Pong(Struct, frozen=True):
    """Answers a Ping with the same value (3.2)."""

    value: Raw


class HelloLimits(Struct, frozen=True, omit_defaults=True):
    """The limits that a client must respect (3.1), in bytes and counts."""

    message_bytes: int
    body_bytes: int
    in_flight: int
    waiting: int
    part_bytes: int
    window_bytes: int
    subscriptions: int = 0


class Hello(Struct, frozen=True, omit_defaults=True):
    """The first message to a client that negotiated the subprotocol (3.1).

    ``tickets`` is set if the connection cannot use tickets, or not yet. ``referrer`` says whether
    messages may have one. ``patches`` has the kinds of patch that the server makes (4.7).
    ``events`` says whether live requests may ask for events (4.11).
    """

    protocol: str
    ping_seconds: float
    limits: HelloLimits
    tickets: Literal["bind", "no"] | None = None
    referrer: bool = False
    patches: tuple[str, ...] = ()
    events: bool = False


class Uncertain(Struct, frozen=True):
    """Whether the server may miss changes of the connection's live requests (3.3)."""

    uncertain: bool


class Request(Struct, frozen=True):
    """A request (4.1), checked, with its body extracted.

    ``query`` is the encoded text that ``data`` adds to the query string of a GET or HEAD.
    ``headers`` has the names as sent, without ``token`` and ``referrer``. ``referrer`` becomes the
    Referer header. Without a body, ``body`` is ``None``, which differs from an empty one.
    ``patch`` is the kind of patch that a subscriber can apply, or several of them (4.7).
    ``tag_only``: the client has only the tag of what If-None-Match names. ``rerun`` is the proof of
    an earlier response to this live request, which the client now resumes. ``events`` are those
    that the client asks for, and ``since`` the positions that it holds, by room (4.11).
    """

    method: str
    url: str
    id: Id | None = None
    headers: dict[str, str] = {}
    query: str = ""
    body: bytes | None = None
    content_type: str | None = None
    token: str | None = None
    credit: int | None = None
    more: bool = False
    subscribe: bool = False
    patch: PatchKind | list[PatchKind] | None = None
    settled: bool = False
    rerun: str = ""
    referrer: str | None = None
    tag_only: bool = False
    events: tuple[EventKind, ...] = ()
    since: dict[str, str] | None = None


class Cancel(Struct, frozen=True):
    """Gives up a request (4.5)."""

    id: Id


class Credit(Struct, frozen=True):
    """Allows the sender of a body to send ``count`` more bytes (4.4)."""

    id: Id
    count: int


class Part(Struct, frozen=True):
    """A later piece of a body that an earlier frame began (4.3). The last is without ``more``."""

    id: Id
    body: bytes
    more: bool = False


class Response(Struct, frozen=True):
    """A response, or its first frame if ``more`` is set (4.2).

    ``body`` is raw, or ``None`` without a body. The codec chooses the frame that carries it.
    With ``version`` it is one of several responses (4.7). With ``patch``, its ``body`` is JSON that
    changes the previous body. ``settled`` is set only if the client asked for it (4.8).
    ``csrf`` is a CSRF token for requests over HTTP (6.5). ``rerun`` is the proof with which the
    client can resume the live request (4.7).
    """

    status: int
    headers: Headers
    id: Id | None = None
    body: bytes | None = None
    more: bool = False
    cookies: str | None = None
    version: int | None = None
    patch: Literal["json", "text"] | None = None
    settled: bool | None = None
    csrf: str | None = None
    rerun: str | None = None


class Refusal(Struct, frozen=True):
    """A message that never reached the application, or a response that failed (5).

    A response that failed after its first frame has no ``status`` (4.3).
    ``about`` is the id that an ``id_in_use`` refusal names without belonging to it.
    """

    code: str
    detail: str
    temporary: bool
    status: int | None = None
    id: Id | None = None
    about: Id | None = None


class Member(Struct, frozen=True, omit_defaults=True):
    """Somebody in a room (4.11). ``id`` is the same on all connections of one member."""

    id: str
    info: dict[str, Any]


class JoinedRoom(Struct, frozen=True, omit_defaults=True):
    """A room of a live request (4.11). ``members`` is ``None`` in a room without presence.

    ``missed`` is set only if the client has named a position that it holds.
    """

    room: str
    position: str
    missed: bool | None = None
    members: list[Member] | None = None


class Rooms(Struct, frozen=True):
    """All rooms of a live request, from now on (4.11)."""

    rooms: list[JoinedRoom]
    id: Id | None = None


class Event(Struct, frozen=True):
    """An event to a room, which has a position, or to a user or a session (4.11)."""

    event: str
    data: Raw
    room: str | None = None
    position: str | None = None
    to: Literal["user", "session"] | None = None


class Presence(Struct, frozen=True):
    """A change of the members of a room (4.11). ``left`` has ids of members."""

    presence: str
    joined: list[Member]
    left: list[str]


class Missed(Struct, frozen=True):
    """Events of a room were lost. Those after the position follow (4.11).

    For events to a user or a session, ``missed`` is empty and there is no position.
    """

    missed: str
    position: str | None = None
    to: Literal["user", "session"] | None = None


ClientMessage = Ping | Pong | Cancel | Request | Credit | Part
ServerMessage = (
    Hello | Ping | Pong | Uncertain | Credit | Refusal | Response | Part
    | Rooms | Event | Presence | Missed
)  # fmt: skip
