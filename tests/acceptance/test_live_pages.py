"""Live pages on real servers: what a page is served with, and what its socket then brings."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from gzip import decompress as gunzip
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.acceptance.client import Client, Frame
from tests.acceptance.pages import Browser, Tag, follow
from tests.acceptance.servers import Server
from tests.project import settings


def word() -> str:
    return f"page-{uuid4().hex[:12]}"


def shows(frame: Frame, text: str) -> bool:
    return text in str(frame.head.get("data", ""))


def next_with(client: Client, id: Any, text: str) -> Frame:
    while not shows(frame := client.receive_for(id), text):
        assert "version" in frame.head, frame.head
    return frame


def is_current(client: Client, id: Any, frame: Frame) -> bool:
    """Whether the first version was a 304, and nothing followed it."""
    others = [other for other in client.settle() if other.head.get("id") == id]
    return frame.head["status"] == 304 and not others


@pytest.mark.parametrize(
    "path", ["/pages/notes/", "/pages/notes/async/", "/pages/nonce/", "/pages/nonce/own/"]
)
def test_page_that_shows_what_its_live_run_gives_is_sent_nothing(
    any_server: Server, path: str
) -> None:
    """Its form has another token each time, and two of them a nonce in body and header."""
    browser, q = Browser(any_server), word()
    page = browser.open(f"{path}?q={q}")
    tag = Tag(page.body)
    assert (tag.content, tag.url, tag.messages) == ("page", f"{path}?q={q}", [])
    assert int(page.headers["Content-Length"]) == len(page.body)
    with browser.connected() as client:
        id, first = follow(client, tag)
        assert is_current(client, id, first), first.head
        browser.submit("/pages/notes/", text=f"{q}-1")
        version = next_with(client, id, f"{q}-1")
        assert version.head["status"] == 200 and version.head["version"] > first.head["version"]


def test_tag_of_an_older_page_brings_the_new_version(any_server: Server) -> None:
    browser, q = Browser(any_server), word()
    tag = Tag(browser.open(f"/pages/notes/?q={q}").body)
    browser.submit("/pages/notes/", text=f"{q}-1")
    with browser.connected() as client:
        _, first = follow(client, tag)
        assert first.head["status"] == 200 and shows(first, f"{q}-1")


def test_live_run_of_a_page_leaves_the_session_alone(any_server: Server) -> None:
    """Also on the first visit, when the page itself makes the session."""
    for _ in range(2):
        browser, q = Browser(any_server), word()
        tag = Tag(browser.open(f"/pages/notes/?count&q={q}").body)
        assert browser.state()["seen"] == 1
        with browser.connected() as client:
            id, first = follow(client, tag)
            assert is_current(client, id, first), first.head
            assert browser.state()["seen"] == 1
            browser.submit("/pages/notes/", text=f"{q}-1")
            next_with(client, id, f"{q}-1")
        assert browser.state()["seen"] == 1


@pytest.mark.parametrize("has_proof", [True, False])
@pytest.mark.parametrize("storage", ["session.SessionStorage", "cookie.CookieStorage"])
def test_live_run_of_a_page_reads_no_message(
    serve: Callable[..., Server], storage: str, has_proof: bool
) -> None:
    changes = {"MESSAGE_STORAGE": f"django.contrib.messages.storage.{storage}"}
    browser, q = Browser(serve(PROJECT_DJANGO=json.dumps(changes))), word()
    tag = Tag(browser.open(f"/pages/notes/?count&q={q}").body)
    browser.submit("/pages/notes/", text=f"{q}-1")  # its redirect is not followed yet
    with browser.connected() as client:
        id, first = follow(client, tag, **({} if has_proof else {"rerun": "x"}))
        assert shows(first, f"{q}-1") and not shows(first, "Saved")
        browser.submit("/pages/notes/", text=f"{q}-2")
        assert not shows(next_with(client, id, f"{q}-2"), "Saved")
    page = browser.open(f"/pages/notes/?q={q}")
    assert f"Saved  {q}-1".encode() in page.body and f"Saved  {q}-2".encode() in page.body
    assert b"Saved" not in browser.open(f"/pages/notes/?q={q}").body


def test_tag_lists_the_messages_that_the_page_shows(any_server: Server) -> None:
    browser, q = Browser(any_server), word()
    browser.open(f"/pages/notes/?q={q}")
    browser.submit("/pages/notes/", text=q)
    page = browser.open(f"/pages/notes/?q={q}")
    tag = Tag(page.body)
    assert tag.messages == [f"Saved {q} <now>.", "With love & care"]
    assert tag.etag == "" and tag.proof
    assert int(page.headers["Content-Length"]) == len(page.body)
    with browser.connected() as client:
        _, first = follow(client, tag)
        assert first.head["status"] == 200 and not shows(first, "Saved")
    assert Tag(browser.open(f"/pages/notes/?q={q}").body).messages == []


def test_page_that_a_script_asks_for_names_its_messages(any_server: Server) -> None:
    """As after a form that the client has sent, whose answer redirects to the page."""
    browser, q = Browser(any_server), word()
    url = f"/pages/notes/?q={q}"
    browser.open(url)
    browser.submit("/pages/notes/", text=q)
    with browser.connected() as client:
        answer = client.get(url)
        body = str(answer.data).encode()
        tag = Tag(body)
        assert tag.messages == [f"Saved {q} <now>.", "With love & care"]
        assert (tag.content, tag.url, tag.etag, tag.proof) == ("page", url, "", "")
        assert int(str(answer.headers["content-length"])) == len(body)
        assert str(answer.headers["etag"]).startswith("W/")
        assert Tag(str(client.get(url).data).encode()).messages == []


@pytest.mark.parametrize("status", [404, 500, 201])
def test_nothing_is_live_in_a_page_of_another_status(any_server: Server, status: int) -> None:
    page = Browser(any_server).open(f"/pages/notes/?status={status}")
    assert page.status == status
    tag = Tag(page.body)
    assert (tag.content, tag.etag, tag.proof) == ("none", "", "")


def test_nothing_is_live_in_the_answer_to_a_post(any_server: Server) -> None:
    browser = Browser(any_server)
    browser.open("/pages/notes/")
    page = browser.submit("/pages/notes/")
    assert page.status == 200 and b"Write something." in page.body
    assert b"client.js" in page.body and b"wsrequest-live" not in page.body


def test_head_has_the_length_of_the_page(any_server: Server) -> None:
    browser = Browser(any_server)
    url = f"/pages/notes/?q={word()}"
    browser.open(url)
    get, head = browser.open(url), browser.open(url, "HEAD")
    assert head.status == 200 and head.body == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_page_is_revalidated_by_the_tag_of_its_middleware(any_server: Server) -> None:
    """ConditionalGetMiddleware tags a body without the proof, which differs each time."""
    browser = Browser(any_server)
    page = browser.open("/pages/cached/?q=x")
    etag = page.headers["ETag"]
    assert etag.startswith('W/"')
    again = browser.open("/pages/cached/?q=x", If_None_Match=etag)
    assert again.status == 304 and again.body == b""


def test_page_from_a_cache_is_as_live_as_any_other(any_server: Server) -> None:
    """The cache has it with an empty tag, so that each visitor gets a proof of its own."""
    url = f"/pages/cached/?bare&q={word()}"
    one, two = Browser(any_server), Browser(any_server)
    two.cookies = {"theme": "dark"}
    tags = [Tag(browser.open(url).body) for browser in (one, two)]
    assert tags[0].etag == tags[1].etag and tags[0].proof != tags[1].proof
    for browser, tag in zip((one, two), tags, strict=True):
        with browser.connected() as client:
            id, first = follow(client, tag)
            assert is_current(client, id, first), first.head


def test_page_with_a_form_from_a_cache_is_live(any_server: Server) -> None:
    """Its token is the one that was cached, and belongs to no request."""
    browser, url = Browser(any_server), f"/pages/cached/?q={word()}"
    pages = [browser.open(url).body for _ in range(3)]
    assert pages[1].partition(b"<body>")[2] == pages[2].partition(b"<body>")[2]
    with browser.connected() as client:
        id, first = follow(client, Tag(pages[2]))
        assert is_current(client, id, first), first.head


@contextmanager
def tabs(browser: Browser, url: str, count: int) -> Iterator[list[tuple[Client, Any]]]:
    """Open a page in so many tabs, each with a socket of its own, and wait until all are live."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            tag = Tag(browser.open(url).body)
            client = stack.enter_context(browser.connected())
            id, first = follow(client, tag)
            assert first.head["status"] == 304
            opened.append((client, id))
        yield opened


