"""Cookies of a connection, by the rules of RFC 6265 as far as one host needs them."""

import threading
import tracemalloc
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.http.cookie import parse_cookie
from django.utils.http import http_date

from wsrequest.request import cookies
from wsrequest.request.cookies import CookieJar, cookie_pairs
from wsrequest.request.response import cookie_lines

SECONDS = 5.0


def setting(name: str, value: str = "v", **attributes: Any) -> list[str]:
    """What a response sends after ``set_cookie``."""
    response = HttpResponse()
    response.set_cookie(name, value, **attributes)
    return cookie_lines(response)


def deleting(name: str, **attributes: Any) -> list[str]:
    response = HttpResponse()
    response.delete_cookie(name, **attributes)
    return cookie_lines(response)


def raw(text: str) -> list[str]:
    return [text]


def test_header_is_that_of_the_handshake_while_nothing_was_set() -> None:
    assert CookieJar('a=1;b="x y"; c').header("/any/") == 'a=1;b="x y"; c'


def test_header_is_empty_without_cookies() -> None:
    assert CookieJar("").header("/") == ""


def test_update_adds_to_the_cookies_of_the_handshake() -> None:
    jar = CookieJar("a=1; b=2")
    jar.update(setting("c", "3"), "/")
    assert parse_cookie(jar.header("/")) == {"a": "1", "b": "2", "c": "3"}


def test_update_replaces_a_cookie_of_the_handshake() -> None:
    jar = CookieJar("sessionid=old; b=2")
    jar.update(setting("sessionid", "new"), "/")
    assert parse_cookie(jar.header("/")) == {"sessionid": "new", "b": "2"}
    assert jar.get("sessionid") == "new"


def test_update_replaces_a_cookie_of_the_handshake_whose_path_the_browser_did_not_say() -> None:
    jar = CookieJar("sessionid=old")
    jar.update(setting("sessionid", "new", path="/app/"), "/")
    assert jar.header("/app/x/") == "sessionid=new"
    assert jar.header("/") == ""


@pytest.mark.parametrize(
    ("cookie_path", "path", "matches"),
    [
        pytest.param("/", "/", True, id="root-at-root"),
        pytest.param("/", "/any/where/", True, id="root-anywhere"),
        pytest.param("/app", "/app", True, id="the-same"),
        pytest.param("/app", "/app/", True, id="below-it"),
        pytest.param("/app", "/app/x", True, id="deeper"),
        pytest.param("/app", "/apple", False, id="not-at-a-slash"),
        pytest.param("/app/", "/app/x", True, id="ends-with-a-slash"),
        pytest.param("/app/", "/app", False, id="slash-missing"),
        pytest.param("/app", "/", False, id="above-it"),
        pytest.param("/App", "/app", False, id="case-matters"),
    ],
)
def test_header_holds_the_cookies_whose_path_matches(
    cookie_path: str, path: str, matches: bool
) -> None:
    jar = CookieJar("")
    jar.update(setting("a", "1", path=cookie_path), "/")
    assert jar.header(path) == ("a=1" if matches else "")


@pytest.mark.parametrize(
    "line", ["a=1", "a=1; path=elsewhere", "a=1; Path=", "a=1; Path=/x; path="]
)
def test_a_cookie_without_a_path_is_for_the_directory_of_its_url(line: str) -> None:
    jar = CookieJar("")
    jar.update([line], "/app/list/7")
    assert jar.header("/app/list/8") == jar.header("/app/list") == "a=1"
    assert jar.header("/app/") == ""


def test_header_has_longer_paths_first() -> None:
    jar = CookieJar("")
    jar.update(setting("a", "root"), "/")
    jar.update(setting("a", "deep", path="/app/deep"), "/")
    jar.update(setting("a", "app", path="/app"), "/")
    assert jar.header("/app/deep/x") == "a=deep; a=app; a=root"


