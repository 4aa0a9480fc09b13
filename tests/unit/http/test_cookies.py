"""Cookies of a connection, by the rules of RFC 6265 as far as one host needs them."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.http import HttpResponse
from django.http.cookie import parse_cookie
from django.utils.http import http_date

from wsrequest.http import cookies
from wsrequest.http.cookies import CookieJar

SECONDS = 5.0


def setting(name: str, value: str = "v", **attributes: Any) -> SimpleCookie:
    """What a response holds after ``set_cookie``."""
    response = HttpResponse()
    response.set_cookie(name, value, **attributes)
    return response.cookies


def deleting(name: str, **attributes: Any) -> SimpleCookie:
    response = HttpResponse()
    response.delete_cookie(name, **attributes)
    return response.cookies


def raw(text: str) -> SimpleCookie:
    return SimpleCookie(text)


def test_header_is_that_of_the_handshake_while_nothing_was_set() -> None:
    assert CookieJar('a=1;b="x y"; c').header("/any/") == 'a=1;b="x y"; c'


def test_header_is_empty_without_cookies() -> None:
    assert CookieJar("").header("/") == ""


def test_update_adds_to_the_cookies_of_the_handshake() -> None:
    jar = CookieJar("a=1; b=2")
    jar.update(setting("c", "3"))
    assert parse_cookie(jar.header("/")) == {"a": "1", "b": "2", "c": "3"}


def test_update_replaces_a_cookie_of_the_handshake() -> None:
    jar = CookieJar("sessionid=old; b=2")
    jar.update(setting("sessionid", "new"))
    assert parse_cookie(jar.header("/")) == {"sessionid": "new", "b": "2"}
    assert jar.get("sessionid") == "new"


def test_update_replaces_a_cookie_of_the_handshake_whose_path_the_browser_did_not_say() -> None:
    jar = CookieJar("sessionid=old")
    jar.update(setting("sessionid", "new", path="/app/"))
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
    jar.update(setting("a", "1", path=cookie_path))
    assert jar.header(path) == ("a=1" if matches else "")


def test_a_path_that_is_none_counts_as_root() -> None:
    jar = CookieJar("")
    jar.update(raw("a=1; path=elsewhere"))
    assert jar.header("/x/") == "a=1"


def test_header_has_longer_paths_first() -> None:
    jar = CookieJar("")
    jar.update(setting("a", "root"))
    jar.update(setting("a", "deep", path="/app/deep"))
    jar.update(setting("a", "app", path="/app"))
    assert jar.header("/app/deep/x") == "a=deep; a=app; a=root"


def test_header_keeps_the_order_of_setting_for_equal_paths() -> None:
    jar = CookieJar("")
    for name in "cab":
        jar.update(setting(name, name, path="/app"))
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
    jar.update(setting("a", "1", **attributes))
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
    jar.update(raw(text))
    assert (jar.get("a") is not None) is lives


def test_a_cookie_ends_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(cookies, "time", lambda: now)
    jar = CookieJar("")
    jar.update(setting("a", "1", max_age=10))
    now += 9
    assert jar.header("/") == "a=1"
    now += 2
    assert jar.header("/") == ""
    assert jar.get("a") is None


def test_deleting_takes_a_cookie_of_the_handshake_away() -> None:
    jar = CookieJar("sessionid=abc; b=2")
    jar.update(deleting("sessionid"))
    assert jar.header("/") == "b=2"
    assert jar.get("sessionid") is None


def test_deleting_takes_only_the_cookie_of_its_path() -> None:
    jar = CookieJar("")
    jar.update(setting("a", "root"))
    jar.update(setting("a", "app", path="/app"))
    jar.update(deleting("a", path="/app"))
    assert jar.header("/app") == "a=root"


@pytest.mark.parametrize(
    "value",
    ["", "plain", "a space", 'with "quotes"', "semi;colon", "comma,", "back\\slash", "ümläut", "="],
)
def test_values_come_back_as_django_reads_them(value: str) -> None:
    jar = CookieJar("")
    jar.update(setting("a", value))
    assert parse_cookie(jar.header("/")) == parse_cookie(
        f"a={setting('a', value)['a'].coded_value}"
    )
    assert parse_cookie(jar.header("/"))["a"] == value


def test_update_while_full_still_takes_what_it_holds_already() -> None:
    jar = CookieJar("; ".join(f"n{n}=1" for n in range(cookies._MAX_COOKIES)))
    jar.update(setting("n0", "changed"))
    assert jar.get("n0") == "changed"
    assert len(parse_cookie(jar.header("/"))) == cookies._MAX_COOKIES


def test_cookies_are_bounded() -> None:
    jar = CookieJar("")
    for n in range(cookies._MAX_COOKIES + 50):
        jar.update(setting(f"n{n}"))
    assert len(parse_cookie(jar.header("/"))) <= cookies._MAX_COOKIES


def test_expired_cookies_do_not_take_the_place_of_new_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(cookies, "time", lambda: now)
    jar = CookieJar("")
    for n in range(cookies._MAX_COOKIES):
        jar.update(setting(f"short{n}", max_age=1))
    now += 10
    jar.update(setting("sessionid", "abc"))
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
    response = setting("a", "1")
    response["a"][attribute] = value
    jar.update(response)
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
    mine = threading.Thread(target=jar.update, args=(setting("sessionid", "new"),))
    mine.start()
    # A jar that locks lets the other one end first; one that copies is done already.
    mine.join(0.05)
    header.go.set()
    other.join(SECONDS)
    mine.join(SECONDS)
    assert jar.get("sessionid") == "new"
    assert parse_cookie(jar.header("/"))["sessionid"] == "new"
