"""Middleware like RemoteUserMiddleware finds the same user over the socket as over ASGI."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.middleware import PersistentRemoteUserMiddleware, RemoteUserMiddleware
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.asgi import get_asgi_application as get_django_application
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from django.utils.decorators import sync_only_middleware
from rest_framework.authentication import RemoteUserAuthentication
from rest_framework.request import Request as RestRequest

from tests.unit.request.callers import Caller
from tests.unit.request.test_requests import base, request_of
from wsrequest.request.handler import Handler
from wsrequest.request.remote_user import follow_http, has_remote_user
from wsrequest.server.http.environ import make_environ

pytestmark = pytest.mark.django_db


def who(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    by_rest = RestRequest(request, authenticators=[RemoteUserAuthentication()]).user
    return HttpResponse(f"{user.get_username()}/{by_rest.get_username()}")


urlpatterns = [path("who/", who)]


class PortalUserMiddleware(RemoteUserMiddleware):
    header = "HTTP_X_PORTAL_USER"


class CertificateMiddleware(RemoteUserMiddleware):
    header = "SSL_CLIENT_S_DN_CN"


class NotingMiddleware(RemoteUserMiddleware):
    """One that was written before there was an asynchronous half."""

    def process_request(self, request: HttpRequest) -> None:
        request.META["NOTED"] = "1"
        super().process_request(request)


@sync_only_middleware
def synchronous(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    return lambda request: get_response(request)


def chain(*names: str) -> Any:
    """Settings whose middleware ends with these."""
    sessions = "django.contrib.sessions.middleware.SessionMiddleware"
    users = "django.contrib.auth.middleware.AuthenticationMiddleware"
    backend = "django.contrib.auth.backends.RemoteUserBackend"
    return override_settings(
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[sessions, users, *names],
        AUTHENTICATION_BACKENDS=[backend, "django.contrib.auth.backends.ModelBackend"],
    )


def of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


SCOPE = {"type": "http", "method": "GET", "path": "/who/", "query_string": b""}


def by_http(application: Any, *headers: tuple[bytes, bytes]) -> str:
    """What Django's ASGI handler answers."""
    sent: list[dict[str, Any]] = []

    async def ask() -> None:
        events = iter([{"type": "http.request", "body": b""}])

        async def receive() -> dict[str, Any]:
            for event in events:
                return event
            await asyncio.sleep(60)
            raise AssertionError("nobody waits that long")

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        found = [(b"host", b"testserver"), *headers]
        await application({**SCOPE, "headers": found}, receive, send)

    async_to_sync(ask)()
    return b"".join(event.get("body", b"") for event in sent).decode()


def by_socket(handler: Handler, *headers: tuple[bytes, bytes], cookie: str = "") -> Any:
    request = request_of({"url": "/who/"}, base(*headers), cookie)
    caller = Caller()
    caller.request_attributes = {"websocket": None}
    outcome = handler.handle(request.environ, caller)
    outcome.close()
    return outcome.response


def by_workers(handler: Handler, *headers: tuple[bytes, bytes], cookie: str = "") -> Any:
    """What plain HTTP gets from the handler of the sockets."""
    found = [(b"host", b"testserver"), *headers, (b"cookie", cookie.encode())]
    outcome = handler.handle(make_environ({**SCOPE, "headers": found}, None, 0), Caller())
    outcome.close()
    return outcome.response


HEADERS = (b"remote-user", b"x-portal-user", b"http-x-portal-user", b"ssl-client-s-dn-cn")
SYNCHRONOUS = f"{__name__}.synchronous"


@pytest.mark.parametrize("below", [(), (SYNCHRONOUS,)], ids=["async", "sync"])
@pytest.mark.parametrize(
    "kind",
    [
        RemoteUserMiddleware,
        PersistentRemoteUserMiddleware,
        PortalUserMiddleware,
        CertificateMiddleware,
        NotingMiddleware,
    ],
)
@pytest.mark.filterwarnings("ignore:Support for subclasses of RemoteUserMiddleware")
def test_each_header_names_whom_it_names_by_http(kind: type, below: tuple[str, ...]) -> None:
    with chain(of(kind), *below):
        application = get_django_application()
        handler = Handler()
        follow_http(handler, application)
        for header in HEADERS:
            sent = (header, b"ann")
            told = by_http(application, sent)
            assert by_socket(handler, sent).content.decode() == told, header
            assert by_workers(handler, sent).content.decode() == told, header