def test_header_keeps_the_order_of_setting_for_equal_paths() -> None:
    jar = CookieJar("")
    for name in "cab":
        jar.update(setting(name, name, path="/app"), "/")
    assert jar.header("/app") == "c=c; a=a; b=b"


@pytest.mark.parametrize(
    ("attributes", "lives"),
    [
        pytest.param({}, True, id="without-end"),
        pytest.param({"max_age": 60}, True, id="max-age"),
        pytest.param({"max_age": 0}, False, id="max-age-zero"),
        pytest.param({"max_age": -1}, False, id="max-age-negative"),
        pytest.param({"expires": datetime.now(UTC) + timedelta(days=1)}, True, id="expires"),
        pytest.param({"expires": http_date(1)}, False, id="expired"),
        pytest.param({"expires": "Thursday, 01-Jan-70 00:00:00 GMT"}, False, id="expired-rfc-850"),
        pytest.param({"expires": "some day"}, True, id="expires-unreadable"),
    ],
)
def test_a_cookie_lives_until_its_end(attributes: dict[str, Any], lives: bool) -> None:
    jar = CookieJar("")
    jar.update(setting("a", "1", **attributes), "/")
    assert jar.header("/") == ("a=1" if lives else "")
    assert jar.get("a") == ("1" if lives else None)


@pytest.mark.parametrize(
    ("text", "lives"),
    [
        pytest.param(f"a=1; max-age=60; expires={http_date(1)}", True, id="max-age-is-later"),
        pytest.param("a=1; max-age=0; expires=Fri, 01 Jan 2100 00:00:00 GMT", False, id="earlier"),
        pytest.param("a=1; max-age=soon", True, id="max-age-unreadable"),
    ],
)
def test_max_age_goes_before_expires(text: str, lives: bool) -> None:
    jar = CookieJar("")
    jar.update(raw(text), "/")
    assert (jar.get("a") is not None) is lives


def test_a_cookie_ends_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(cookies, "time", lambda: now)
    jar = CookieJar("")
    jar.update(setting("a", "1", max_age=10), "/")
    now += 9
    assert jar.header("/") == "a=1"
    now += 2
    assert jar.header("/") == ""
    assert jar.get("a") is None


def test_values_are_those_of_all_paths() -> None:
    jar = CookieJar("e=f")
    assert jar.values("a") == set()
    jar.update(setting("a", "c d"), "/")
    jar.update(setting("a", "g", path="/deep/"), "/")
    assert jar.values("a") == {"c d", "g"}


def test_deleting_takes_a_cookie_of_the_handshake_away() -> None:
    jar = CookieJar("sessionid=abc; b=2")
    jar.update(deleting("sessionid"), "/")
    assert jar.header("/") == "b=2"
    assert jar.get("sessionid") is None


def test_deleting_takes_only_the_cookie_of_its_path() -> None:
    jar = CookieJar("")
    jar.update(setting("a", "root"), "/")
    jar.update(setting("a", "app", path="/app"), "/")
    jar.update(deleting("a", path="/app"), "/")
    assert jar.header("/app") == "a=root"


@pytest.mark.parametrize(
    "value",
    ["", "plain", "a space", 'with "quotes"', "semi;colon", "comma,", "back\\slash", "ümläut", "="],
)
def test_values_come_back_as_django_reads_them(value: str) -> None:
    jar = CookieJar("")
    jar.update(setting("a", value), "/")
    assert parse_cookie(jar.header("/"))["a"] == value


def test_update_while_full_still_takes_what_it_holds_already() -> None:
    jar = CookieJar("; ".join(f"n{n}=1" for n in range(cookies._MAX_COOKIES)))
    jar.update(setting("n0", "changed"), "/")
    assert jar.get("n0") == "changed"
    assert len(parse_cookie(jar.header("/"))) == cookies._MAX_COOKIES


def test_cookies_are_bounded() -> None:
    jar = CookieJar("")
    for n in range(cookies._MAX_COOKIES + 50):
        jar.update(setting(f"n{n}"), "/")
    assert len(parse_cookie(jar.header("/"))) <= cookies._MAX_COOKIES


