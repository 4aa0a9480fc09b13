"""Which responses may be shared, by HTTP's caching rules, and for how long."""

from typing import Any

import pytest

from wsrequest.live.http_caching import fresh_seconds, shared_key
from wsrequest.types import Headers

PUBLIC = {"Cache-Control": "public"}


def key(headers: dict[str, Any], status: int = 200, **meta: str) -> Any:
    return shared_key(status, headers, meta)


@pytest.mark.parametrize(
    "directives",
    [
        "public",
        "PUBLIC",
        "max-age=60, public",
        "public,max-age=60",
        "s-maxage=60",
        "S-MaxAge=60 , must-revalidate",
        'public, ext="private"',
        'public, ext="a, no-store"',
        "public, s-maxage=60, max-age=0",  # what a shared cache goes by is s-maxage
        ["max-age=60", "public"],
    ],
)
def test_what_a_shared_cache_may_serve_is_shared(directives: Any) -> None:
    assert key({"Cache-Control": directives}) == ()


@pytest.mark.parametrize(
    "directives",
    [
        "",
        "max-age=60",
        "must-revalidate",
        "private",
        "public, private",
        'public, private="X-User"',
        "public, no-store",
        "public, no-cache",
        'public, no-cache="Set-Cookie"',
        "s-maxage=60, private",
        "max-age=0, no-cache, no-store, must-revalidate, private",  # Django's never_cache
        'ext="public"',
        'ext="a, public"',
        "notpublic",
        "public-ish",
        "x-public",
        "s-maxage=0",  # to be asked for anew, which may give another answer
        "public, max-age=0",
        "public, s-maxage=0, max-age=60",
        "public, max-age=0, must-revalidate",
        ["public", "private"],
    ],
)
def test_what_it_may_not_serve_to_others_is_one_visitors(directives: Any) -> None:
    assert key({"Cache-Control": directives}) is None


def test_a_response_that_says_nothing_is_one_visitors() -> None:
    assert key({}) is None


@pytest.mark.parametrize("status", [201, 204, 206, 301, 304, 404, 500])
def test_only_a_200_is_shared(status: int) -> None:
    assert key(PUBLIC, status) is None


@pytest.mark.parametrize("name", ["Set-Cookie", "set-cookie"])
def test_a_response_that_sets_a_cookie_is_one_visitors(name: str) -> None:
    assert key(PUBLIC | {name: "a=1"}) is None


def test_names_of_headers_are_of_any_case() -> None:
    assert key({"cache-control": "public", "VARY": "accept"}, HTTP_ACCEPT="a") == (("accept", "a"),)


def test_those_with_equal_headers_of_vary_share() -> None:
    headers = PUBLIC | {"Vary": "Accept-Language, cookie"}
    mine = key(headers, HTTP_ACCEPT_LANGUAGE="de", HTTP_COOKIE="a=1")
    assert mine == key(headers, HTTP_COOKIE="a=1", HTTP_ACCEPT_LANGUAGE="de", HTTP_X="other")
    assert mine != key(headers, HTTP_ACCEPT_LANGUAGE="fr", HTTP_COOKIE="a=1")
    assert mine != key(headers, HTTP_ACCEPT_LANGUAGE="de", HTTP_COOKIE="a=2")
    assert mine != key(headers, HTTP_ACCEPT_LANGUAGE="de")


def test_a_header_that_is_missing_is_another_than_one_that_is_empty() -> None:
    headers = PUBLIC | {"Vary": "Cookie"}
    assert key(headers) != key(headers, HTTP_COOKIE="")


@pytest.mark.parametrize("vary", ["*", "Accept, *", ["Accept", "*"], " * "])
def test_what_varies_by_anything_is_one_visitors(vary: Any) -> None:
    assert key(PUBLIC | {"Vary": vary}) is None


def test_how_vary_is_written_is_no_matter() -> None:
    varies = [["Accept", "Cookie"], "Cookie, Accept", "cookie,,ACCEPT ,cookie"]
    assert len({key(PUBLIC | {"Vary": vary}, HTTP_COOKIE="a") for vary in varies}) == 1


def test_a_value_cannot_pass_for_that_of_another_header() -> None:
    one = key(PUBLIC | {"Vary": "A"}, HTTP_A="x", HTTP_B="y")
    two = key(PUBLIC | {"Vary": "B"}, HTTP_A="x", HTTP_B="x")
    assert one != two


@pytest.mark.parametrize(
    ("directives", "seconds"),
    [
        ("max-age=60", 60.0),
        ("public, MAX-AGE=5", 5.0),
        ('max-age="7"', 7.0),
        ("max-age=0", None),
        ("max-age", None),
        ("max-age=-1", None),
        ("max-age=soon", None),
        ("max-age=\u0661", None),
        ("s-maxage=60", None),
        ("", None),
    ],
)
def test_an_answer_is_fresh_as_long_as_it_says(directives: str, seconds: float | None) -> None:
    assert fresh_seconds({"Cache-Control": directives}) == seconds


def test_an_answer_without_cache_control_says_nothing() -> None:
    assert fresh_seconds({}) is None


def test_a_number_without_end_is_no_failure() -> None:
    headers: Headers = {**PUBLIC, "Cache-Control": "public, max-age=" + "9" * 10_000}
    assert fresh_seconds(headers) == 2**31 and key(headers) == ()
