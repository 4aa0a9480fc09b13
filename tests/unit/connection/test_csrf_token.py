"""The CSRF token in the response to a page that cannot read its cookie (PROTOCOL.md 6.5)."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token, rotate_token
from django.urls import path

from tests.unit.peer import opened
from wsrequest.server.context import ConnectionConfig
from wsrequest.types import Limits

pytestmark = pytest.mark.asyncio

ORIGIN = "http://example.com"
HIDDEN = ConnectionConfig(Limits(), hides_csrf_token=True)
SECRETS: list[str] = []


def uses(request: HttpRequest) -> HttpResponse:
    get_token(request)
    SECRETS.append(request.META["CSRF_COOKIE"])
    return HttpResponse("a form")


def enters(request: HttpRequest) -> HttpResponse:
    rotate_token(request)
    SECRETS.append(request.META["CSRF_COOKIE"])
    return HttpResponse("logged in")


class Urls:
    urlpatterns = (
        path("uses/", uses),
        path("enters/", enters),
        path("neither/", lambda request: HttpResponse()),
    )


@pytest.fixture(autouse=True)
def _project(settings: Any) -> None:
    settings.ROOT_URLCONF = Urls
    settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
    SECRETS.clear()


async def told(
    url: str,
    *,
    config: ConnectionConfig = HIDDEN,
    origin: str | None = ORIGIN,
    is_same_origin: bool = True,
) -> str | None:
    """What the answer to a GET hands over."""
    async with opened(origin=origin, config=config) as peer:
        peer.connection.dispatcher.base.is_same_origin = is_same_origin
        peer.say(id=1, url=url)
        answer: Any = await peer.last(1)
        assert answer.status == 200
        token: str | None = answer.csrf
        return token


@pytest.mark.parametrize("url", ["/uses/", "/enters/"])
async def test_an_answer_that_makes_a_token_hands_one_over_masked(url: str) -> None:
    token = await told(url)
    assert token is not None and SECRETS[0] not in token
    # Django itself says that it is one.
    request = HttpRequest()
    request.method, request.META["CSRF_COOKIE"] = "POST", SECRETS[0]
    request.COOKIES["csrftoken"] = SECRETS[0]
    request.META["HTTP_X_CSRFTOKEN"] = token
    assert CsrfViewMiddleware(lambda _: HttpResponse()).process_view(request, uses, (), {}) is None


async def test_an_answer_without_a_token_hands_none_over() -> None:
    assert await told("/neither/") is None


async def test_a_page_that_can_read_the_cookie_is_told_no_token() -> None:
    assert await told("/uses/", config=ConnectionConfig(Limits())) is None


@pytest.mark.parametrize("origin", ["http://other.example", None])
async def test_a_page_of_another_origin_is_told_no_token(origin: str | None) -> None:
    assert await told("/uses/", origin=origin, is_same_origin=False) is None