def test_expired_cookies_do_not_take_the_place_of_new_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(cookies, "time", lambda: now)
    jar = CookieJar("")
    for n in range(cookies._MAX_COOKIES):
        jar.update(setting(f"short{n}", max_age=1), "/")
    now += 10
    jar.update(setting("sessionid", "abc"), "/")
    assert jar.get("sessionid") == "abc"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        pytest.param("expires", 3600, id="expires-as-seconds"),  # http.cookies takes a number
        pytest.param("max-age", "9" * 400, id="max-age-without-bounds"),
        pytest.param("expires", "Fri, 31 Dec 9999 23:59:59 -2300", id="beyond-the-calendar"),
    ],
)
def test_odd_attributes_are_taken_in_silence(attribute: str, value: Any) -> None:
    jar = CookieJar("")
    response = HttpResponse()
    response.set_cookie("a", "1")
    response.cookies["a"][attribute] = value
    jar.update(cookie_lines(response), "/")
    assert jar.get("a") == "1"


class _Slow(str):
    """A header that another thread meets half read."""

    reached: threading.Event
    go: threading.Event

    def split(self, *args: Any) -> Iterable[str]:  # type: ignore[override]
        yield "a=1"
        self.reached.set()
        assert self.go.wait(SECONDS)
        yield "sessionid=old"


def slow_header() -> _Slow:
    header = _Slow("a=1; sessionid=old")
    header.reached, header.go = threading.Event(), threading.Event()
    return header


def test_a_cookie_is_found_while_another_thread_reads_the_jar() -> None:
    header = slow_header()
    jar = CookieJar(header)
    other = threading.Thread(target=jar.get, args=("a",))
    other.start()
    assert header.reached.wait(SECONDS)
    mine = threading.Thread(target=lambda: found.append(jar.get("sessionid")))
    found: list[str | None] = []
    mine.start()
    header.go.set()
    other.join(SECONDS)
    mine.join(SECONDS)
    assert found == ["old"]


def test_a_login_holds_although_another_thread_reads_the_jar_meanwhile() -> None:
    header = slow_header()
    jar = CookieJar(header)
    other = threading.Thread(target=jar.get, args=("a",))
    other.start()
    assert header.reached.wait(SECONDS)
    mine = threading.Thread(target=jar.update, args=(setting("sessionid", "new"), "/"))
    mine.start()
    # A jar that locks lets the other one end first; one that copies is done already.
    mine.join(0.05)
    header.go.set()
    other.join(SECONDS)
    mine.join(SECONDS)
    assert jar.get("sessionid") == "new"
    assert parse_cookie(jar.header("/"))["sessionid"] == "new"


def test_a_cookie_that_is_set_again_stays_where_it_is() -> None:
    """RFC 6265 5.3, step 11: it keeps the time of its creation, by which the header is ordered."""
    jar = CookieJar("a=1; b=2; c=3")
    jar.update(setting("b", "2"), "/")
    assert jar.header("/") == "a=1; b=2; c=3"
    jar.update(setting("a", "4", max_age=60), "/")
    assert jar.header("/") == "a=4; b=2; c=3"


def test_update_tells_whether_other_cookies_are_sent() -> None:
    jar = CookieJar("a=1")
    assert jar.update(setting("b", "2", max_age=60), "/")
    assert not jar.update(setting("b", "2", max_age=600), "/")
    assert not jar.update(deleting("c"), "/")
    assert jar.update(deleting("b"), "/")


def test_cookie_pairs_are_the_same_in_any_order() -> None:
    assert cookie_pairs("a=1; b=2") == cookie_pairs("b=2;a=1")
    assert cookie_pairs("a=1; b=2") != cookie_pairs("a=2; b=1")
    # Of two with one name a view sees the last.
    assert cookie_pairs("a=1; a=2") != cookie_pairs("a=2; a=1")


