"""Tickets: the right browser, and only that one, gets the cookies of a socket, once."""

import gc
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.contrib.sessions.backends import cache as cache_sessions
from django.contrib.sessions.backends import db as db_sessions
from django.contrib.sessions.backends import file as file_sessions
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.utils import timezone

from wsrequest.request import browser_cookies
from wsrequest.request.browser_cookies import BrowserCookies, Issue, Trail
from wsrequest.request.cookies import cookie_pairs
from wsrequest.request.response import cookie_lines
from wsrequest.server import tickets
from wsrequest.server.tickets import Tickets, Unfetched

ORIGIN = "https://example.com"
BROWSER = ("one",)
DB = "django.contrib.sessions.backends.db"
CACHED_DB = "django.contrib.sessions.backends.cached_db"
FILE = "django.contrib.sessions.backends.file"
CACHE = "django.contrib.sessions.backends.cache"
SIGNED = "django.contrib.sessions.backends.signed_cookies"


@pytest.fixture(autouse=True)
def _cache(settings: Any, tmp_path: Path) -> None:
    settings.SESSION_FILE_PATH = str(tmp_path)
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
        pytest.param(CACHED_DB, marks=pytest.mark.django_db, id="cached-database"),
        pytest.param(FILE, id="files"),
        pytest.param(CACHE, id="cache-sessions"),
        pytest.param(SIGNED, id="signed-cookies"),
        pytest.param(None, id="no-sessions"),
    ],
)


@engines
def test_a_ticket_is_redeemed_for_its_cookies(engine: str | None) -> None:
    made = Tickets(engine, 60)
    ticket = made.issue(some_cookies(), ORIGIN, BROWSER)
    assert made.redeem(ticket, ORIGIN, BROWSER) == EXPECTED


@engines
def test_a_ticket_works_once(engine: str | None) -> None:
    made = Tickets(engine, 60)
    ticket = made.issue(some_cookies(), ORIGIN, BROWSER)
    made.redeem(ticket, ORIGIN, BROWSER)
    assert made.redeem(ticket, ORIGIN, BROWSER) is None


@engines
@pytest.mark.parametrize("origin", ["https://evil.example", "http://example.com", "", "null"])
def test_a_ticket_is_for_one_origin(engine: str | None, origin: str) -> None:
    made = Tickets(engine, 60)
    ticket = made.issue(some_cookies(), ORIGIN, BROWSER)
    assert made.redeem(ticket, origin, BROWSER) is None


@engines
def test_two_tickets_do_not_meet(engine: str | None) -> None:
    made = Tickets(engine, 60)
    first, second = (
        made.issue(some_cookies(), ORIGIN, BROWSER),
        made.issue(some_cookies(), ORIGIN, BROWSER),
    )
    assert first != second
    assert made.redeem(first, ORIGIN, BROWSER) == made.redeem(second, ORIGIN, BROWSER) == EXPECTED


@engines
@pytest.mark.parametrize("ticket", ["", "x", "a" * 32, "../../etc/passwd", "é" * 40])
def test_what_is_no_ticket_is_redeemed_for_nothing(engine: str | None, ticket: str) -> None:
    assert Tickets(engine, 60).redeem(ticket, ORIGIN, BROWSER) is None


@engines
def test_a_ticket_holds_no_cookie_that_could_be_read_from_it(engine: str | None) -> None:
    assert "the-session" not in Tickets(engine, 60).issue(some_cookies(), ORIGIN, BROWSER)