def test_ten_tabs_of_one_user_share_a_run(any_server: Server) -> None:
    """Each was served a form with another token of the same secret."""
    browser, q = Browser(any_server), word()
    url = f"/pages/notes/?count&q={q}"
    browser.open(url)
    with tabs(browser, url, 10) as opened:
        before = browser.open(f"/pages/session/?q={q}").json()["runs"]
        browser.submit("/pages/notes/", text=f"{q}-1")
        bodies = {next_with(client, id, f"{q}-1").head["data"] for client, id in opened}
        assert len(bodies) == 1 and "csrfmiddlewaretoken" in bodies.pop()
        assert browser.open(f"/pages/session/?q={q}").json()["runs"] == before + 1


def test_compressed_page_names_the_middleware(serve: Callable[..., Server]) -> None:
    server = serve()
    browser = Browser(server)
    for _ in range(2):
        page = browser.open("/pages/notes/", Accept_Encoding="gzip")
        assert page.headers["Content-Encoding"] == "gzip"
    assert server.log().count("LivePageMiddleware below GZipMiddleware") == 1


def with_middleware(**more: Any) -> str:
    """The settings of a project that completes its pages itself."""
    middleware = list(settings.MIDDLEWARE)
    after = middleware.index("django.middleware.gzip.GZipMiddleware") + 1
    middleware.insert(after, "wsrequest.pages.middleware.LivePageMiddleware")
    return json.dumps({"MIDDLEWARE": middleware, **more})