@pytest.mark.parametrize(
    "header",
    [
        'sessionid="key"',
        "sessionid=key",
        'a="1"; sessionid="key"; b=2',
        "sessionid=old; sessionid=key",
    ],
)
def test_a_cookie_is_read_as_django_reads_it(header: str) -> None:
    assert CookieJar(header).get("sessionid") == parse_cookie(header)["sessionid"] == "key"


def test_of_two_with_one_name_that_of_the_shorter_path_is_read() -> None:
    jar = CookieJar("")
    jar.update(setting("a", "root"), "/")
    jar.update(setting("a", "deep", path="/app"), "/")
    assert jar.get("a") == parse_cookie(jar.header("/app/"))["a"] == "root"


# News: what a browser would store otherwise.


HOURS = 3600


def browser_jar(monkeypatch: pytest.MonkeyPatch) -> tuple[CookieJar, list[float]]:
    now = [1_000_000.0]
    monkeypatch.setattr(cookies, "time", lambda: now[0])
    return CookieJar(""), now


SET = {"max_age": 14 * 24 * HOURS, "httponly": True, "samesite": "Lax"}


@pytest.mark.parametrize(
    ("change", "is_change"),
    [
        pytest.param({}, False, id="the-same"),
        pytest.param({"value": "other"}, True, id="value"),
        pytest.param({"path": "/app/"}, True, id="path"),
        pytest.param({"domain": "example.com"}, True, id="domain"),
        pytest.param({"secure": True}, True, id="secure"),
        pytest.param({"httponly": False}, True, id="httponly"),
        pytest.param({"samesite": "Strict"}, True, id="samesite"),
        pytest.param({"max_age": None}, True, id="until-the-browser-ends"),
        pytest.param({"max_age": 30 * 24 * HOURS}, True, id="longer"),
        pytest.param({"max_age": 14 * 24 * HOURS + 60}, True, id="a-minute-longer"),
        pytest.param({"max_age": HOURS}, True, id="shorter"),
    ],
)
def test_a_cookie_is_news_when_a_browser_would_store_something_else(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], is_change: bool
) -> None:
    jar, _ = browser_jar(monkeypatch)
    jar.update(setting("a", "1", **SET), "/")
    line = setting("a", change.pop("value", "1"), **{**SET, **change})
    assert jar.changed_lines(line, "/") == (line if is_change else [])
    jar.update(line, "/")
    assert jar.changed_lines(line, "/") == []


def test_a_cookie_of_the_handshake_is_news_once_for_its_attributes_are_not_known() -> None:
    jar = CookieJar("csrftoken=abc")
    renewed = setting("csrftoken", "abc", max_age=HOURS)
    assert jar.changed_lines(renewed, "/") == renewed
    assert not jar.update(renewed, "/")
    assert jar.changed_lines(renewed, "/") == []


def test_a_fixed_end_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    jar, now = browser_jar(monkeypatch)
    line = [f"a=1; Path=/; expires={http_date(now[0] + HOURS)}"]
    jar.update(line, "/")
    now[0] += HOURS - 60
    assert jar.changed_lines(line, "/") == []


def test_a_sliding_cookie_is_renewed_when_a_tenth_of_its_age_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jar, now = browser_jar(monkeypatch)
    told = []
    for _ in range(100):  # a call a minute for 100 minutes
        line = setting("a", "1", max_age=HOURS)
        told += jar.changed_lines(line, "/")
        jar.update(line, "/")
        assert jar.header("/") == "a=1"
        now[0] += 60
    assert len(told) == 1 + 99 // 6


def test_a_browser_never_loses_a_sliding_cookie_that_the_connection_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jar, now = browser_jar(monkeypatch)
    ends = 0.0
    for n in range(20):
        line = setting("a", "1", max_age=10)
        if jar.changed_lines(line, "/"):
            ends = now[0] + 10
        jar.update(line, "/")
        now[0] += 2
        assert ends > now[0], n


