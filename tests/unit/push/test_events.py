"""What can be sent and joined, and what is refused at once."""

import datetime
import math
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.test.utils import isolate_apps
from msgspec import Raw

from wsrequest.protocol.messages import Event as EventMessage
from wsrequest.protocol.messages import JoinedRoom, Rooms
from wsrequest.protocol.nesting import MAX_NESTING, nests_deeper
from wsrequest.protocol.server_codec import encode_event, encode_server
from wsrequest.push import events
from wsrequest.push.events import (
    EVENTS,
    Event,
    Join,
    check_event,
    check_key,
    check_room,
    data_of,
    join_of,
    overhead_bytes,
    session_name,
    user_name,
)
from wsrequest.push.members import Members


@pytest.mark.parametrize("room", ["a", "snippet:7", "é 😀", "x" * 255, '"\\'])
def test_name_of_a_room(room: str) -> None:
    assert check_room(room) == room


@pytest.mark.parametrize("room", ["", "x" * 256, "a\n", "\x00", "\x7f", "\x85", "\ud800"])
def test_what_is_no_name_of_a_room(room: str) -> None:
    with pytest.raises(ValueError, match="the name of a room"):
        check_room(room)


@pytest.mark.parametrize("event", ["typing", "a.b:c/d-e_f", "9", "x" * 64])
def test_name_of_an_event(event: str) -> None:
    assert check_event(event) == event


@pytest.mark.parametrize("event", ["", "x" * 65, "a b", "é", "a\n", "{}"])
def test_what_is_no_name_of_an_event(event: str) -> None:
    with pytest.raises(ValueError, match="the name of an event"):
        check_event(event)


@pytest.mark.parametrize("value", [None, 7, b"a", ["a"]])
def test_names_are_strings(value: Any) -> None:
    for check in (check_room, check_event):
        with pytest.raises(TypeError, match="must be a string"):
            check(value)
    if value is not None:
        with pytest.raises(TypeError, match="must be a string"):
            check_key(value)


def test_key_is_text_or_none() -> None:
    assert check_key(None) is None and check_key("progress") == "progress"
    with pytest.raises(ValueError, match="the key of an event"):
        check_key("")


def test_data_is_what_django_writes_as_json() -> None:
    moment = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
    assert data_of({"at": moment, "é": [1, None]}, 100) == (
        '{"at":"2026-12-01T00:00:00Z","é":[1,null]}'.encode()
    )


@pytest.mark.documents("docs/bad-input.md", "sends data that has no JSON")
def test_data_that_has_no_json_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    for data in (object(), {1, 2}, b"a", {("a",): 1}):
        with pytest.raises(TypeError):
            data_of(data, 100)
    for data in (math.nan, [math.inf], circle, "\ud800"):
        with pytest.raises(ValueError, match="the data of an event"):
            data_of(data, 100)


def test_data_that_nests_too_deeply_is_refused() -> None:
    deep: Any = []
    for _ in range(600):
        deep = [deep]
    with pytest.raises(ValueError, match="nests"):
        data_of(deep, 10_000)


