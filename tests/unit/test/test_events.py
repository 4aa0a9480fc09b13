"""Events of the test clients: who gets them, and when, in a test case."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import TestCase, TransactionTestCase, override_settings
from django.urls import path

from tests.project.models import Note
from tests.project.urls import urlpatterns as project_urls
from wsrequest import push
from wsrequest.errors import Refused
from wsrequest.test import WebSocketTestMixin
from wsrequest.test.inbox import ReceivedEvent


def room(request: HttpRequest, name: str) -> HttpResponse:
    """Join, unless a note says that the room is closed, or asks for other rooms."""
    found = list(Note.objects.values_list("text", flat=True))
    if f"{name} is closed" in found:
        return HttpResponse(status=403)
    if "fail" in found:
        return HttpResponse(status=503)
    if request.method == "POST":
        push.send(name, "posted", exclude=request)
        return HttpResponse(status=204)
    request.websocket.join(name)  # type: ignore[attr-defined]
    for text in found:
        request.websocket.join(text)  # type: ignore[attr-defined]
    return JsonResponse({"room": name})


async def aroom(request: HttpRequest, name: str) -> HttpResponse:
    request.websocket.join(name)  # type: ignore[attr-defined]
    return JsonResponse({"room": name})


urlpatterns = [
    path("room/<str:name>/", room),
    path("aroom/<str:name>/", aroom),
    *project_urls,
]
pytestmark = pytest.mark.urls(__name__)


def names(live: Any) -> list[str]:
    return [event.event for event in live.events]


@override_settings(ROOT_URLCONF=__name__)
class InATestCase(WebSocketTestMixin, TestCase):
    client: Any
    async_client: Any

    def test_room_gets_what_is_sent_to_it(self) -> None:
        live = self.client.live("/room/a/", events=["room"])
        assert live.events == []
        push.send("a", "progress", {"done": 40})
        push.send("b", "secret")
        push.send("a", "done")
        assert live.events == [
            ReceivedEvent("progress", {"done": 40}, "a"), ReceivedEvent("done", None, "a"),
        ]  # fmt: skip

    def test_client_that_asks_for_nothing_gets_nothing(self) -> None:
        live = self.client.live("/room/a/")
        push.send("a", "progress")
        assert live.events == []

    def test_event_of_a_view(self) -> None:
        live = self.client.live("/room/a/", events=["room"])
        assert self.client.post("/room/a/").status_code == 204
        assert names(live) == ["posted"]

    def test_roll_back(self) -> None:
        live = self.client.live("/room/a/", events=["room"])
        with transaction.atomic():
            push.send("a", "one")
            assert names(live) == []
            push.send("a", "at-once", on_commit=False)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            push.send("a", "never")
            raise ZeroDivisionError
        assert names(live) == ["at-once", "one"]

    def test_callbacks_that_a_test_captures_send_once(self) -> None:
        live = self.client.live("/room/a/", events=["room"])
        with self.captureOnCommitCallbacks(execute=True), transaction.atomic():
            push.send("a", "one")
        assert names(live) == ["one"]

    def test_who_is_locked_out_gets_nothing_more(self) -> None:
        live = self.client.live("/room/a/", events=["room"])
        Note.objects.create(text="a is closed")
        [version] = live.settle()
        push.send("a", "secret")
        assert (version.status_code, live.is_ended, live.events) == (403, True, [])

    def test_nobody_joins_a_room_that_refuses(self) -> None:
        Note.objects.create(text="a is closed")
        live = self.client.live("/room/a/", events=["room"])
        push.send("a", "secret")
        assert (live.response.status_code, live.events) == (403, [])

    def test_view_that_fails_keeps_nobody_in(self) -> None:
        live = self.client.live("/room/a/", events=["room"])
        note = Note.objects.create(text="fail")
        live.settle()
        push.send("a", "secret")
        note.delete()
        live.settle()
        push.send("a", "one")
        assert names(live) == ["one"]

    def test_rerun_joins_others(self) -> None:
        live = self.client.live("/room/a/", events=["room"])
        note = Note.objects.create(text="b")
        live.settle()
        push.send("b", "one")
        note.delete()
        live.settle()
        push.send("b", "two")
        assert names(live) == ["one"]

    def test_users_and_sessions(self) -> None:
        ada, eve = (User.objects.create_user(name) for name in ("ada", "eve"))
        self.client.force_login(ada)
        live = self.client.live("/room/a/", events=["user", "session"])
        push.send_to_user(ada, "call")
        push.send_to_user(eve, "secret")
        push.send_to_session(self.client.session.session_key, "notice")
        push.send("a", "not-asked-for")
        assert live.events == [
            ReceivedEvent("call", to="user"),
            ReceivedEvent("notice", to="session"),
        ]
        self.client.force_login(eve)
        live.settle()
        push.send_to_user(ada, "secret")
        push.send_to_user(eve, "hers")
        assert names(live) == ["call", "notice", "hers"]

    def test_events_that_there_are_not(self) -> None:
        with pytest.raises(ValueError, match="moods"):
            self.client.live("/room/a/", events=["moods"])

    @override_settings(WSREQUEST_MAX_ROOMS=1)
    def test_too_many_rooms(self) -> None:
        Note.objects.create(text="b")
        with pytest.raises(Refused, match="too_many_rooms"):
            self.client.live("/room/a/", events=["room"])

    @override_settings(WSREQUEST_MAX_ROOMS=0)
    def test_events_that_are_switched_off(self) -> None:
        live = self.client.live("/room/a/", events=["room"])
        push.send("a", "one")
        assert live.events == []

    async def test_async(self) -> None:
        async with self.async_client.live("/aroom/a/", events=["room"]) as live:
            await push.asend("a", "one")
            await live.settle()
            assert names(live) == ["one"]


@override_settings(ROOT_URLCONF=__name__)
class InATransactionTestCase(WebSocketTestMixin, TransactionTestCase):
    client: Any

    def test_commits_of_other_threads(self) -> None:
        live = self.client.live("/room/a/", events=["room"])
        thread = threading.Thread(target=push.send, args=("a", "one"))
        thread.start()
        thread.join(30)
        assert names(live) == ["one"]