def test_one_that_ended_in_the_browser_meanwhile_is_news(monkeypatch: pytest.MonkeyPatch) -> None:
    jar, now = browser_jar(monkeypatch)
    jar.update(setting("a", "1", max_age=10), "/")
    now[0] += 11
    line = setting("a", "1", max_age=10)
    assert jar.changed_lines(line, "/") == line


def test_deleting_is_news_where_there_is_something_to_delete() -> None:
    jar = CookieJar("a=1", "/ws/")
    assert jar.changed_lines(deleting("a"), "/") == deleting("a")
    assert jar.changed_lines(deleting("b"), "/") == []
    # Of another path the browser would not have sent it to the socket.
    unseen = deleting("b", path="/app/")
    assert jar.changed_lines(unseen, "/") == unseen
    jar.update(unseen, "/")
    assert jar.changed_lines(unseen, "/") == []
    jar.update(setting("b", path="/app/"), "/")
    assert jar.changed_lines(unseen, "/") == unseen


def test_each_line_of_a_response_is_seen_behind_those_before_it() -> None:
    jar = CookieJar("")
    lines = ["a=1; Path=/", "a=2; Path=/", "a=2; Path=/", "no cookie", "=v"]
    assert jar.changed_lines(lines, "/") == lines[:2]


def test_news_names_the_path_that_a_line_leaves_open() -> None:
    """The browser gets the line from the path of the socket, which has another directory."""
    jar = CookieJar("")
    assert jar.changed_lines(["a=1; HttpOnly"], "/app/x") == ["a=1; HttpOnly; Path=/app"]


def test_the_next_end_is_that_of_the_cookie_that_ends_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jar, now = browser_jar(monkeypatch)
    assert jar.next_end() is None
    for name, age in (("a", 60), ("b", 30), ("c", None)):
        jar.update(setting(name, max_age=age), "/")
    assert jar.next_end() == now[0] + 30
    now[0] += 31
    assert jar.next_end() == now[0] + 29


# What views that set cookies from what they are sent can make a connection keep.


@pytest.mark.once
@pytest.mark.parametrize(
    "line",
    [
        pytest.param("k{n}=" + "z" * 500_000 + "; Path=/", id="large-values"),
        pytest.param("k{n}=" + "z" * 4000 + "; Path=/", id="many-values"),
        pytest.param("k{n}" + "z" * 4000 + "=1; Path=/", id="names"),
        pytest.param("k{n}=1; Path=/" + "z" * 1000, id="paths"),
        pytest.param("k{n}=1; Path=/; Domain=" + "z" * 1000, id="domains"),
        pytest.param("k{n}=1; Path=/; x=" + "z" * 500_000, id="attributes"),
        pytest.param("k{n}=1; Path=/" + "; Secure" * 900, id="many-attributes"),
        pytest.param("k{n}" + "z" * 4000 + "=1; Max-Age=0; Path=/x", id="deletions"),
        pytest.param("k=" + "z" * 4000 + "; Max-Age={n}000; Path=/", id="one-whose-end-moves"),
    ],
)
def test_what_a_jar_keeps_is_bounded_in_bytes(line: str) -> None:
    jar = CookieJar("", "/ws/")
    tracemalloc.start()
    try:
        for n in range(1, 400):
            jar.update([line.replace("{n}", str(n))], "/")
        assert tracemalloc.get_traced_memory()[0] < 200 * 1024
    finally:
        tracemalloc.stop()


def test_what_does_not_fit_leaves_what_is_there() -> None:
    jar = CookieJar("", "/ws/")
    jar.update(["sessionid=abc; Path=/"], "/")
    jar.update([f"k{n}={'z' * 4000}; Path=/" for n in range(400)], "/")
    full = jar.header("/")
    assert len(full) > cookies._MAX_BYTES - 5000
    assert jar.get("sessionid") == "abc"
    jar.update(["sessionid=other; Path=/", "k0=; Max-Age=0; Path=/"], "/")
    jar.update(["new=1; Path=/"], "/")  # what is deleted makes room
    assert (jar.get("sessionid"), jar.get("k0"), jar.get("new")) == ("other", None, "1")
