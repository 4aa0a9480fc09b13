"""When the HTTP run of a page stands for its first live run."""

from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from wsrequest.live.manager import LiveQueryManager
from wsrequest.live.page_runs import PageRun
from wsrequest.live.query import Run
from wsrequest.live.snapshot import Snapshot
from wsrequest.protocol.messages import Request
from wsrequest.server.context import Live
from wsrequest.subscriptions.page_proof import origin_of
from wsrequest.subscriptions.takeover import stands_for

COOKIE = "sessionid=a; csrftoken=b; theme=dark"


def request(**meta: Any) -> WSGIRequest:
    return RequestFactory().get("/a/", headers={"accept": "text/html"}, **meta)


def page(names: frozenset[str] | None = frozenset({"sessionid"}), **headers: str) -> PageRun:
    made = PageRun(Run(0.0))
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    made.result = Snapshot(200, {"Content-Type": "text/html", **shown}, b"<p>", is_page=True)
    made.cookie, made.cookie_names, made.origin = COOKIE, names, origin_of(request())
    return made


def stands(
    made: PageRun, *, cookie: str = COOKIE, etag: str | None = None, share_key: Any = None,
    events: Any = (), **meta: Any,
) -> bool:  # fmt: skip
    manager: Any = LiveQueryManager
    live = Live(manager, lambda then: None, share_key=share_key)
    assert made.result is not None
    message = Request("GET", "/a/", headers={"Accept": "text/html"}, events=events)
    tag = made.result.etag if etag is None else etag
    shown = Request("GET", "/a/", headers={"Accept": "text/html", "If-None-Match": tag or ""})
    return stands_for(made, message, shown, request(**meta), cookie, live)


def test_same_request_of_the_same_visitor_stands_for_the_run() -> None:
    made = page()
    assert stands(made)
    assert made.result is not None and made.result.shared_key is None


@pytest.mark.parametrize("etag", ["", '"other"'])
def test_client_must_hold_this_page(etag: str) -> None:
    assert not stands(page(), etag=etag)


@pytest.mark.parametrize(
    ("names", "cookie", "is_same"),
    [
        ({"sessionid"}, "sessionid=a", True),
        ({"sessionid"}, "sessionid=b; csrftoken=b", False),
        ({"sessionid"}, "csrftoken=b", False),
        ({"sessionid", "csrftoken"}, "sessionid=a; csrftoken=c", False),
        ({"new"}, f"{COOKIE}; new=1", False),
        ({"new"}, COOKIE, True),
        (None, COOKIE, True),
        (None, f"{COOKIE}; new=1", False),
        (None, f"{COOKIE}; messages=signed", True),
    ],
)
def test_cookies_that_the_page_has_read_must_be_the_same(
    names: set[str] | None, cookie: str, is_same: bool
) -> None:
    assert stands(page(None if names is None else frozenset(names)), cookie=cookie) is is_same


@pytest.mark.parametrize(
    "meta",
    [
        {"REMOTE_ADDR": "192.0.2.1"},
        {"REMOTE_USER": "me"},
        {"wsgi.url_scheme": "https"},
        {"SCRIPT_NAME": "/below"},
        {"HTTP_X_FORWARDED_FOR": "192.0.2.1"},
        {"HTTP_X_REAL_IP": "192.0.2.1"},
        {"HTTP_HX_REQUEST": "true"},
        {"HTTP_AUTHORIZATION": "Bearer a"},
    ],
)
def test_way_to_the_server_must_be_the_same(meta: dict[str, str]) -> None:
    assert not stands(page(), **meta)
    assert stands(page(), HTTP_SEC_FETCH_MODE="websocket", HTTP_REFERER="http://testserver/")


def test_request_for_events_runs() -> None:
    assert not stands(page(), events=("room",))


def test_public_page_is_shared_as_its_live_run_would_be() -> None:
    made = page(Cache_Control="public", Vary="Accept-Language")
    assert stands(made, HTTP_ACCEPT_LANGUAGE="de")
    assert made.result is not None
    key: Any = made.result.shared_key
    assert key.url == "/a/" and key.varying == (("accept-language", "de"), ("accept", "text/html"))


@pytest.mark.parametrize("vary", ["Cookie", "Accept-Language, Sec-Fetch-Mode", "X-Forwarded-For"])
def test_public_page_that_varies_by_what_sockets_have_otherwise_runs(vary: str) -> None:
    assert not stands(page(Cache_Control="public", Vary=vary))
    assert stands(page(Cache_Control="public", Vary="Accept, Accept-Encoding"))


def test_public_page_of_a_project_with_its_own_key_runs() -> None:
    assert not stands(page(Cache_Control="public"), share_key=lambda request: 1)
    assert stands(page(Cache_Control="private"), share_key=lambda request: 1)
