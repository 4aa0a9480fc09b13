"""Sending from views and tasks: with the transaction, from any thread, and what raises at once."""

import asyncio
import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, transaction
from django.http import HttpRequest
from rest_framework.request import Request as RestRequest

from wsrequest import push
from wsrequest.push import api
from wsrequest.push.events import EVENTS, Event, session_name, user_name


@pytest.fixture
def sent() -> Iterator[list[Event]]:
    before, found = api._publisher, list[Event]()
    api.publish_by(found.append, max_bytes=lambda: 1000, max_bus_bytes=lambda: None)
    yield found
    api._publisher = before


@pytest.mark.django_db
def test_event_to_a_room(sent: list[Event]) -> None:
    push.send("snippet:7", "progress", {"done": 40}, key="progress", exclude="c1")
    assert sent == [Event("room", "snippet:7", "progress", b'{"done":40}', "progress", "c1")]


@pytest.mark.django_db
def test_event_to_a_user_and_a_session(sent: list[Event]) -> None:
    push.send_to_user(User(pk=7), "call")
    push.send_to_user(7, "call", None)
    push.send_to_session("abc", "notice", [1])
    assert b"abc" not in EVENTS.encode(sent[-1])  # who has the key has the session
    user = Event("user", user_name(7), "call", b"null")
    assert sent == [user, user, Event("session", session_name("abc"), "notice", b"[1]")]


@pytest.mark.documents("docs/bad-input.md", "sends to a user who is gone")
@pytest.mark.django_db
def test_user_who_is_gone_is_no_error(sent: list[Event]) -> None:
    push.send_to_user(10**9, "call")
    assert len(sent) == 1
    with pytest.raises(ValueError, match="cannot be sent events"):
        push.send_to_user(AnonymousUser(), "call")


@pytest.mark.django_db(transaction=True)
def test_event_waits_for_its_transaction(sent: list[Event]) -> None:
    with transaction.atomic():
        push.send("a", "one")
        push.send("a", "two", on_commit=False)
        with transaction.atomic():
            push.send("a", "three")
        assert [event.event for event in sent] == ["two"]
    assert [event.event for event in sent] == ["two", "one", "three"]


@pytest.mark.documents("docs/bad-input.md", "sends in a transaction that rolls back")
@pytest.mark.django_db(transaction=True)
def test_event_of_a_transaction_that_rolls_back_is_never_sent(sent: list[Event]) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        push.send("a", "one")
        raise ZeroDivisionError
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            push.send("a", "two")
            raise ZeroDivisionError
        push.send("a", "three")
    assert [event.event for event in sent] == ["three"]


@pytest.mark.django_db
def test_transaction_of_a_test_case_does_not_count(sent: list[Event]) -> None:
    push.send("a", "one")
    with transaction.atomic():
        push.send("a", "two")
        assert [event.event for event in sent] == ["one"]
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        push.send("a", "three")
        raise ZeroDivisionError
    api.send_committed(connection)
    api.send_committed(connection)  # each event once
    assert [event.event for event in sent] == ["one", "two"]


@pytest.mark.django_db(transaction=True)
def test_async_twins(sent: list[Event]) -> None:
    async def send_all() -> None:
        await push.asend("a", "one")
        await push.asend_to_user(7, "two")
        await push.asend_to_session("abc", "three", on_commit=False)

    asyncio.run(send_all())
    assert [event.kind for event in sent] == ["room", "user", "session"]
    sent.clear()
    with transaction.atomic():  # an async function that a sync view has called
        async_to_sync(send_all)()
        assert [event.event for event in sent] == ["three"]
    assert [event.event for event in sent] == ["three", "one", "two"]


@pytest.mark.documents("docs/bad-input.md", "sends from a thread without an event loop")
@pytest.mark.django_db
def test_thread_without_a_loop(sent: list[Event]) -> None:
    thread = threading.Thread(target=push.send, args=("a", "one"))
    thread.start()
    thread.join(30)
    assert len(sent) == 1


@pytest.mark.django_db
def test_request_whose_connection_is_left_out(sent: list[Event]) -> None:
    request: Any = HttpRequest()
    push.send("a", "by-http", exclude=request)
    request.websocket = SimpleNamespace(connection_id="c1")
    push.send("a", "by-socket", exclude=request)
    push.send("a", "by-rest", exclude=RestRequest(request))
    assert [event.exclude for event in sent] == [None, "c1", "c1"]
    with pytest.raises(TypeError, match="exclude"):
        push.send("a", "one", exclude=7)  # type: ignore[arg-type]


@pytest.mark.documents("docs/bad-input.md", "names a room or an event that cannot be one")
@pytest.mark.django_db
def test_what_can_never_be_sent_raises_at_once(sent: list[Event]) -> None:
    with transaction.atomic():
        for arguments in (("", "e"), ("a", ""), ("a", "e", "x" * 1000), ("a\n", "e")):
            with pytest.raises(ValueError):
                push.send(*arguments)
        wrong: Any
        for wrong in ((7, "e"), ("a", None), ("a", "e", object())):
            with pytest.raises(TypeError):
                push.send(*wrong)
        with pytest.raises(TypeError, match="key"):
            push.send("a", "e", key=7)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="no key"):
            push.send_to_session("", "e")
    api.send_committed(connection)
    assert sent == []


@pytest.mark.documents("docs/bad-input.md", "sends more than `WSREQUEST_PUSH_EVENT_BYTES`")
@pytest.mark.django_db
def test_event_that_the_bus_does_not_take_raises_at_once(sent: list[Event]) -> None:
    api.publish_by(sent.append, max_bytes=lambda: 10_000, max_bus_bytes=lambda: 200)
    push.send("a", "e", "x" * 100)
    with pytest.raises(ValueError, match="the bus takes events of 200 bytes"):
        push.send("a", "e", "x" * 300)
    assert len(sent) == 1


def test_project_without_the_application(sent: list[Event], monkeypatch: Any) -> None:
    monkeypatch.setattr(api, "_publisher", None)
    with pytest.raises(RuntimeError, match="INSTALLED_APPS"):
        push.send("a", "e")


@pytest.mark.django_db
def test_database_named_by_its_alias(sent: list[Event]) -> None:
    push.send("a", "e", using="default")
    with pytest.raises(Exception, match="doesn't exist"):
        push.send("a", "e", using="nowhere")
    assert json.loads(sent[0].data) is None
