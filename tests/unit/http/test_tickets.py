"""Tickets: cookies set over a socket become the browser's once, and only its own."""

from typing import Any

import pytest
from django.contrib.sessions.backends import db as db_sessions
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.http import HttpResponse
from django.utils import timezone

from wsrequest.http.responses import cookie_lines
from wsrequest.http.tickets import Tickets

ORIGIN = "https://example.com"
DB = "django.contrib.sessions.backends.db"
CACHE = "django.contrib.sessions.backends.cache"
SIGNED = "django.contrib.sessions.backends.signed_cookies"


@pytest.fixture(autouse=True)
def _cache(settings: Any) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "test-tickets",
        }
    }
    caches["default"].clear()


def some_cookies() -> list[str]:
    response = HttpResponse()
    response.set_cookie(
        "sessionid", "the-session", httponly=True, expires="Fri, 01 Jan 2100 00:00:00 GMT"
    )
    response.delete_cookie("old")
    return cookie_lines(response)


EXPECTED = some_cookies()

engines = pytest.mark.parametrize(
    "engine",
    [
        pytest.param(DB, marks=pytest.mark.django_db, id="database"),
        pytest.param(CACHE, id="cache-sessions"),
        pytest.param(SIGNED, id="signed-cookies"),
        pytest.param(None, id="no-sessions"),
    ],
)


@engines
def test_a_ticket_is_redeemed_for_its_cookies(engine: str | None) -> None:
    tickets = Tickets(engine, 60)
    ticket = tickets.issue(some_cookies(), ORIGIN)
    assert tickets.redeem(ticket, ORIGIN) == EXPECTED


@engines
def test_a_ticket_works_once(engine: str | None) -> None:
    tickets = Tickets(engine, 60)
    ticket = tickets.issue(some_cookies(), ORIGIN)
    tickets.redeem(ticket, ORIGIN)
    assert tickets.redeem(ticket, ORIGIN) is None


@engines
@pytest.mark.parametrize("origin", ["https://evil.example", "http://example.com", "", "null"])
def test_a_ticket_is_for_one_origin(engine: str | None, origin: str) -> None:
    tickets = Tickets(engine, 60)
    ticket = tickets.issue(some_cookies(), ORIGIN)
    assert tickets.redeem(ticket, origin) is None


@engines
def test_two_tickets_do_not_meet(engine: str | None) -> None:
    tickets = Tickets(engine, 60)
    first, second = tickets.issue(some_cookies(), ORIGIN), tickets.issue(some_cookies(), ORIGIN)
    assert first != second
    assert tickets.redeem(first, ORIGIN) == tickets.redeem(second, ORIGIN) == EXPECTED


@engines
@pytest.mark.parametrize("ticket", ["", "x", "a" * 32, "../../etc/passwd", "é" * 40])
def test_what_is_no_ticket_is_redeemed_for_nothing(engine: str | None, ticket: str) -> None:
    assert Tickets(engine, 60).redeem(ticket, ORIGIN) is None


@engines
def test_a_ticket_holds_no_cookie_that_could_be_read_from_it(engine: str | None) -> None:
    assert "the-session" not in Tickets(engine, 60).issue(some_cookies(), ORIGIN)


@pytest.mark.parametrize("engine", [CACHE, SIGNED, None])
def test_a_ticket_in_the_cache_ends_by_itself(
    engine: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = Tickets(engine, 60).issue(some_cookies(), ORIGIN)
    cache = caches["default"]
    for key in list(cache._expire_info):  # as though a minute had passed
        cache._expire_info[key] -= 61
    assert Tickets(engine, 60).redeem(ticket, ORIGIN) is None


@pytest.mark.django_db
def test_a_ticket_in_the_database_ends_by_itself() -> None:
    ticket = Tickets(DB, 60).issue(some_cookies(), ORIGIN)
    row = Session.objects.get(session_key=ticket)
    seconds = (row.expire_date - timezone.now()).total_seconds()
    assert 50 < seconds <= 60
    Session.objects.update(expire_date=timezone.now())
    assert Tickets(DB, 60).redeem(ticket, ORIGIN) is None


@pytest.mark.django_db
def test_a_spent_ticket_leaves_no_session_behind() -> None:
    tickets = Tickets(DB, 60)
    tickets.redeem(tickets.issue(some_cookies(), ORIGIN), ORIGIN)
    assert not Session.objects.exists()


@pytest.mark.django_db
def test_redeeming_another_session_leaves_it_as_it_is() -> None:
    """The ticket comes from a header: it must not be a way to end or to read sessions."""
    session = db_sessions.SessionStore()
    session["user"] = 7
    session.create()
    key = session.session_key
    assert key is not None
    assert Tickets(DB, 60).redeem(key, ORIGIN) is None
    assert db_sessions.SessionStore(key)["user"] == 7
