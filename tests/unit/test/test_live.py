"""Live requests of the test clients, in each kind of test case, without a server or time."""

import gc
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template import engines
from django.test import TestCase, TransactionTestCase, override_settings
from django.urls import path
from rest_framework.test import APITestCase

from tests.project.models import Note
from tests.project.urls import urlpatterns as project_urls
from wsrequest.errors import Refused
from wsrequest.live import depends_on, invalidate
from wsrequest.live.tracking.tracker import installed
from wsrequest.test import AsyncWebSocketClient, WebSocketClient, WebSocketTestMixin

RUNS: list[Any] = []
make_savepoint = getattr(transaction, "savepoint_create", None) or transaction.savepoint


def texts(request: HttpRequest) -> JsonResponse:
    RUNS.append(request.websocket)  # type: ignore[attr-defined]
    return JsonResponse({"texts": list(Note.objects.values_list("text", flat=True))})


def one(request: HttpRequest, pk: int) -> JsonResponse:
    RUNS.append(request.websocket)  # type: ignore[attr-defined]
    return JsonResponse({"text": Note.objects.get(pk=pk).text})


async def lines(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> Any:
        async for note in Note.objects.order_by("pk"):
            yield f"{note.text}\n"

    return StreamingHttpResponse(body(), content_type="text/plain")


def form(request: HttpRequest) -> HttpResponse:
    count = Note.objects.count()
    page = engines["django"].from_string("{% csrf_token %}" + str(count))
    return HttpResponse(page.render({}, request))


def counted(request: HttpRequest) -> JsonResponse:
    """A counter and a flash message: what only the sender of a request may cause."""
    request.session["seen"] = seen = request.session.get("seen", 0) + 1
    response = JsonResponse({"seen": seen, "count": Note.objects.count()})
    response.set_cookie("counted", str(seen))
    return response


def fails(request: HttpRequest) -> HttpResponse:
    found = Note.objects.first()
    if found is not None and found.text == "raise":
        raise LookupError("asked for")
    return HttpResponse(str(found), status=503 if found and found.text == "busy" else 200)


def gone(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=200 if Note.objects.exists() else 410)


def old(request: HttpRequest) -> JsonResponse:
    depends_on(seconds=300)
    RUNS.append(None)
    return JsonResponse({"run": len(RUNS)})


def deaf(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing is read")


def endless(request: HttpRequest) -> StreamingHttpResponse:
    Note.objects.count()
    return StreamingHttpResponse(iter(["data: 1\n\n"]), content_type="text/event-stream")


urlpatterns = [
    *(
        path(f"{view.__name__}/", view)
        for view in (texts, lines, form, counted, fails, gone, old, deaf, endless)
    ),
    path("one/<int:pk>/", one),
    *project_urls,
]


@pytest.fixture(autouse=True)
def urls() -> Any:
    RUNS.clear()
    with override_settings(ROOT_URLCONF=__name__):
        yield
    gc.collect()
    WebSocketClient()  # a new test: what earlier ones left is closed
    tracker = installed()
    assert tracker is not None and not tracker.is_active and not tracker.collectors


class Shown:
    """The same for a test that commits, and for one that does not."""

    client: Any
    async_client: Any

    def test_what_is_written_is_shown(self) -> None:
        Note.objects.create(text="before")
        live = self.client.live("/texts/")
        assert live.response.json() == {"texts": ["before"]}
        assert live.settle() == []
        Note.objects.create(text="milk")
        (version,) = live.settle()
        assert version is live.response and version.json()["texts"] == ["before", "milk"]
        Note.objects.filter(text="milk").delete()
        assert [v.json()["texts"] for v in live.settle()] == [["before"]]
        assert [v.json()["texts"] for v in live.versions] == [
            ["before"], ["before", "milk"], ["before"],
        ]  # fmt: skip
        assert [run.is_live for run in RUNS] == [True, True, True]
        assert [run.is_rerun for run in RUNS] == [False, True, True]
        assert len({run.connection_id for run in RUNS}) == 1

    def test_another_view_writes(self) -> None:
        with self.client.live("/texts/") as live:
            self.client.post("/api/notes/", {"text": "bread"}, content_type="application/json")
            assert live.settle() and "bread" in live.response.json()["texts"]
        assert (live.is_ended, live.state, live.settle()) == (True, "ended", [])

    def test_rows_that_it_does_not_read_do_not_run_it(self) -> None:
        mine, other = Note.objects.create(text="mine"), Note.objects.create(text="other")
        live = self.client.live(f"/one/{mine.pk}/")
        other.text = "changed"
        other.save()
        assert (live.settle(), len(RUNS)) == ([], 1)
        mine.text = "changed"
        mine.save()
        assert len(live.settle()) == 1

    def test_equal_is_equal(self) -> None:
        live = self.client.live("/form/")
        Note.objects.create(text="one").delete()
        assert live.settle() == []
        Note.objects.create(text="one")
        assert live.settle() != []
        assert live.response["ETag"].startswith("W/")

    def test_open_block_counts_when_it_is_committed(self) -> None:
        live = self.client.live("/texts/")
        with transaction.atomic():
            Note.objects.create(text="milk")
            assert live.settle() == []
        assert len(live.settle()) == 1
        with pytest.raises(LookupError), transaction.atomic():
            Note.objects.create(text="never")
            raise LookupError
        assert live.settle() == []

    def test_savepoint_of_a_test_is_taken_back(self) -> None:
        live = self.client.live("/texts/")
        with transaction.atomic():
            savepoint = make_savepoint()
            Note.objects.create(text="never")
            transaction.savepoint_rollback(savepoint)
            Note.objects.create(text="milk")
        assert [v.json()["texts"] for v in live.settle()] == [["milk"]]

    def test_caches_sessions_and_keys_are_dependencies(self) -> None:
        cache.clear()
        live = self.client.live("/live/forecast/")
        assert live.response.content == b"none"
        cache.set("forecast", "rain")
        assert [v.content for v in live.settle()] == [b"rain"]
        invalidate("forecast")
        assert live.settle() == []
        cache.clear()

    def test_rerun_has_no_effects(self) -> None:
        live = self.client.live("/counted/")
        assert live.response.json()["seen"] == 1
        assert self.client.cookies["counted"].value == "1"
        Note.objects.create(text="milk")
        assert live.settle() and live.response.json()["seen"] == 2
        assert "counted" not in live.response.cookies
        assert self.client.cookies["counted"].value == "1"
        assert self.client.session["seen"] == 1
        assert self.client.get("/counted/").json()["seen"] == 2

    def test_cookies_are_an_identity_where_they_are_read(self) -> None:
        ann = User.objects.create_user("ann")
        self.client.force_login(ann)
        live = self.client.live("/live/mine/")
        assert live.response.json()["user"] == "ann"
        self.client.cookies["theme"] = "dark"
        Note.objects.create(text="ann's")
        assert [v.json()["count"] for v in live.settle()] == [1]
        self.client.force_login(User.objects.create_user("bob"))
        assert [v.json()["user"] for v in live.settle()] == ["bob"]
        self.client.logout()
        assert live.settle() == [] and live.is_ended
        assert live.refusal is not None and live.refusal.code == "session_ended"

    def test_end_is_shown(self) -> None:
        note = Note.objects.create(text="milk")
        live = self.client.live("/gone/")
        note.delete()
        assert [v.status_code for v in live.settle()] == [410]
        assert live.is_ended
        Note.objects.create(text="milk")
        assert live.settle() == []

    def test_failure_is_raised_or_shown_and_tried_again(self) -> None:
        live = self.client.live("/fails/")
        assert live.state == "live"
        note = Note.objects.create(text="raise")
        with pytest.raises(LookupError):
            live.settle()
        assert live.state == "failing"
        self.client.raise_request_exception = False
        assert [v.status_code for v in live.settle()] == [500]
        Note.objects.filter(pk=note.pk).update(text="busy")
        assert [v.status_code for v in live.settle()] == [503]
        assert live.settle() == [] and live.state == "failing"
        Note.objects.filter(pk=note.pk).update(text="fine")
        assert [v.content for v in live.settle()] == [b"fine"] and live.state == "live"
        live.close()  # pytest keeps the traceback, and with it all that it names

    def test_time_passes_when_the_test_says_so(self) -> None:
        live = self.client.live("/old/")
        assert live.settle(after_seconds=299) == []
        assert [v.json() for v in live.settle(after_seconds=301)] == [{"run": 2}]

    def test_view_does_not_run_itself(self) -> None:
        live = self.client.live("/live/visits/")
        assert live.settle() == []
        Note.objects.create(text="visit")
        assert [v.json()["count"] for v in live.settle()] == [3]
        assert live.settle() == []

    def test_two_live_requests_hear_of_each_other(self) -> None:
        lists = self.client.live("/texts/")
        visits = self.client.live("/live/visits/")
        assert len(lists.settle()) == 1
        assert (lists.settle(), visits.settle()) == ([], [])

    def test_stream_is_one_answer(self) -> None:
        for url in ("/live/lazily/", "/lines/"):
            live = self.client.live(url)
            Note.objects.create(text="milk")
            assert [b"".join(v.streaming_content) for v in live.settle()] != []

    def test_first_answer_that_is_none_ends_it(self) -> None:
        live = self.client.live("/gone/")
        assert (live.response.status_code, live.is_ended) == (410, True)

    def test_what_cannot_be_live_says_so(self) -> None:
        with pytest.raises(Refused, match="not_live: the view read nothing"):
            self.client.live("/deaf/")
        with pytest.raises(Refused, match="not_live: this answer is a stream of events"):
            self.client.live("/endless/")
        assert Note.objects.count() == 0  # by the connection of the test, which is still open
        with pytest.raises(
            Refused, match="answer_too_large: .*WSREQUEST_MAX_BUFFERED_RESPONSE_BYTES"
        ):
            with override_settings(WSREQUEST_MAX_BUFFERED_RESPONSE_BYTES=2):
                self.client.live("/texts/")
        with pytest.raises(ImproperlyConfigured, match="WSREQUEST_MAX_SUBSCRIPTIONS"):
            with override_settings(WSREQUEST_MAX_SUBSCRIPTIONS=0):
                self.client.live("/texts/")
        with pytest.raises(TypeError, match="redirects"):
            self.client.live("/texts/", follow=True)

    def test_conditional_headers_do_not_reach_the_view(self) -> None:
        etag = self.client.live("/texts/").response["ETag"]
        live = self.client.live("/texts/", headers={"If-None-Match": etag, "X-Request-ID": "7"})
        assert (live.response.status_code, live.response["ETag"]) == (200, etag)
        assert live.response.wsgi_request.headers["X-Request-ID"] == "7"
        Note.objects.create(text="milk")
        assert "X-Request-ID" not in live.settle()[0].wsgi_request.headers

    async def test_the_same_asynchronously(self) -> None:
        live = await self.async_client.live("/texts/")
        assert live.response.json() == {"texts": []}
        assert await live.settle() == []
        await Note.objects.acreate(text="milk")
        assert [v.json()["texts"] for v in await live.settle()] == [["milk"]]
        assert [run.is_rerun for run in RUNS] == [False, True]
        async with self.async_client.live("/lines/") as streamed:
            await Note.objects.acreate(text="bread")
            assert len(await streamed.settle()) == 1
            content = [piece async for piece in streamed.response]
            assert content == [b"milk\nbread\n"]
        assert streamed.is_ended
        with pytest.raises(Refused, match="not_live"):
            await self.async_client.live("/deaf/")
        user = await sync_to_async(User.objects.create_user)("ann")
        await self.async_client.aforce_login(user)
        assert (await self.async_client.live("/live/mine/")).response.json()["user"] == "ann"


class TestInTransaction(Shown, WebSocketTestMixin, TestCase):
    def test_callbacks_are_the_projects_own(self) -> None:
        live = self.client.live("/texts/")
        with self.captureOnCommitCallbacks() as callbacks:
            Note.objects.create(text="milk")
            transaction.on_commit(lambda: Note.objects.create(text="bread"))
        assert len(callbacks) == 1
        assert live.settle()[0].json() == {"texts": ["milk"]}
        with self.captureOnCommitCallbacks(execute=True):
            transaction.on_commit(lambda: Note.objects.create(text="salt"))
            assert live.settle() == []
        assert live.settle()[0].json() == {"texts": ["milk", "salt"]}

    def test_savepoint_is_taken_back_after_it_was_shown(self) -> None:
        live = self.client.live("/texts/")
        savepoint = make_savepoint()
        Note.objects.create(text="never")
        assert len(live.settle()) == 1
        transaction.savepoint_rollback(savepoint)
        assert [v.json() for v in live.settle()] == [{"texts": []}]
        assert live.settle() == []


class TestCommitting(Shown, WebSocketTestMixin, TransactionTestCase):
    pass


class TestOfRestFramework(WebSocketTestMixin, APITestCase):
    def test_client_keeps_its_ways(self) -> None:
        self.client.force_authenticate(User(username="ann"))
        live = self.client.live("/api/notes/")
        self.client.post("/api/notes/", {"text": "Milk"}, format="json")
        assert [note["text"] for note in live.settle()[0].json()] == ["Milk"]


@pytest.mark.django_db
def test_what_a_test_leaves_open_costs_the_next_nothing() -> None:
    tracker = installed()
    assert tracker is not None
    live = WebSocketClient().live("/texts/")
    assert tracker.is_active
    del live
    gc.collect()
    WebSocketClient()
    assert not tracker.is_active


@pytest.mark.django_db(transaction=True)
def test_another_thread_commits() -> None:
    live = WebSocketClient().live("/texts/")

    def write() -> None:
        Note.objects.create(text="milk")
        driver = connections["default"].connection
        connections.close_all()
        driver.close()  # Django never closes a database in memory

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert live.settle()[0].json() == {"texts": ["milk"]}


def test_async_client_has_it_too() -> None:
    assert hasattr(AsyncWebSocketClient, "live")
