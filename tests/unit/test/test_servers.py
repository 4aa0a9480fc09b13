"""Test cases with a server, as Selenium and Playwright use them: real HTTP, a real socket."""

import json
import threading
import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.db import connections, transaction
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import path
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.project.models import Note
from tests.project.urls import urlpatterns as project_urls
from wsrequest.management.listening import listen_tcp
from wsrequest.test import StaticWebSocketLiveServerTestCase, WebSocketLiveServerTestCase


def texts(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"texts": list(Note.objects.values_list("text", flat=True))})


def add(request: HttpRequest) -> JsonResponse:
    with transaction.atomic():
        note = Note.objects.create(text=request.GET["text"])
        with transaction.atomic():
            Note.objects.count()
    return JsonResponse({"id": note.pk})


urlpatterns = [path("texts/", texts), path("add/", add), *project_urls]


def get(url: str) -> bytes:
    with urlopen(url, timeout=10) as response:
        body: bytes = response.read()
        return body


def is_found(url: str) -> bool:
    try:
        get(url)
    except HTTPError as error:
        error.close()  # it holds the response
        if error.code != 404:
            raise
        return False
    return True


class Served:
    live_server_url: str
    live_server_socket_url: str
    server_thread: Any

    @contextmanager
    def socket(self) -> Iterator[ClientConnection]:
        with connect(
            self.live_server_socket_url,
            subprotocols=[Subprotocol("wsrequest.v1")],
            origin=Origin(self.live_server_url),  # as a page of this server
            open_timeout=10,
        ) as socket:
            assert "limits" in json.loads(socket.recv(timeout=10))["hello"]
            yield socket

    def test_http_and_socket_are_on_one_port(self) -> None:
        Note.objects.create(text="milk")
        assert json.loads(get(self.live_server_url + "/texts/")) == {"texts": ["milk"]}
        with self.socket() as socket:
            socket.send(json.dumps({"id": 1, "url": "/texts/"}))
            assert json.loads(socket.recv(timeout=10))["data"] == {"texts": ["milk"]}

    def test_live_request_is_shown_what_anybody_writes(self) -> None:
        with self.socket() as socket:
            socket.send(json.dumps({"id": 1, "url": "/texts/", "subscribe": True}))
            assert json.loads(socket.recv(timeout=10))["data"] == {"texts": []}
            Note.objects.create(text="by the test")
            assert json.loads(socket.recv(timeout=10))["data"]["texts"] == ["by the test"]
            get(self.live_server_url + "/add/?text=http")
            assert json.loads(socket.recv(timeout=10))["data"]["texts"][1:] == ["http"]
        assert Note.objects.count() == 2

    def test_requests_at_once_do_not_end_each_others_transactions(self) -> None:
        def by_http(_: int) -> bytes:
            return get(self.live_server_url + "/add/?text=http")

        with ThreadPoolExecutor(4) as pool, self.socket() as socket:
            for id in range(30):
                socket.send(json.dumps({"id": id, "url": "/add/?text=socket"}))
            list(pool.map(by_http, range(30)))
            answers = [json.loads(socket.recv(timeout=20)) for _ in range(30)]
        assert {answer["status"] for answer in answers} == {200}
        assert Note.objects.count() == 60

    def test_rows_of_other_tests_are_gone(self) -> None:
        assert json.loads(get(self.live_server_url + "/texts/")) == {"texts": []}


@override_settings(ROOT_URLCONF=__name__)
class TestServed(Served, WebSocketLiveServerTestCase):
    def test_static_files_are_not_found_without_collectstatic(self) -> None:
        assert not is_found(self.live_server_url + "/static/wsrequest/client.js")


@override_settings(ROOT_URLCONF=__name__)
class TestServedWithStaticFiles(Served, StaticWebSocketLiveServerTestCase):
    def test_static_files_are_found(self) -> None:
        assert get(self.live_server_url + "/static/wsrequest/client.js")


def run(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


@pytest.mark.django_db(transaction=True)
def test_directories_of_static_files_and_media_are_served(tmp_path: Path) -> None:
    for name in ("static", "media"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "a.txt").write_text(name)
    (tmp_path / "secret.txt").write_text("secret")

    class Case(WebSocketLiveServerTestCase):
        def test_files(self) -> None:
            url = self.live_server_url
            assert get(url + "/static/sub/a.txt") == b"static"
            assert get(url + "/media/sub/a.txt") == b"media"
            for file in ("/static/none.txt", "/static/../secret.txt", "/media/%2e%2e/secret.txt"):
                assert not is_found(url + file)

    with override_settings(
        STATIC_ROOT=str(tmp_path / "static"),
        MEDIA_ROOT=str(tmp_path / "media"),
        MEDIA_URL="/media/",
    ):
        result = run(Case)
    assert (result.errors, result.failures, result.testsRun) == ([], [], 1)


@pytest.mark.django_db(transaction=True)
def test_server_and_its_connections_end_with_the_class() -> None:
    created = connections.create_connection
    before = set(threading.enumerate())
    seen = []

    class Case(Served, WebSocketLiveServerTestCase):
        def test_open_socket(self) -> None:
            seen.append(self.live_server_url)
            stack.enter_context(self.socket())

    with ExitStack() as stack, override_settings(ROOT_URLCONF=__name__):
        result = run(Case)
    assert (result.errors, result.failures) == ([], [])
    assert connections.create_connection == created
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert not [name for name in left if "atalog" not in name and "asyncio" not in name], left
    with pytest.raises(OSError):
        urlopen(Request(seen[0] + "/ready/"), timeout=2)


def test_port_that_is_taken_says_so() -> None:
    with listen_tcp("localhost", 0, ipv6=False) as taken:

        class Case(WebSocketLiveServerTestCase):
            port = taken.getsockname()[1]

            def test_nothing(self) -> None:
                raise AssertionError

        result = run(Case)
    assert "Address already in use" in result.errors[0][1]
