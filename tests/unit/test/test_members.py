"""Who is in a room, in a test case."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import TestCase, override_settings
from django.urls import path

from tests.project.models import Note
from tests.project.urls import urlpatterns as project_urls
from wsrequest import push
from wsrequest.push import Member
from wsrequest.test import WebSocketTestMixin


def room(request: HttpRequest, name: str) -> HttpResponse:
    """Join as whoever a note or the query names."""
    member = request.GET["member"]
    if Note.objects.filter(text=f"{member} may not").exists():
        return HttpResponse(status=403)
    info = {"name": member.title()}
    request.websocket.join(name, member=member, info=info)  # type: ignore[attr-defined]
    return JsonResponse({})


urlpatterns = [path("room/<str:name>/", room), *project_urls]
pytestmark = pytest.mark.urls(__name__)

ADA, BOB = Member("ada", {"name": "Ada"}), Member("bob", {"name": "Bob"})


@override_settings(ROOT_URLCONF=__name__)
class InATestCase(WebSocketTestMixin, TestCase):
    client: Any
    async_client: Any

    def test_members_are_there_once(self) -> None:
        ada = self.client.live("/room/a/?member=ada", events=["room"])
        assert push.members("a") == ada.members == [ADA]
        bob = self.client.live("/room/a/?member=bob", events=["room"])
        tab = self.client.live("/room/a/?member=bob", events=["room"])
        assert push.members("a") == ada.members == [ADA, BOB]
        assert push.members("b") == []
        tab.close()
        assert ada.members == [ADA, BOB]
        bob.close()
        assert ada.members == [ADA]
        assert bob.members == []

    def test_who_is_locked_out_is_not_there(self) -> None:
        live = self.client.live("/room/a/?member=ada", events=["room"])
        Note.objects.create(text="ada may not")
        live.settle()
        assert push.members("a") == live.members == []

    def test_client_that_asks_for_nothing_is_not_there(self) -> None:
        self.client.live("/room/a/?member=ada")
        assert push.members("a") == []

    def test_client_that_was_dropped_is_not_there(self) -> None:
        live = self.client.live("/room/a/?member=ada", events=["room"])
        del live
        assert push.members("a") == []

    async def test_async(self) -> None:
        async with self.async_client.live("/room/a/?member=ada", events=["room"]):
            assert await push.amembers("a") == [ADA]
        assert await push.amembers("a") == []
