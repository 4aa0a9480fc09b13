"""What is sent, what a view joins, and which of it is valid.

A user or a session is a room of its own kind. Its name is a digest, so that nobody who can read the
bus learns the key of a session.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal
from uuid import UUID

import msgspec
from django.contrib.auth import get_user_model
from django.core.serializers.json import DjangoJSONEncoder

from wsrequest.bus.base import Topic
from wsrequest.protocol.nesting import MAX_NESTING, nests_deeper

__all__ = [
    "EVENTS",
    "Audience",
    "Event",
    "Join",
    "Kind",
    "check_event",
    "check_key",
    "check_room",
    "data_of",
    "join_of",
    "overhead_bytes",
    "session_name",
    "user_name",
]

Kind = Literal["room", "user", "session"]
"""What an event is sent to."""

MAX_ROOM_CHARACTERS = 255
MAX_EVENT_CHARACTERS = 64
MAX_KEY_CHARACTERS = 255
MAX_MEMBER_CHARACTERS = 255
MAX_INFO_BYTES = 1024

_EVENT_LEVELS = 1  # of the frame around the data of an event
_INFO_LEVELS = 5  # around info: the frame, its rooms, one of these, its members, one of these

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_EVENT = re.compile(rf"[A-Za-z0-9_.:/-]{{1,{MAX_EVENT_CHARACTERS}}}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WEIGHT_BYTES = 400  # of an event without its texts


class Event(msgspec.Struct, frozen=True, array_like=True):
    """An event on its way to all processes.

    Attributes:
        kind: what it is sent to.
        name: that of the room, or the digest that names a user or a session.
        event: its name.
        data: its JSON, in UTF-8.
        key: of several events with one key, only the newest counts. None for an event that counts
            by itself.
        exclude: the connection that does not get it, or None.
        epoch: of the number. Empty if the bus does not number events.
        number: its place among all events.
    """

    kind: Kind
    name: str
    event: str
    data: bytes
    key: str | None = None
    exclude: str | None = None
    epoch: str = ""
    number: int = 0

    def weight_bytes(self) -> int:
        """Return roughly how much memory it takes."""
        return _WEIGHT_BYTES + len(self.data) + len(self.name) + len(self.key or "")


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode


def _numbered(event: Event | None, epoch: str, number: int) -> Event:
    if event is None:
        return Event("room", "", "", b"", epoch=epoch, number=number)
    return msgspec.structs.replace(event, epoch=epoch, number=number)


EVENTS: Topic[Event] = Topic(
    "events", _encode, _decode, Event.weight_bytes, number=_numbered, is_kept=True
)
"""The topic of all events. One without a name only says how far the bus is."""


def overhead_bytes(event: Event) -> int:
    """Return how many bytes an event takes on the bus besides its data."""
    return len(_encode(event)) - len(event.data)


@dataclass(frozen=True, slots=True)
class Join:
    """A room that a view has joined.

    Attributes:
        room: its name.
        member: who is there, or None.
        info: what the view says about the member: a JSON object.
    """

    room: str
    member: str | None = None
    info: bytes = b"{}"


@dataclass(frozen=True, slots=True)
class Audience:
    """Whose events the client gets after a run, as far as it has asked for them.

    Attributes:
        joins: the rooms that the view has joined.
        user: the name of the user that the run was for, or None.
    """

    joins: tuple[Join, ...] = ()
    user: str | None = None


def check_room(room: str) -> str:
    """Return the name of a room.

    Raises:
        TypeError: it is not a string.
        ValueError: it cannot be the name of a room.
    """
    return _text(room, "the name of a room", MAX_ROOM_CHARACTERS)


def check_event(event: str) -> str:
    """Return the name of an event.

    Raises:
        TypeError: it is not a string.
        ValueError: it cannot be the name of an event.
    """
    if not isinstance(event, str):
        raise TypeError(f"the name of an event must be a string, not {type(event).__name__}")
    if not _EVENT.fullmatch(event):
        raise ValueError(
            f"the name of an event has 1 to {MAX_EVENT_CHARACTERS} ASCII letters, digits and "
            f"_ . : / - only, not {event[:80]!r}"
        )
    return event


def check_key(key: str | None) -> str | None:
    """Return the key of an event.

    Raises:
        TypeError: it is neither a string nor None.
        ValueError: it cannot be a key.
    """
    return None if key is None else _text(key, "the key of an event", MAX_KEY_CHARACTERS)


def data_of(
    data: object, max_bytes: int, what: str = "the data of an event", levels: int = _EVENT_LEVELS
) -> bytes:
    """Return the JSON of a value, as ``JsonResponse`` would write it.

    Args:
        data: what Django's JSON encoder knows.
        max_bytes: how long the JSON may be.
        what: names the value in errors.
        levels: of arrays and objects around it in a frame, at most.

    Raises:
        TypeError: it has no JSON.
        ValueError: it is too long, nests too deeply, contains itself, or has ``NaN``, an infinite
            number or half a surrogate pair.
    """
    try:
        # Without ASCII escapes, text of other languages takes a third of the bytes.
        text = json.dumps(
            data, cls=DjangoJSONEncoder, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        )
    except TypeError as error:
        raise TypeError(f"{what} must be JSON: {error}") from None
    except ValueError as error:
        raise ValueError(f"{what} must be JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{what} nests too deeply") from None
    if nests_deeper(text, MAX_NESTING - levels):
        raise ValueError(f"{what} nests too deeply")
    if _SURROGATE.search(text):
        raise ValueError(f"{what} has half a surrogate pair, which is not text")
    encoded = text.encode()
    if len(encoded) > max_bytes:
        raise ValueError(f"{what} may have {max_bytes} bytes of JSON, not {len(encoded)}")
    return encoded


def join_of(
    room: str, member: str | int | UUID | None = None, info: Mapping[str, Any] | None = None
) -> Join:
    """Return what a view has joined.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is too long, or not what it must be.
    """
    name = check_room(room)
    if member is None:
        if info is not None:
            raise ValueError("info is about a member: name the member, too")
        return Join(name)
    if isinstance(member, bool) or not isinstance(member, str | int | UUID):
        raise TypeError(f"a member is a string, an integer or a UUID, not {type(member).__name__}")
    id = _text(str(member), "a member", MAX_MEMBER_CHARACTERS)
    if info is None:
        return Join(name, id)
    if not isinstance(info, Mapping):
        raise TypeError(f"info must be a mapping, not {type(info).__name__}")
    return Join(name, id, data_of(dict(info), MAX_INFO_BYTES, "info", _INFO_LEVELS))


def user_name(user: object) -> str:
    """Return what names a user to other processes.

    Args:
        user: a user, or the primary key of one of ``AUTH_USER_MODEL``. An instance of a model that
            extends it is the same user.

    Raises:
        ValueError: the user has no primary key, such as an anonymous one.
    """
    meta, key = getattr(user, "_meta", None), getattr(user, "pk", user)
    users: Any = get_user_model()._meta.concrete_model
    if isinstance(user, users):
        key = getattr(user, users._meta.pk.attname)  # a child may have another primary key
    elif meta is not None:
        users = meta.concrete_model
    if key is None or getattr(user, "is_anonymous", False) is True:
        raise ValueError("an anonymous user, or one that is not saved, cannot be sent events")
    return _digest(b"user", f"{users._meta.label_lower}:{key}")


def session_name(session_key: str) -> str:
    """Return what names a session to other processes.

    Raises:
        TypeError: the key is not a string.
        ValueError: the key is empty.
    """
    if not isinstance(session_key, str):
        raise TypeError(f"a session key is a string, not {type(session_key).__name__}")
    if not session_key:
        raise ValueError("the session has no key: save it first")
    return _digest(b"session", session_key)


def _digest(kind: bytes, key: str) -> str:
    text = key.encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16, person=b"wsr.push." + kind).hexdigest()


def _text(value: str, what: str, max_characters: int) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, not {type(value).__name__}")
    if not 0 < len(value) <= max_characters:
        raise ValueError(f"{what} has 1 to {max_characters} characters, not {len(value)}")
    if _CONTROL.search(value):
        raise ValueError(f"{what} must not have control characters: {value[:80]!r}")
    return value
