"""Pages whose HTTP run stands for their first live run, and cases in which it does not.

The project's own middleware asks each request for its ``websocket``, and then none does.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosedError

from tests.acceptance.accounts import log_in_by_http, sign_up
from tests.acceptance.pages import Browser, Tag, follow
from tests.acceptance.servers import Server, serving
from tests.acceptance.test_live_pages import is_current, next_with, shows
from tests.conftest import ANY_KIND
from tests.project import settings

MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("tests.")]


@pytest.fixture(scope="module")
def quiet_server(project_data: Path) -> Iterator[Server]:
    """A server whose middleware asks for no ``websocket``."""
    changes = json.dumps({"MIDDLEWARE": MIDDLEWARE})
    with serving(ANY_KIND, project_data, PROJECT_DJANGO=changes) as running:
        yield running


class Page:
    """A page that a browser has just opened, not for the first time.

    Args:
        browser: which has it open.
        url: without ``q``, which is another for each page.
    """

    def __init__(self, browser: Browser, url: str = "/pages/notes/?bare") -> None:
        self.browser, self.q = browser, f"page-{uuid4().hex[:12]}"
        self.url = f"{url}&q={self.q}"
        browser.open(self.url)  # makes what the browser keeps, and shows that the URL is live
        self.tag = Tag(browser.open(self.url).body)
        self._before = self._count()

    def _count(self) -> int:
        url = f"/pages/session/?q={self.q}"
        count: int = json.loads(self.browser.server.http("GET", url).body)["runs"]
        return count

    @property
    def run_count(self) -> int:
        """How often the view has run since the page was served."""
        return self._count() - self._before

    def write(self, number: int = 1) -> str:
        """Commit a note that the page shows."""
        text = f"{self.q}-{number}"
        assert self.browser.server.http("POST", f"/rows/write/?text={text}").status == 201
        return text

    def follow(self, **headers: str) -> int:
        """Go live with nothing new, see a commit, and return how often the view ran before it."""
        with self.browser.connected(**headers) as client:
            id, first = follow(client, self.tag)
            assert is_current(client, id, first), first.head
            count = self.run_count
            next_with(client, id, self.write())
            assert self.run_count == count + 1
        return count


@pytest.mark.parametrize("query", ["bare", "form", "shown=user", "shown=theme"])
def test_page_that_goes_live_at_once_runs_no_second_time(quiet_server: Server, query: str) -> None:
    assert Page(Browser(quiet_server), f"/pages/notes/?{query}").follow() == 0


@pytest.mark.parametrize("path", ["/pages/notes/async/", "/pages/nonce/"])
def test_pages_of_all_kinds_follow_their_database(quiet_server: Server, path: str) -> None:
    assert Page(Browser(quiet_server), f"{path}?").follow() == 0


def test_page_that_was_changed_before_its_socket_came_runs_again(quiet_server: Server) -> None:
    page = Page(Browser(quiet_server))
    text = page.write()
    with page.browser.connected() as client:
        _, first = follow(client, page.tag)
        assert first.head["status"] == 200 and shows(first, text)
        assert page.run_count == 1


def test_no_commit_is_missed_whenever_it_comes(quiet_server: Server) -> None:
    """Before, during and after the page, its handshake and its live request."""
    moments = Random(18)
    taken = late = 0
    for _ in range(60):
        page = Page(Browser(quiet_server))
        text = f"{page.q}-1"
        writer = Timer(moments.uniform(0.0, 0.03), page.write)
        writer.start()
        body = page.browser.open(page.url).body
        tag = Tag(body)
        before = page.run_count
        with page.browser.connected() as client:
            id, first = follow(client, tag)
            taken += page.run_count == before
            shown = body.decode() if first.head["status"] == 304 else str(first.head["data"])
            writer.join()
            late += text not in shown
            while text not in shown:  # this raises if nothing comes
                shown = str(client.receive_for(id).head.get("data", ""))
    assert taken and late  # else nothing was tried


def test_page_is_taken_over_once(quiet_server: Server) -> None:
    """A page that the browser restores from its memory comes with the same proof."""
    page = Page(Browser(quiet_server))
    assert page.follow() == 0
    page.tag = Tag(page.browser.open(page.url).body)
    with ExitStack() as stack:
        for count in (2, 3):  # the commit of follow(), and this visit
            client = stack.enter_context(page.browser.connected())
            id, first = follow(client, page.tag)
            assert is_current(client, id, first) and page.run_count == count


def test_page_that_writes_what_it_reads_runs_again(quiet_server: Server) -> None:
    """The session counts its visits. A live run of it would not."""
    assert Page(Browser(quiet_server), "/pages/notes/?bare&count").follow() == 1


@pytest.mark.parametrize("url", ["/pages/notes/?bare&set", "/pages/notes/?bare&shown=websocket"])
def test_page_that_a_live_run_may_answer_in_another_way_runs_again(
    quiet_server: Server, url: str
) -> None:
    """With the cookie that it sets, or because it asks whether it is live."""
    page = Page(Browser(quiet_server), url)
    with page.browser.connected() as client:
        follow(client, page.tag)
        assert page.run_count == 1


def test_project_whose_middleware_looks_for_a_websocket_runs_again(any_server: Server) -> None:
    assert Page(Browser(any_server)).follow() == 1


def test_another_visitor_takes_nothing_over(quiet_server: Server) -> None:
    page = Page(Browser(quiet_server), "/pages/notes/?bare&shown=theme")
    page.browser.cookies["theme"] = "dark"
    with page.browser.connected() as client:
        _, first = follow(client, page.tag)
        assert first.head["status"] == 200 and shows(first, "dark")
        assert page.run_count >= 1


def test_tag_of_another_page_takes_nothing_over(quiet_server: Server) -> None:
    page = Page(Browser(quiet_server))
    page.tag.etag = 'W/"another"'
    with page.browser.connected() as client:
        _, first = follow(client, page.tag)
        assert first.head["status"] == 200 and page.run_count == 1


def test_cookie_that_no_page_reads_does_not_matter(quiet_server: Server) -> None:
    page = Page(Browser(quiet_server))
    page.browser.cookies["theme"] = "dark"
    assert page.follow() == 0


def test_way_that_a_client_came_counts(quiet_server: Server) -> None:
    assert Page(Browser(quiet_server)).follow(**{"X-Forwarded-For": "192.0.2.1"}) == 1


def test_logout_ends_a_page_that_was_taken_over(quiet_server: Server) -> None:
    browser, name = Browser(quiet_server), sign_up(quiet_server)
    browser.cookies |= log_in_by_http(quiet_server, name)
    page = Page(browser, "/pages/notes/?bare&shown=user")
    with browser.connected() as client:
        id, first = follow(client, page.tag)
        assert is_current(client, id, first) and page.run_count == 0
        assert browser.submit("/log-out/").status < 400
        with pytest.raises(ConnectionClosedError, match="4003"):
            client.receive_for(id)


def test_readers_of_a_public_page_share_their_runs(quiet_server: Server) -> None:
    """Each has a header of its own, by which they would be told apart."""
    page = Page(Browser(quiet_server), "/pages/notes/?public")
    with ExitStack() as stack:
        opened: list[Any] = []
        for number in range(5):
            browser = Browser(quiet_server)
            tag = Tag(browser.open(page.url, X_Reader=str(number)).body)
            client = stack.enter_context(browser.connected(**{"X-Reader": str(number)}))
            id, first = follow(client, tag)
            assert is_current(client, id, first)
            opened.append((client, id))
        assert page.run_count == 5  # of HTTP
        text = page.write()
        for client, id in opened:
            next_with(client, id, text)
        assert page.run_count == 6


@contextmanager
def events_of(page: Page) -> Iterator[Callable[[str], None]]:
    """Follow a page by server-sent events. What this yields reads until a line has a text."""
    url = f"/ws/?{urlencode({'url': page.tag.url, 'rerun': page.tag.proof})}"
    cookie = "; ".join(f"{name}={value}" for name, value in page.browser.cookies.items())
    headers = {
        **{"User-Agent": "Tests/1", "Accept-Language": "en", "Cookie": cookie},
        **{"Accept": "text/html, text/event-stream", "Last-Event-ID": page.tag.etag},
    }
    connection = HTTPConnection(page.browser.server.host, timeout=30)
    connection.request("GET", url, headers=headers)
    response = connection.getresponse()

    def read_until(text: str) -> None:
        while text.encode() not in (line := response.readline()):
            assert line

    yield read_until
    connection.close()


def test_page_is_taken_over_by_events(quiet_server: Server) -> None:
    page = Page(Browser(quiet_server))
    with events_of(page) as read_until:
        read_until('"status":304')
        assert page.run_count == 0
        read_until(page.write())
        assert page.run_count == 1


def test_events_of_a_page_that_was_taken_over_end_with_its_session(quiet_server: Server) -> None:
    browser, name = Browser(quiet_server), sign_up(quiet_server)
    browser.cookies |= log_in_by_http(quiet_server, name)
    page = Page(browser, "/pages/notes/?bare&shown=user")
    with events_of(page) as read_until:
        read_until('"status":304')
        assert page.run_count == 0
        assert browser.submit("/log-out/").status < 400
        read_until("session_ended")
