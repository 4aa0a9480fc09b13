"""Which cookies a request has read."""

import copy
import json
import pickle
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest

from wsrequest.subscriptions.cookie_reads import CookieReads, note_cookies

COOKIE = "a=1; b=2; csrftoken=s"


def made() -> tuple[WSGIRequest, CookieReads]:
    request = WSGIRequest(
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/",
            "HTTP_COOKIE": COOKIE,
            "HTTP_ACCEPT": "*/*",
            "wsgi.input": BytesIO(),
        }
    )
    return request, note_cookies(request)


def names_of(read: Callable[[Any], Any]) -> frozenset[str] | None:
    request, reads = made()
    read(request)
    return reads.names()


@pytest.mark.parametrize(
    "read",
    [
        lambda request: request.COOKIES["a"],
        lambda request: request.COOKIES.get("a", ""),
        lambda request: "a" in request.COOKIES,
        lambda request: request.COOKIES.pop("a"),
        lambda request: request.COOKIES.setdefault("a", ""),
        lambda request: request.get_signed_cookie("a", default=None),
    ],
)
def test_a_cookie_that_is_looked_up_counts(read: Any) -> None:
    assert names_of(read) == {"a"}


def test_a_cookie_that_is_looked_for_in_vain_counts() -> None:
    assert names_of(lambda request: request.COOKIES.get("none")) == {"none"}


@pytest.mark.parametrize(
    "read",
    [
        lambda request: None,
        lambda request: request.META["HTTP_ACCEPT"],
        lambda request: request.META.get("REMOTE_USER"),
        lambda request: list(request.META),
        lambda request: request.headers["Accept"],
        lambda request: request.headers.get("X-None"),
        lambda request: request.META.__setitem__("X", 1),
        lambda request: request.COOKIES.__setitem__("a", "3"),
    ],
)
def test_whatever_else_is_read_is_no_cookie(read: Any) -> None:
    assert names_of(read) == frozenset()


@pytest.mark.parametrize(
    "read",
    [
        lambda request: dict(request.COOKIES),
        lambda request: {**request.COOKIES},
        lambda request: {} | request.COOKIES,
        lambda request: request.COOKIES | {},
        lambda request: list(request.COOKIES),
        lambda request: list(reversed(request.COOKIES)),
        lambda request: len(request.COOKIES),
        lambda request: bool(request.COOKIES),
        lambda request: request.COOKIES == {},
        lambda request: request.COOKIES != {},
        lambda request: list(request.COOKIES.items()),
        lambda request: list(request.COOKIES.values()),
        lambda request: list(request.COOKIES.keys()),
        lambda request: request.COOKIES.copy(),
        lambda request: request.COOKIES.popitem(),
        lambda request: copy.copy(request.COOKIES),
        lambda request: copy.deepcopy(request.COOKIES),
        lambda request: pickle.dumps(request.COOKIES),
        lambda request: json.dumps(request.COOKIES),
        lambda request: str(request.COOKIES),
        lambda request: "{a}".format(**request.COOKIES),
        lambda request: request.META["HTTP_COOKIE"],
        lambda request: request.META.get("HTTP_COOKIE"),
        lambda request: request.environ["HTTP_COOKIE"],
        lambda request: {**request.META},
        lambda request: dict(request.META),
        lambda request: {key: request.META[key] for key in request.META},
        lambda request: request.META.copy(),
        lambda request: list(request.META.items()),
        lambda request: list(request.META.values()),
        lambda request: request.headers["Cookie"],
        lambda request: request.headers.get("cookie"),
        lambda request: request.headers["HTTP_COOKIE".removeprefix("HTTP_")],
        lambda request: dict(request.headers),
        lambda request: list(request.headers.items()),
        lambda request: str(request.headers),
    ],
)
def test_who_sees_all_cookies_has_read_all(read: Any) -> None:
    assert names_of(read) is None


@pytest.mark.parametrize(
    "read",
    [
        lambda request: request.META["CSRF_COOKIE"],
        lambda request: request.META.get("CSRF_COOKIE"),
        lambda request: "CSRF_COOKIE" in request.environ,
        lambda request: {key: request.META[key] for key in ("CSRF_COOKIE",)},
    ],
)
def test_the_copy_of_the_csrf_secret_is_the_cookie(read: Any) -> None:
    request, reads = made()
    request.META["CSRF_COOKIE"] = request.COOKIES["csrftoken"]  # as the middleware does
    assert reads.counting("csrftoken", uses_token=False) == frozenset()
    read(request)
    assert reads.counting("csrftoken", uses_token=False) == {"csrftoken"}


def test_the_request_is_as_it_was() -> None:
    request, _ = made()
    assert request.COOKIES == {"a": "1", "b": "2", "csrftoken": "s"}
    assert request.META is request.environ and request.META["HTTP_COOKIE"] == COOKIE
    assert request.headers == {"Cookie": COOKIE, "Accept": "*/*"}
    assert type(copy.copy(request.COOKIES)) is dict


def test_names_can_be_left_out_and_many_are_all() -> None:
    request, reads = made()
    assert request.COOKIES["a"] and request.COOKIES["b"] and "b" in request.COOKIES
    assert reads.names(without=["a"]) == {"b"}
    assert (reads.count("a"), reads.count("b"), reads.count("c")) == (1, 2, 0)
    for number in range(101):
        request.COOKIES.get(str(number))
    assert reads.names() is None
