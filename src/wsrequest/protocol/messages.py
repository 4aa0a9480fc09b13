"""One frozen class per message, named as in PROTOCOL.md.

Owns shapes only: the bytes are ``codec``'s, what may come when is ``session``'s.
"""

from enum import StrEnum
from typing import Literal

from msgspec import Raw, Struct

from wsrequest.types import Headers, Id

__all__ = [
    "Cancel",
    "ClientMessage",
    "Credit",
    "Hello",
    "HelloLimits",
    "LiveState",
    "Part",
    "PatchKind",
    "Ping",
    "Pong",
    "Refusal",
    "Request",
    "Response",
    "ServerMessage",
]

PatchKind = Literal["json", "merge"]
"""What a client may ask for (4.7): RFC 6902, or RFC 7396, for which whole bodies are sent."""


class LiveState(StrEnum):
    """How a live request stands, as clients say it (4.10). Only what is live is current."""

    CONNECTING = "connecting"
    LIVE = "live"
    POLLING = "polling"
    UNCERTAIN = "uncertain"
    FAILING = "failing"
    ENDED = "ended"


class Ping(Struct, frozen=True):
    """Asks the other side for a sign of life (3.2). ``value``: any JSON, at most 125 bytes."""

    value: Raw


class Pong(Struct, frozen=True):
    """Answers a Ping with its value (3.2)."""

    value: Raw


class HelloLimits(Struct, frozen=True, omit_defaults=True):
    """The limits that a client must keep to (3.1): bytes and counts."""

    message_bytes: int
    body_bytes: int
    in_flight: int
    waiting: int
    part_bytes: int
    window_bytes: int
    subscriptions: int = 0


class Hello(Struct, frozen=True, omit_defaults=True):
    """Greets a client that offered the subprotocol (3.1). ``tickets`` is None where it has them.

    ``referrer``: whether its messages may have one.
    """

    protocol: str
    ping_seconds: float
    limits: HelloLimits
    tickets: Literal["bind", "no"] | None = None
    referrer: bool = False


class Request(Struct, frozen=True):
    """A request (4.1), checked and with its body told apart.

    ``query`` is what ``data`` adds to the query string of a GET or HEAD, encoded.
    ``headers`` hold the names as sent; ``token`` is not among them. ``body`` is
    None where the request has none, which is another thing than an empty one.
    ``patch``: the kind of patches that a subscriber can apply (4.7). ``rerun``: what an earlier
    answer to this live request had as its ``rerun``; the client sends it again by itself.
    ``referrer`` is the Referer, which is not among ``headers``.
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
    patch: PatchKind | None = None
    settled: bool = False
    rerun: str = ""
    referrer: str | None = None


class Cancel(Struct, frozen=True):
    """Ends a request from the client's side (4.5)."""

    id: Id


class Credit(Struct, frozen=True):
    """Allows the sender of a body so many bytes more (4.4)."""

    id: Id
    count: int


class Part(Struct, frozen=True):
    """A piece of a body behind the frame that began it (4.3); the last has not ``more``."""

    id: Id
    body: bytes
    more: bool = False


class Response(Struct, frozen=True):
    """An answer, or with ``more`` its first frame (4.2).

    ``body`` is raw; ``codec`` chooses the frame that carries it. None: no body.
    With ``version`` it is one of several (4.7); with ``patch`` its ``body`` is no body, but JSON
    that changes the one before. ``settled`` is None where nobody asked (4.8).
    ``csrf`` is a CSRF token for requests by HTTP (6.5). ``rerun`` proves that it was answered, for
    when the client takes it up again (4.7).
    """

    status: int
    headers: Headers
    id: Id | None = None
    body: bytes | None = None
    more: bool = False
    cookies: str | None = None
    version: int | None = None
    patch: Literal["json"] | None = None
    settled: bool | None = None
    csrf: str | None = None
    rerun: str | None = None


class Refusal(Struct, frozen=True):
    """A message that never reached the application, or an answer that failed (5).

    ``status`` is None for an answer that failed behind its first frame (4.3).
    ``about`` is the id that ``id_in_use`` names without belonging to it.
    """

    code: str
    detail: str
    temporary: bool
    status: int | None = None
    id: Id | None = None
    about: Id | None = None


ClientMessage = Ping | Pong | Cancel | Request | Credit | Part
ServerMessage = Hello | Ping | Pong | Credit | Refusal | Response | Part
