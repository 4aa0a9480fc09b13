"""A request is freed with its outcome, without the collector, if nobody else has it."""

import gc
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import pytest
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.unit.request.callers import Caller
from wsrequest.request.handler import Handler
from wsrequest.request.response import _ALONE

KEPT: list[Any] = []
_keep: Callable[[HttpRequest], Any]

pytestmark = pytest.mark.skipif(_ALONE is None, reason="this Python does not count references")


def view(request: HttpRequest) -> HttpResponse:
    messages.info(request, "hello")
    if (kept := _keep(request)) is not None:
        KEPT.append(kept)
    return HttpResponse("view")


urlpatterns = [path("view/", view)]


@pytest.fixture(autouse=True)
def _project(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    KEPT.clear()
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    KEPT.clear()


def handle(keep: Callable[[HttpRequest], Any]) -> "ref[Any]":
    """Run a request to its end, and return a weak reference to it."""
    global _keep
    _keep = keep
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/view/", "SERVER_NAME": "testserver",
        "SERVER_PORT": "80", "wsgi.input": io.BytesIO(),
    }  # fmt: skip
    outcome = Handler().handle(environ, Caller())
    found: ref[Any] = ref(outcome.request)
    outcome.close()
    return found


def anonymous(request: HttpRequest) -> None:
    assert not request.user.is_authenticated


def other_user(request: HttpRequest) -> None:
    request.__dict__["user"] = object()


def other_attributes(request: HttpRequest) -> None:
    request.__dict__.update(_messages=1, auser=1)


@pytest.mark.parametrize("storage", ["fallback.FallbackStorage", "session.SessionStorage"])
@pytest.mark.parametrize("keep", [lambda request: None, anonymous, other_user])
def test_request_is_freed_at_once(
    keep: Callable[[HttpRequest], Any], storage: str, settings: Any
) -> None:
    settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"
    assert handle(keep)() is None


def test_attributes_of_another_kind_do_no_harm() -> None:
    handle(other_attributes)


KEEPERS: dict[str, Callable[[HttpRequest], Any]] = {
    "request": lambda request: request,
    "closure": lambda request: lambda: request,
    "method": lambda request: request.get_host,
    "attribute of its own": lambda request: request.__dict__.setdefault("itself", [request]) and 0,
    "thread": lambda request: threading.Timer(60, print, [request]),
}


@pytest.mark.parametrize("name", KEEPERS)
def test_request_that_somebody_has_keeps_its_attributes(name: str) -> None:
    request = handle(KEEPERS[name])()
    assert request is not None
    assert not request.user.is_authenticated
    assert callable(request.auser)
    assert [str(each) for each in messages.get_messages(request)] == ["hello"]


def test_kept_user_can_still_be_asked_for() -> None:
    handle(lambda request: request.user)
    assert not KEPT[0].is_authenticated


def test_kept_messages_can_still_be_read() -> None:
    handle(messages.get_messages)
    assert [str(each) for each in KEPT[0]] == ["hello"]