def nested(levels: int) -> Any:
    """An object with so many levels."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"": value}
    return value


def test_frame_of_the_deepest_data_nests_no_deeper_than_it_may() -> None:
    data = Raw(data_of(nested(MAX_NESTING - 1), 10_000))
    assert not nests_deeper(encode_event(EventMessage("a", data, "a", "e:1")), MAX_NESTING)
    with pytest.raises(ValueError, match="nests"):
        data_of(nested(MAX_NESTING), 10_000)


def test_frames_of_the_deepest_info_nest_no_deeper_than_they_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "MAX_INFO_BYTES", 10_000)
    join = join_of("a", "7", nested(MAX_NESTING - 5))
    members = Members(lambda room: True)
    members.put("a", "7", "e", 1, join.info)
    listed: Any = Raw(members.encoded("a") or b"")
    frames = [frame for _, frame in members.take_changes()]
    frames.append(encode_server(Rooms([JoinedRoom("a", "e:1", None, listed)], 1)))
    assert [nests_deeper(frame, MAX_NESTING) for frame in frames] == [False, False]
    assert nests_deeper(frames[1], MAX_NESTING - 1)
    with pytest.raises(ValueError, match="info nests"):
        join_of("a", "7", nested(MAX_NESTING - 4))


def test_data_that_is_too_large_is_refused_by_its_bytes() -> None:
    assert data_of("é" * 49, 100)
    with pytest.raises(ValueError, match="100 bytes of JSON, not 102"):
        data_of("é" * 50, 100)


def test_what_a_view_joins() -> None:
    assert join_of("a") == Join("a", None, b"{}")
    assert join_of("a", 7) == join_of("a", "7") == Join("a", "7", b"{}")
    key = UUID("0b6a1f7e-3b0c-4f6e-9a53-0f6f6f6f6f6f")
    assert join_of("a", key) == Join("a", str(key), b"{}")
    assert join_of("a", "7", {"name": "Ada"}) == Join("a", "7", b'{"name":"Ada"}')


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (TypeError, {"member": 1.5}),
        (TypeError, {"member": True}),
        (ValueError, {"member": ""}),
        (ValueError, {"member": "x" * 256}),
        (ValueError, {"info": {}}),
        (TypeError, {"member": 1, "info": ["a"]}),
        (TypeError, {"member": 1, "info": {"a": object()}}),
        (ValueError, {"member": 1, "info": {"a": "x" * 1024}}),
    ],
)
def test_what_a_view_cannot_join(error: type[Exception], arguments: dict[str, Any]) -> None:
    with pytest.raises(error):
        join_of("a", **arguments)


def test_user_is_named_by_model_and_primary_key() -> None:
    assert user_name(User(pk=7)) == user_name(7) == user_name("7")
    assert user_name(User(pk=7)) != user_name(User(pk=8))
    # A user of a token alone, as stateless JWT makes them, is one of the project's users.
    assert user_name(SimpleNamespace(pk=7, is_anonymous=False)) == user_name(7)
    other = SimpleNamespace(pk=7, _meta=SimpleNamespace(concrete_model=_Device))
    assert user_name(other) != user_name(7)


@isolate_apps("django.contrib.auth")
def test_instance_of_a_model_that_extends_the_user_is_the_same_user() -> None:
    class Customer(User):
        class Meta:
            app_label = "auth"

    class Employee(User):
        number: Any = models.CharField(max_length=9, primary_key=True)
        user: Any = models.OneToOneField(User, models.CASCADE, parent_link=True, related_name="+")

        class Meta:
            app_label = "auth"

    class Named(User):
        class Meta:
            app_label = "auth"
            proxy = True

    assert user_name(Customer(id=7, user_ptr_id=7)) == user_name(7)
    assert user_name(Employee(id=7, user_id=7, number="a12")) == user_name(7)
    assert user_name(Named(id=7)) == user_name(7)
    with pytest.raises(ValueError, match="cannot be sent events"):
        user_name(Employee(number="7"))


class _Device:
    _meta = SimpleNamespace(label_lower="devices.device")


@pytest.mark.parametrize("user", [None, AnonymousUser(), User()])
def test_nobody_is_no_user(user: Any) -> None:
    with pytest.raises(ValueError, match="cannot be sent events"):
        user_name(user)


def test_session_is_named_by_no_key_that_opens_it() -> None:
    name = session_name("abcdef")
    assert "abcdef" not in name and name != user_name("abcdef") and len(name) == 32
    with pytest.raises(ValueError, match="no key"):
        session_name("")
    with pytest.raises(TypeError, match="a string"):
        session_name(None)  # type: ignore[arg-type]


def test_event_crosses_the_bus() -> None:
    event = Event("room", "snippet:7", "typing", b'{"a":1}', "k", "c1")
    encoded = EVENTS.encode(event)
    assert EVENTS.decode(encoded) == event
    assert overhead_bytes(event) + len(event.data) == len(encoded)
    assert EVENTS.weigh(event) > len(encoded)
    with pytest.raises(ValueError):
        EVENTS.decode(b"other")