def test_a_user_is_named_at_all() -> None:
    with chain(of(RemoteUserMiddleware)):
        application, handler = get_django_application(), Handler()
        follow_http(handler, application)
        assert by_socket(handler, (b"remote-user", b"ann")).content == b"ann/"
        alone = Handler()
        follow_http(alone)
        assert by_socket(alone, (b"remote-user", b"ann")).content == b"/"
        follow_http(alone, lambda *_: None)  # which is none of Django's
        assert by_socket(alone, (b"remote-user", b"ann")).content == b"/"


@pytest.mark.parametrize("kind", [RemoteUserMiddleware, PersistentRemoteUserMiddleware])
def test_a_session_goes_on_without_the_header(kind: type) -> None:
    with chain(of(kind)):
        handler = Handler()
        follow_http(handler, get_django_application())
        cookie = by_socket(handler, (b"remote-user", b"ann")).cookies["sessionid"].value
        answer = by_socket(handler, cookie=f"sessionid={cookie}")
        is_believed = kind is PersistentRemoteUserMiddleware
        assert answer.content == (b"ann/" if is_believed else b"/")
        assert not answer.cookies
        assert Session.objects.filter(session_key=cookie).exists()


@pytest.mark.parametrize("kind", [RemoteUserMiddleware, PersistentRemoteUserMiddleware])
def test_a_session_without_the_header_is_by_plain_http_as_by_django(kind: type) -> None:
    with chain(of(kind)):
        application, handler = get_django_application(), Handler()
        follow_http(handler, application)
        for ask in (by_workers, by_socket):
            cookie = ask(handler, (b"remote-user", b"ann")).cookies["sessionid"].value
            by_workers(handler, cookie=f"sessionid={cookie}")
            is_believed = kind is PersistentRemoteUserMiddleware
            assert Session.objects.filter(session_key=cookie).exists() is is_believed


def test_a_session_ends_where_the_proxy_names_another_user() -> None:
    with chain(of(RemoteUserMiddleware)):
        handler = Handler()
        follow_http(handler, get_django_application())
        cookie = by_socket(handler, (b"remote-user", b"ann")).cookies["sessionid"].value
        answer = by_socket(handler, (b"remote-user", b"bob"), cookie=f"sessionid={cookie}")
        assert answer.content == b"bob/"
        assert not Session.objects.filter(session_key=cookie).exists()


def test_a_user_who_logged_in_otherwise_stays(client: Any) -> None:
    with chain(of(RemoteUserMiddleware)):
        handler = Handler()
        follow_http(handler, get_django_application())
        user = User.objects.create_user("carl")
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        cookie = client.cookies["sessionid"].value
        assert by_socket(handler, cookie=f"sessionid={cookie}").content == b"carl/"


def test_a_backend_that_is_gone_vouches_for_nobody(client: Any) -> None:
    with chain(of(RemoteUserMiddleware)):
        handler = Handler()
        follow_http(handler, get_django_application())
        cookie = by_socket(handler, (b"remote-user", b"ann")).cookies["sessionid"].value
        session: Any = Session.objects.get(session_key=cookie)
        store = session.get_session_store_class()(cookie)
        store["_auth_user_backend"] = "tests.gone.Backend"
        store.save()
        assert by_socket(handler, cookie=f"sessionid={cookie}").content == b"/"


def test_middleware_is_found_in_a_chain_only() -> None:
    with chain(of(RemoteUserMiddleware), SYNCHRONOUS):
        assert has_remote_user(Handler())
        is_async = BaseHandler()
        is_async.load_middleware(is_async=True)
        assert has_remote_user(is_async)
    with chain():
        assert not has_remote_user(Handler())
    assert not has_remote_user(object()) and not has_remote_user(None)
