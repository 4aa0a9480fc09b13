"""The proof of a page: its first live run has no effects, and no other run gets rid of its own."""

import json
import time
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from tests.unit.fixtures import _project as _project
from tests.unit.peer import connected
from tests.unit.subscriptions.test_run import _rerun_project as _rerun_project
from tests.unit.subscriptions.test_run import begun, held
from tests.unit.subscriptions.test_subscription import goes_on, service_open
from wsrequest.request.no_messages import asks_for_page, keep_messages_out
from wsrequest.subscriptions.page_proof import prove_page

pytestmark = pytest.mark.asyncio

URL = "/guess/a/"
ACCEPT = {"Accept": "text/html"}
OF_BROWSER = {"user-agent": "Tests/1", "accept-language": "en"}
OF_NAVIGATION = {
    **OF_BROWSER,
    "host": "testserver",
    "accept": "text/html,*/*;q=0.8",
    "upgrade-insecure-requests": "1",
    "sec-fetch-mode": "navigate",
    "x-forwarded-for": "198.51.100.1",
    "cache-control": "max-age=0",
}


def served(url: str = URL, cookie: str = "", **headers: str) -> HttpRequest:
    """The request by which a browser opened a page."""
    return RequestFactory().get(url, headers={**OF_NAVIGATION, **headers, "cookie": cookie})


def proof(url: str = URL, cookie: str = "", **headers: str) -> str:
    return prove_page(served(url, cookie, **headers), url, cookie, "csrftoken")


async def tries_after(
    key: str, rerun: str, *, cookie: str = "", host: str = "testserver", **message: Any
) -> int:
    """Subscribe with a proof; return how many tries the session has counted."""
    handshake = {**OF_BROWSER, "host": host, **message.pop("handshake", {})}
    cookie = f"sessionid={key}{cookie}" if key else cookie
    async with (
        service_open() as server,
        connected(server, cookie=cookie, headers=handshake) as peer,
    ):
        first = await goes_on(peer, **{"url": URL, "headers": ACCEPT, **message}, rerun=rerun)
        assert json.loads(first.body or b"")["right"] is not None
    tries: int = held(key).get("tries", 0) if key else 0
    return tries


async def test_page_was_counted_when_it_was_served() -> None:
    """Neither the headers of a navigation nor cookies that the view does not read matter."""
    key = begun(name="ann")
    rerun = proof(cookie=f"sessionid={key}; _ga=1; csrftoken=a; messages=b; code=1")
    cookie = "; _ga=2; csrftoken=c; messages=d; code=1; theme=dark"
    assert await tries_after(key, rerun, cookie=cookie) == 0
    assert await tries_after(key, rerun, cookie=cookie) == 0  # and by another tab


@pytest.mark.parametrize(
    "question",
    [
        {"url": f"{URL}?code=0042"},
        {"data": {"code": "0042"}},
        {"headers": {**ACCEPT, "X-Code": "0042"}},
        {"headers": {**ACCEPT, "Pragma": "0042"}},
        {"headers": {**ACCEPT, "traceparent": "0042"}},
        {"headers": {**ACCEPT, "Authorization": "Basic 0042"}},
        {"headers": {**ACCEPT, "Content-Type": "0042"}},
        {"headers": {"Accept": "text/html;v=0042"}},
        {"headers": {}},
        {"token": "0042"},
        {"handshake": {"x-code": "0042"}},
        {"handshake": {"authorization": "Basic 0042"}},
        {"handshake": {"upgrade-insecure-requests": "0042"}},
        {"handshake": {"accept-language": "0042"}},
        {"cookie": "; code=0042"},
        {"host": "localhost"},
    ],
    ids=str,
)
async def test_page_asks_no_other_question(question: dict[str, Any], settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "localhost"]
    key = begun(name="ann")
    rerun = proof(cookie=f"sessionid={key}; code=1")
    assert await tries_after(key, rerun, **{"cookie": "; code=1", **question}) == 1


async def test_cookie_that_the_page_had_cannot_be_left_out() -> None:
    key = begun(name="ann")
    assert await tries_after(key, proof(cookie=f"sessionid={key}; code=1")) == 1


async def test_page_is_of_one_session() -> None:
    one, two = begun(name="ann"), begun(name="bob")
    assert await tries_after(two, proof(cookie=f"sessionid={one}")) == 1


async def test_proof_is_good_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    key = begun(name="ann")
    rerun, now = proof(cookie=f"sessionid={key}"), time.time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 86_300)
    assert await tries_after(key, rerun) == 0
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 86_500)
    assert await tries_after(key, rerun) == 1


@pytest.mark.parametrize("claim", ["page:", "page:.", "page::", "page:a.b:c:d", "page:é\u2028"])
async def test_word_of_a_client_proves_no_page(claim: str) -> None:
    assert await tries_after(begun(name="ann"), claim) == 1


async def test_proof_of_a_page_is_no_proof_of_a_request() -> None:
    key = begun(name="ann")
    rerun = proof(cookie=f"sessionid={key}").removeprefix("page:")
    assert await tries_after(key, rerun) == 1


async def test_proof_of_a_request_is_no_proof_of_a_page() -> None:
    key = begun(name="ann")
    cookie = f"sessionid={key}"
    async with (
        service_open() as server,
        connected(server, cookie=cookie, headers=OF_BROWSER) as peer,
    ):
        first = await goes_on(peer, url=URL, headers=ACCEPT)
    assert await tries_after(key, f"page:{first.rerun}") == 2


async def test_cookies_cannot_be_guessed_from_a_page(settings: Any) -> None:
    """Without the server's key, the same cookies and headers look different."""
    one = proof(cookie="pin=0042").removeprefix("page:").split(":")[0]
    settings.SECRET_KEY = "another"
    two = proof(cookie="pin=0042").removeprefix("page:").split(":")[0]
    assert len(one) == len(two) > 12
    pairs = zip(one, two, strict=True)
    assert sum(a == b for a, b in pairs) < len(one) / 2 and one[-12:] != two[-12:]


async def test_page_of_too_many_cookies_has_no_proof() -> None:
    assert proof(cookie="; ".join(f"c{n}=1" for n in range(90)))
    assert not proof(cookie="; ".join(f"c{n}=1" for n in range(120)))


async def test_page_of_a_strange_host_has_no_proof() -> None:
    assert proof(host="testserver") and not proof(host="evil.example")


async def test_request_of_a_page_has_no_messages() -> None:
    from django.contrib import messages
    from django.contrib.messages.storage.cookie import CookieStorage

    request: Any = RequestFactory().get("/", headers=ACCEPT)
    assert asks_for_page(request) and not asks_for_page(served())  # type: ignore[arg-type]
    keep_messages_out(request)
    assert not hasattr(request, "_messages")
    request._messages = CookieStorage(request)
    messages.success(request, "Saved.")
    assert list(messages.get_messages(request)) == []
    assert request._messages.update(None) == []