@pytest.fixture(params=["gunicorn", "django", "workers"])
def served_elsewhere(
    request: pytest.FixtureRequest, serve: Callable[..., Server]
) -> Iterator[Browser]:
    """A browser of a project with the middleware: on WSGI, Django's ASGI handler, and ours."""
    if request.param == "gunicorn":
        sockets = serve(PROJECT_DJANGO=with_middleware())
        data = str(sockets.log_path.parent)
        pages = serve("gunicorn", PROJECT_DATA=data, PROJECT_DJANGO=with_middleware())
        yield Browser(pages, sockets)
    else:
        yield Browser(serve(HTTP=request.param, PROJECT_DJANGO=with_middleware()))


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_middleware_completes_pages(served_elsewhere: Browser, encoding: str) -> None:
    browser, q = served_elsewhere, word()
    for path in ("/pages/notes/", "/pages/notes/async/", "/pages/nonce/"):
        page = browser.open(f"{path}?count&q={q}", Accept_Encoding=encoding)
        assert int(page.headers["Content-Length"]) == len(page.body)
        assert page.headers.get("Content-Encoding", "identity") == encoding
        tag = Tag(gunzip(page.body) if encoding == "gzip" else page.body)
        assert tag.content == "page" and tag.url == f"{path}?count&q={q}"
        with browser.connected() as client:
            id, first = follow(client, tag)
            assert is_current(client, id, first), first.head
            assert browser.state()["seen"] == 1
    browser.submit("/pages/notes/", text=f"{q}-1")
    tag = Tag(browser.open(f"/pages/notes/?q={q}").body)
    assert tag.messages[-1] == "With love & care" and tag.etag == "" and tag.proof
    assert Tag(browser.open("/pages/notes/?status=404").body).content == "none"


def test_page_that_nothing_completed_comes_whole(serve: Callable[..., Server]) -> None:
    """Under Django's handler, without the middleware. Its first run has effects, as any visit."""
    browser, q = Browser(serve(HTTP="django")), word()
    page = browser.open(f"/pages/notes/?count&q={q}")
    tag = Tag(page.body)
    assert (tag.etag, tag.proof, tag.messages) == ("", "", [])
    with browser.connected() as client:
        _, first = follow(client, tag)
        assert first.head["status"] == 200
    assert browser.state()["seen"] == 2


def test_page_goes_on_by_events(any_server: Server) -> None:
    """Where no WebSocket is available: the same request, with the same proof."""
    browser, q = Browser(any_server), word()
    tag = Tag(browser.open(f"/pages/notes/?count&q={q}").body)
    url = f"/ws/?{urlencode({'url': tag.url, 'rerun': tag.proof})}"
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {
        **{"User-Agent": "Tests/1", "Accept-Language": "en", "Cookie": cookie},
        **{"Accept": "text/html, text/event-stream", "Last-Event-ID": tag.etag},
        **{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "X-Request-ID": "1"},
    }
    connection = HTTPConnection(any_server.host, timeout=30)
    connection.request("GET", url, headers=headers)
    stream = connection.getresponse()
    first = json.loads(next_data(stream))
    assert first["status"] == 304, first
    assert browser.state()["seen"] == 1
    browser.submit("/pages/notes/", text=f"{q}-1")
    assert f"{q}-1" in json.loads(next_data(stream))["data"]
    assert browser.state()["seen"] == 1
    connection.close()


def next_data(stream: HTTPResponse) -> bytes:
    """The data of the next event, which is one line here."""
    while not (line := stream.readline()).startswith(b"data: "):
        assert line
    return line.removeprefix(b"data: ")
