"""Sessions: looked at from time to time, moved by a login, and nobody else's."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, login
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tests.acceptance.accounts import log_in, log_in_by_http, sign_up, user_of
from tests.acceptance.client import connect
from tests.acceptance.servers import Server
from wsrequest.connection.identity import SessionCheck, names_somebody
from wsrequest.request.handler import seen_user

DB = "django.contrib.sessions.backends.db"


@pytest.fixture
def session(db: None, settings: Any) -> Iterator[SessionStore]:
    """The session of a user who has logged in."""
    settings.SESSION_ENGINE = DB
    user = User.objects.create_user("ann", password="x")
    request = HttpRequest()
    request.session = SessionStore()
    login(request, user)
    request.session.save()
    yield request.session


def test_a_session_names_its_user_until_it_is_gone(session: SessionStore) -> None:
    key = str(session.session_key)
    assert names_somebody(DB, key)
    session.flush()
    assert not names_somebody(DB, key)


@pytest.mark.parametrize("change", ["expired", "inactive", "password", "nobody"])
def test_a_session_names_nobody_who_may_not_log_in(session: SessionStore, change: str) -> None:
    key = str(session.session_key)
    user = User.objects.get()
    if change == "expired":
        session.set_expiry(-1)
        session.save()
    elif change == "inactive":
        user.is_active = False
        user.save()
    elif change == "password":
        user.set_password("y")
        user.save()
    else:
        del session[SESSION_KEY]
        session.save()
    assert not names_somebody(DB, key)


def test_looking_at_a_session_makes_none(db: None) -> None:
    before = SessionStore.get_model_class().objects.count()
    assert not names_somebody(DB, "a" * 32)
    assert SessionStore.get_model_class().objects.count() == before


def test_a_store_that_cannot_answer_ends_no_session(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []
    asker: Any = SimpleNamespace(session_ended=ended.append)
    check = SessionCheck(asker, "no.such.store", "a" * 32)
    check.run()
    check.deliver()
    assert ended == []
    assert "looking at a session failed" in caplog.text
    assert "a" * 32 not in caplog.text


def request_of(**attributes: Any) -> HttpRequest:
    request = HttpRequest()
    request.__dict__.update(attributes)
    return request


def forbidden() -> Any:
    raise AssertionError("a database would have been asked")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, None),
        ({"user": SimpleLazyObject(forbidden)}, None),
        ({"user": AnonymousUser()}, None),
        ({"user": SimpleNamespace(pk=7)}, (7, False)),
        (
            {"user": SimpleLazyObject(forbidden), "_cached_user": (user := SimpleNamespace(pk=7))},
            (7, True),
        ),
        ({"user": SimpleLazyObject(forbidden), "_acached_user": user}, (7, True)),
        ({"user": SimpleLazyObject(forbidden), "_cached_user": AnonymousUser()}, None),
        ({"user": SimpleNamespace(pk=8), "_cached_user": user}, (8, False)),
        ({"user": user, "_cached_user": user}, (7, True)),
    ],
)
def test_whom_a_request_was_found_to_be_of(attributes: dict[str, Any], expected: Any) -> None:
    assert seen_user(request_of(**attributes)) == expected


# By socket.


def test_an_idle_socket_is_closed_when_its_session_ends(serve: Any) -> None:
    """In whatever process, and without a signal: the store is asked."""
    server = serve(SESSION_CHECK_SECONDS=0.2, CLOSE_ON_LOGOUT=False)
    cookies = log_in_by_http(server, sign_up(server))
    others = log_in_by_http(server, sign_up(server))
    with connect(server, cookies=cookies) as client, connect(server, cookies=others) as other:
        assert user_of(client) and user_of(other)
        server.http("GET", "/log-out/", headers={"Cookie": f"sessionid={cookies['sessionid']}"})
        assert client.closed() == 4003
        assert user_of(other)


def test_a_socket_without_a_user_s_session_is_not_closed_for_it(serve: Any) -> None:
    server = serve(SESSION_CHECK_SECONDS=0.1, PING_SECONDS=0.5)
    with connect(server, cookies={"sessionid": "stale" * 6}) as client:
        assert user_of(client) == ""
        assert client.receive().head == {"ping": 1}
        assert user_of(client) == ""


def test_a_login_leaves_the_session_that_was_there_before(any_server: Server) -> None:
    """Whoever knew its key, or planted it, has nothing."""
    with connect(any_server, origin=any_server.origin) as client:
        client.get("/count/")
        planted = client.get("/echo/").data["cookies"]["sessionid"]
        name = sign_up(any_server)
        log_in(client, name)
        assert user_of(client) == name
        assert client.get("/echo/").data["cookies"]["sessionid"] != planted
    with connect(any_server, cookies={"sessionid": planted}) as thief:
        assert user_of(thief) == ""


def test_connections_do_not_meet(any_server: Server) -> None:
    """Many users at once on the same threads: each is told of nobody but itself."""

    def work(_: int) -> list[str]:
        name = sign_up(any_server)
        with connect(any_server, cookies=log_in_by_http(any_server, name)) as client:
            ids = [client.send("GET", url) for url in ("/who/", "/who/async/") * 10]
            told = {client.answer(id).data["user"] for id in ids}
        return [name, *told]

    with ThreadPoolExecutor(4) as pool:
        for name, *told in pool.map(work, range(8)):
            assert told == [name]