@pytest.mark.parametrize("engine", [CACHE, SIGNED, None])
def test_a_ticket_in_the_cache_ends_by_itself(
    engine: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = Tickets(engine, 60).issue(some_cookies(), ORIGIN, BROWSER)
    cache: Any = caches["default"]
    for key in list(cache._expire_info):  # as though a minute had passed
        cache._expire_info[key] -= 61
    assert Tickets(engine, 60).redeem(ticket, ORIGIN, BROWSER) is None


@engines
def test_a_ticket_ends_although_its_store_forgets_to(
    engine: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that is saved again lives on; the record has its end in itself."""
    tickets_made = [Tickets(engine, 3).issue(some_cookies(), ORIGIN, BROWSER) for _ in range(2)]
    now = time.time()
    monkeypatch.setattr(tickets, "time", lambda: now + 2)
    assert Tickets(engine, 3).redeem(tickets_made[0], ORIGIN, BROWSER) == EXPECTED
    monkeypatch.setattr(tickets, "time", lambda: now + 4)
    assert Tickets(engine, 3).redeem(tickets_made[1], ORIGIN, BROWSER) is None


@pytest.mark.django_db
def test_clearsessions_knows_when_a_ticket_in_the_database_has_ended() -> None:
    Tickets(DB, 60).issue(some_cookies(), ORIGIN, BROWSER)
    seconds = (Session.objects.get().expire_date - timezone.now()).total_seconds()
    assert 50 < seconds <= 60


@engines
def test_a_ticket_is_no_key_of_a_session(engine: str | None) -> None:
    ticket = Tickets(engine, 60).issue(some_cookies(), ORIGIN, BROWSER)
    for backend in (db_sessions, cache_sessions, file_sessions):
        if engine is not None and engine.endswith(backend.__name__.rpartition(".")[2]):
            assert not backend.SessionStore(ticket).load()


@engines
@pytest.mark.parametrize("browser", [(), ("other",), ("one", "other")[1:]])
def test_a_ticket_is_for_one_browser(engine: str | None, browser: tuple[str, ...]) -> None:
    ticket = Tickets(engine, 60).issue(some_cookies(), ORIGIN, BROWSER)
    assert Tickets(engine, 60).redeem(ticket, ORIGIN, browser) is None
    assert Tickets(engine, 60).redeem(ticket, ORIGIN, BROWSER) is None  # it is spent


@engines
def test_a_browser_may_have_more_cookies_than_a_ticket_is_bound_to(engine: str | None) -> None:
    ticket = Tickets(engine, 60).issue(some_cookies(), ORIGIN, BROWSER)
    assert Tickets(engine, 60).redeem(ticket, ORIGIN, (*BROWSER, "another")) == EXPECTED


@pytest.mark.parametrize("engine", [FILE, CACHE, None])
@pytest.mark.parametrize(
    "backend",
    [
        "locmem.LocMemCache",
        "filebased.FileBasedCache",
    ],
)
def test_of_many_that_redeem_a_ticket_at_once_one_has_it(
    engine: str | None, backend: str, settings: Any, tmp_path: Path
) -> None:
    settings.SESSION_FILE_PATH = str(tmp_path)
    settings.CACHES = {
        "default": {
            "BACKEND": f"django.core.cache.backends.{backend}",
            "LOCATION": str(tmp_path / "cache"),
        }
    }
    for _ in range(30):
        ticket = Tickets(engine, 60).issue(some_cookies(), ORIGIN, BROWSER)
        start = Barrier(4)

        def redeem(start: Barrier = start, ticket: str = ticket) -> bool:
            start.wait(5)
            return Tickets(engine, 60).redeem(ticket, ORIGIN, BROWSER) is not None

        with ThreadPoolExecutor(4) as pool:
            found = [future.result(5) for future in [pool.submit(redeem) for _ in range(4)]]
        assert found.count(True) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("engine", [DB, CACHED_DB])
def test_of_two_that_found_the_same_row_one_has_it(engine: str) -> None:
    ticket = Tickets(engine, 60).issue(some_cookies(), ORIGIN, BROWSER)
    inner: list[Any] = []

    def overtake(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("DELETE") and not inner:
            inner.append(None)
            inner.append(Tickets(engine, 60).redeem(ticket, ORIGIN, BROWSER))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(overtake):
        assert Tickets(engine, 60).redeem(ticket, ORIGIN, BROWSER) is None
    assert inner == [None, EXPECTED]


@pytest.mark.django_db
def test_a_database_cache_lets_one_of_two_have_a_ticket(settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "kept"}
    }
    call_command("createcachetable", verbosity=0)
    ticket = Tickets(None, 60).issue(some_cookies(), ORIGIN, BROWSER)
    inner: list[Any] = []

    def overtake(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("DELETE") and not inner:
            inner.append(None)
            inner.append(Tickets(None, 60).redeem(ticket, ORIGIN, BROWSER))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(overtake):
        assert Tickets(None, 60).redeem(ticket, ORIGIN, BROWSER) is None
    assert inner == [None, EXPECTED]


# What nobody fetches.


@pytest.mark.slow
@pytest.mark.django_db
def test_a_browser_that_fetches_nothing_has_eight_rows_and_loses_no_cookie() -> None:
    unfetched = Unfetched()
    made = [
        Tickets(DB, 60, unfetched).issue([f"a{n}=1; Path=/"], ORIGIN, BROWSER) for n in range(300)
    ]
    assert Session.objects.count() == len(unfetched) == 8
    found = [Tickets(DB, 60, unfetched).redeem(ticket, ORIGIN, BROWSER) for ticket in made]
    assert sorted(line for lines in found for line in lines or ()) == sorted(
        f"a{n}=1; Path=/" for n in range(300)
    )
    assert not Session.objects.exists() and not len(unfetched) and not unfetched._of


@pytest.mark.django_db
def test_the_tickets_of_one_browser_are_not_anothers_to_take_over() -> None:
    unfetched = Unfetched()
    first = Tickets(DB, 60, unfetched).issue(["mine=1; Path=/"], ORIGIN, BROWSER)
    for n in range(20):
        Tickets(DB, 60, unfetched).issue([f"a{n}=1; Path=/"], ORIGIN, ("other",))
        Tickets(DB, 60, unfetched).issue([f"a{n}=1; Path=/"], "https://other.example", BROWSER)
    assert Tickets(DB, 60, unfetched).redeem(first, ORIGIN, BROWSER) == ["mine=1; Path=/"]


@pytest.mark.parametrize("engine", [pytest.param(DB, marks=pytest.mark.django_db), FILE])
def test_what_nobody_fetched_in_time_is_swept(
    engine: str, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SESSION_FILE_PATH = str(tmp_path)
    calls: list[None] = []
    unfetched = Unfetched(lambda: calls.append(None))
    made = Tickets(engine, 60, unfetched)
    for _ in range(3):
        made.issue(some_cookies(), ORIGIN, BROWSER)
    assert calls == [None]
    assert made.sweep()
    now = time.time()
    monkeypatch.setattr(tickets, "time", lambda: now + 61)
    assert not made.sweep()
    assert not list(tmp_path.iterdir())
    if engine == DB:
        assert not Session.objects.exists()
    made.issue(some_cookies(), ORIGIN, BROWSER)
    assert calls == [None, None]


@pytest.mark.django_db
def test_a_spent_ticket_leaves_no_session_behind() -> None:
    made = Tickets(DB, 60)
    made.redeem(made.issue(some_cookies(), ORIGIN, BROWSER), ORIGIN, BROWSER)
    assert not Session.objects.exists()


@pytest.mark.django_db
def test_redeeming_another_session_leaves_it_as_it_is() -> None:
    """The ticket comes from a header: it must not be a way to end or to read sessions."""
    session = db_sessions.SessionStore()
    session["user"] = 7
    session.create()
    key = session.session_key
    assert key is not None
    assert Tickets(DB, 60).redeem(key, ORIGIN, BROWSER) is None
    assert db_sessions.SessionStore(key)["user"] == 7


# What the browser has got from elsewhere meanwhile.

SETS_NEW, DELETES = "s=new; Path=/", "s=; Max-Age=0; Path=/"


@engines
@pytest.mark.parametrize("line", [SETS_NEW, DELETES])
@pytest.mark.parametrize(
    ("handshake", "post", "is_set"),
    [
        pytest.param("s=old", "a=1; s=old", True, id="as-it-was"),
        pytest.param("", "a=1", True, id="absent-as-it-was"),
        pytest.param("s=old", "s=bobs", False, id="login-elsewhere"),
        pytest.param("s=old", "", False, id="logout-elsewhere"),
        pytest.param("", "s=bobs", False, id="login-of-a-new-browser"),
        pytest.param("s=old; s=older", "s=older; s=old", True, id="two-of-a-name"),
        pytest.param("s=old; s=older", "s=older; s=bobs", False, id="one-of-two-is-another"),
    ],
)
def test_a_ticket_changes_a_cookie_only_if_it_is_what_the_connection_started_from(
    engine: str | None, line: str, handshake: str, post: str, is_set: bool
) -> None:
    held, made = BrowserCookies(handshake, "/ws/"), Tickets(engine, 60)
    ticket = made.issue([line, "other=1; Path=/"], ORIGIN, BROWSER, held)
    expected = [line, "other=1; Path=/"] if is_set else ["other=1; Path=/"]
    assert made.redeem(ticket, ORIGIN, BROWSER, post) == expected


@pytest.mark.parametrize("count", [1, tickets._MAX_LINES])
def test_the_cookie_header_is_read_once_whatever_a_ticket_has(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 KB of cookies were read for each line of a ticket: 64 lines took seconds of a thread."""
    reads = []

    def reading(header: str) -> Any:
        reads.append(header)
        return cookie_pairs(header)

    monkeypatch.setattr(browser_cookies, "cookie_pairs", reading)
    header = "; ".join(f"c{n}=old" for n in range(200))
    held, made = BrowserCookies(header, "/ws/"), Tickets(None, 60)
    lines = [f"c{n}=new; Path=/" for n in range(count)]
    ticket = made.issue(lines, ORIGIN, BROWSER, held)
    assert len(reads) == 1
    assert made.redeem(ticket, ORIGIN, BROWSER, header) == lines
    assert len(reads) == 2
    made.issue(lines, ORIGIN, BROWSER, held)
    assert len(reads) == 2  # of cookies that the connection has set itself it knows more


def test_a_cookie_that_is_not_sent_to_the_socket_is_not_compared() -> None:
    held, made = BrowserCookies("", "/ws/"), Tickets(None, 60)
    ticket = made.issue(["s=1; Path=/app", "s=2; Path=/w"], ORIGIN, BROWSER, held)
    assert made.redeem(ticket, ORIGIN, BROWSER, "s=x") == ["s=1; Path=/app", "s=2; Path=/w"]


@engines
def test_a_connection_may_change_what_it_has_set_itself(engine: str | None) -> None:
    held, unfetched = BrowserCookies("s=0", "/ws/"), Unfetched()
    made = Tickets(engine, 60, unfetched)
    for n in range(1, 30):
        ticket = made.issue([f"s={n}; Path=/"], ORIGIN, BROWSER, held)
        assert made.redeem(ticket, ORIGIN, BROWSER, f"s={n - 1}") == [f"s={n}; Path=/"]
    # It was redeemed, so the browser has it; whoever has not has got another from elsewhere.
    for post in ("s=0", "s=28", ""):
        ticket = made.issue([SETS_NEW], ORIGIN, BROWSER, held)
        assert made.redeem(ticket, ORIGIN, BROWSER, post) == []


@engines
def test_a_logout_by_http_is_not_undone_by_a_connection_that_logged_in(engine: str | None) -> None:
    """Nor if another process redeemed the ticket: the store says so then."""
    held = BrowserCookies("", "/ws/")
    first = Tickets(engine, 60).issue([SETS_NEW], ORIGIN, BROWSER, held)
    assert Tickets(engine, 60).redeem(first, ORIGIN, BROWSER) == [SETS_NEW]
    ticket = Tickets(engine, 60).issue(["s=newer; Path=/"], ORIGIN, BROWSER, held)
    assert Tickets(engine, 60).redeem(ticket, ORIGIN, BROWSER, "") == []


@engines
def test_of_two_tickets_that_wait_the_later_one_counts_in_any_order(engine: str | None) -> None:
    for order in ((0, 1), (1, 0)):
        made, held = Tickets(engine, 60), BrowserCookies("s=0", "/ws/")
        issued = [made.issue([f"s={n}; Path=/"], ORIGIN, BROWSER, held) for n in (1, 2)]
        post = "s=0"
        for n in order:
            for line in made.redeem(issued[n], ORIGIN, BROWSER, post) or ():
                post = line.partition(";")[0]
        assert post == "s=2"


@pytest.mark.parametrize("path", ["/", "/elsewhere"])
def test_a_ticket_that_takes_over_replays_nothing_older(path: str) -> None:
    made, held = Tickets(None, 60), BrowserCookies("", "/ws/")
    lines = ["lang=OLD", "lang=NEW", *(f"x{n}=1" for n in range(7))]
    issued = [made.issue([f"{line}; Path={path}"], ORIGIN, BROWSER, held) for line in lines]
    browser: dict[str, str] = {}
    for ticket in issued:
        post = "; ".join(map("=".join, browser.items())) if path == "/" else ""
        for line in made.redeem(ticket, ORIGIN, BROWSER, post) or ():
            name, _, value = line.partition(";")[0].partition("=")
            browser[name] = value
    assert browser == {"lang": "NEW", **{f"x{n}": "1" for n in range(7)}}


def test_of_a_cookie_that_one_response_sets_twice_the_last_line_counts() -> None:
    made = Tickets(None, 60)
    lines = ["a=1; Path=/", "b=1; Path=/", "a=1; Path=/x", "a=2; Path=/"]
    assert made.redeem(made.issue(lines, ORIGIN, BROWSER), ORIGIN, BROWSER) == lines[1:]


@pytest.mark.parametrize("size", [tickets._MAX_LINES, 9], ids=["lines", "bytes"])
def test_a_ticket_has_a_largest_size(size: int) -> None:
    made, value = Tickets(None, 60), "x" * (1 if size > 9 else 4000)
    lines = [f"c{n}={value}; Path=/" for n in range(size)]
    assert made.issue(lines[:8], ORIGIN, BROWSER)
    assert made.issue([*lines, "more=1; Path=/"], ORIGIN, BROWSER) == ""


def test_tickets_that_nobody_redeems_do_not_grow() -> None:
    made, held = Tickets(None, 60), BrowserCookies("", "/ws/")
    for n in range(400):
        ticket = made.issue([f"c{n}={'x' * 3000}; Path=/"], ORIGIN, BROWSER, held)
    lines = made.redeem(ticket, ORIGIN, BROWSER) or []
    assert 1 < len(lines) and sum(map(len, lines)) <= 32_768
    assert lines[-1].startswith("c399=")


def alive() -> Counter[type]:
    gc.collect()
    return Counter(type(each) for each in gc.get_objects() if type(each) in (Issue, Trail))


@pytest.mark.slow
def test_tickets_that_gave_way_are_kept_by_nobody() -> None:
    """A connection that set a cookie once kept every ticket of its browser after that."""
    made, silent, busy = Tickets(None, 60), BrowserCookies("", "/ws/"), BrowserCookies("", "/ws/")
    before = alive()
    first = made.issue(["a=1; Path=/"], ORIGIN, BROWSER, silent)
    for n in range(300):
        made.issue([f"b={n}; Path=/"], ORIGIN, BROWSER, busy)
    kept = alive() - before
    assert max(kept[Issue], kept[Trail]) <= tickets._MOST_UNFETCHED + 1
    assert made.redeem(first, ORIGIN, BROWSER) is None
    # Another has its line, and may be redeemed still: so the browser has no a, or a=1.
    again = made.issue(["a=2; Path=/"], ORIGIN, BROWSER, silent)
    assert made.redeem(again, ORIGIN, BROWSER, "") == ["a=2; Path=/"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_trail_leads_to_the_ticket_that_has_the_lines(seed: int) -> None:
    """However many give way at once, as those of several threads do."""
    chance, unfetched = random.Random(seed), Unfetched()
    successors: dict[str, str] = {}
    trails: dict[str, Trail] = {}
    before = alive()
    for n in range(400):
        issue = Issue(f"{n}", "holder", 1.0)
        successors |= dict.fromkeys((gone.key for gone in unfetched.add(issue)), issue.key)
        trails[issue.key] = issue.trail
        for waiting in unfetched._issues.values():
            waiting.is_stored = waiting.is_stored or chance.random() < 0.3
    for key, trail in trails.items():
        while key in successors:
            key = successors[key]
        assert trail.last.key == key
    del issue, waiting
    assert (alive() - before)[Issue] == len(unfetched) < 30


def test_what_is_taken_over_keeps_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made, now = Tickets(None, 60), time.time()
    made.issue(["a=1; Path=/"], ORIGIN, BROWSER)
    monkeypatch.setattr(tickets, "time", lambda: now + 30)
    issued = [made.issue([f"b{n}=1; Path=/"], ORIGIN, BROWSER) for n in range(8)]
    monkeypatch.setattr(tickets, "time", lambda: now + 61)
    assert made.redeem(issued[-1], ORIGIN, BROWSER) == ["b7=1; Path=/"]


def test_what_is_still_to_be_stored_is_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row would come after the one that should have taken it, and nobody would know of it."""
    unfetched = Unfetched()
    made = Tickets(None, 60, unfetched)
    put = made._store.put
    issued: list[str] = []

    def late(key: str, record: Any, seconds: int) -> None:
        monkeypatch.undo()
        issued.extend(made.issue([f"b{n}=1; Path=/"], ORIGIN, BROWSER) for n in range(20))
        put(key, record, seconds)

    monkeypatch.setattr(made._store, "put", late)
    issued.append(made.issue(["a=1; Path=/"], ORIGIN, BROWSER))
    assert len(unfetched) == 8 and tickets._key(issued[-1]) in unfetched._issues
    found = [line for ticket in issued for line in made.redeem(ticket, ORIGIN, BROWSER) or ()]
    assert sorted(found) == sorted(["a=1; Path=/", *(f"b{n}=1; Path=/" for n in range(20))])
    assert not len(unfetched)
