"""Regions of pages on real servers: the answer of a view in place, and what its socket brings."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import urlencode

import django
import pytest

from tests.acceptance.accounts import log_in_by_http, sign_up
from tests.acceptance.pages import Browser, Tag, follow
from tests.acceptance.servers import Page, Server
from tests.acceptance.test_live_pages import is_current, next_with, with_middleware, word
from tests.project import settings

_START = re.compile(r"<live-region([^>]*)>")


class Region:
    """A region of a page, as its element needs it.

    Args:
        body: of the page.
        number: which of its regions.
    """

    def __init__(self, body: bytes, number: int = 0) -> None:
        html = body.decode()
        match = list(_START.finditer(html))[number]
        values = dict(re.findall(r'([\w-]+)="([^"]*)"', match[1]))
        self.values = {name: unescape(value) for name, value in values.items()}
        self.url, self.etag = self.values["src"], self.values.get("data-etag", "")
        self.proof = self.values.get("data-proof", "")
        self.content = html[match.end() : html.rindex("</live-region>")]
        assert html.count("<live-region") == html.count("</live-region>")
        assert html.rstrip().endswith("<p>the end</p>\n</body>\n</html>")


def opened(browser: Browser, *regions: str, path: str = "/pages/regions/", **query: str) -> Page:
    return browser.open(f"{path}?{urlencode({'region': regions, **query}, doseq=True)}")


def test_region_has_the_answer_of_its_view_and_stays_current(any_server: Server) -> None:
    browser, q = Browser(any_server), word()
    browser.open("/pages/notes/")
    browser.submit("/pages/notes/", text=f"{q}-1")
    page = opened(browser, named=q)
    region = Region(page.body)
    assert region.url == f"/region/list/{q}/" and f"<li>{q}-1</li>" in region.content
    with browser.connected() as client:
        id, first = follow(client, region)  # type: ignore[arg-type]
        assert is_current(client, id, first), first.head
        browser.submit("/pages/notes/", text=f"{q}-2")
        version = next_with(client, id, f"{q}-2")
        assert f"<li>{q}-1</li>" in version.head["data"]


def test_page_and_its_region_are_live_on_each_server(server: Server) -> None:
    """Each server has its own way with a page that is completed late, and with a handshake."""
    browser, q = Browser(server), word()
    browser.open("/pages/notes/")
    page = opened(browser, named=q, note=q)
    assert int(page.headers["Content-Length"]) == len(page.body)
    tag, region = Tag(page.body), Region(page.body)
    with browser.connected() as client:
        id, first = follow(client, tag)
        assert is_current(client, id, first), first.head
        part, first = follow(client, region)  # type: ignore[arg-type]
        assert is_current(client, part, first), first.head
        browser.submit("/pages/notes/", text=q)
        versions: dict[Any, str] = {}
        while len(versions) < 2:
            frame = client.receive()
            if frame.head.get("id") in (id, part):
                versions[frame.head["id"]] = frame.head["data"]
        assert f"('{q}',)" in unescape(versions[id]) and "<html" in versions[id]
        assert f"<li>{q}</li>" in versions[part] and "<html" not in versions[part]


def test_region_runs_once_and_reads_no_message(any_server: Server) -> None:
    browser, q = Browser(any_server), word()
    browser.open("/pages/notes/")
    browser.submit("/pages/notes/", text=q)
    page = opened(browser, f"/region/list/{q}/?count=1")
    assert browser.state()["seen"] == 1
    region = Region(page.body)
    assert "Saved" not in region.content and "never shown" not in region.content
    with browser.connected() as client:
        id, first = follow(client, region)  # type: ignore[arg-type]
        assert is_current(client, id, first), first.head
    assert browser.state()["seen"] == 1
    assert f"Saved  {q}".encode() in browser.open("/pages/notes/").body


def test_readers_of_a_public_region_share_a_run(any_server: Server) -> None:
    """Also those that come later, whom the shared run has left nothing to send."""
    q = word()
    one, two, three = (Browser(any_server) for _ in range(3))
    three.open("/pages/notes/")
    regions = [Region(opened(browser, f"/region/public/{q}/").body) for browser in (one, two)]
    with one.connected(**{"X-A": "1"}) as client, two.connected(**{"X-A": "2"}) as other:
        ids = [
            follow(each, region)[0]  # type: ignore[arg-type]
            for each, region in zip((client, other), regions, strict=True)
        ]
        before = three.open(f"/pages/session/?q={q}").json()["runs"]
        for number in (1, 2):
            three.submit("/pages/notes/", text=f"{q}-{number}")
            for each, id in zip((client, other), ids, strict=True):
                version = next_with(each, id, f"{q}-{number}")
        assert three.open(f"/pages/session/?q={q}").json()["runs"] == before + 2
        region = Region(opened(three, f"/region/public/{q}/").body)
        with three.connected() as late:
            id, first = follow(late, region)  # type: ignore[arg-type]
            assert is_current(late, id, first), first.head
            assert version.head["headers"]["ETag"] == region.etag
        assert not client.settle() and not other.settle()


def test_page_leaves_its_regions_to_themselves(any_server: Server) -> None:
    """A commit that only concerns the region makes no version of the page."""
    browser, q = Browser(any_server), word()
    browser.open("/pages/notes/")
    page = opened(browser, named=q, note=f"{q}-2")
    with browser.connected() as client:
        id, first = follow(client, Tag(page.body))
        assert is_current(client, id, first), first.head
        browser.submit("/pages/notes/", text=f"{q}-2")
        version = next_with(client, id, f"{q}-2")
        assert Region(version.head["data"].encode()).content == ""


def test_form_of_a_region_can_be_sent(any_server: Server) -> None:
    """The first visit: the region made the secret, and the page's answer sets its cookie."""
    browser = Browser(any_server)
    page = opened(browser, "/region/list/x/", live="")
    assert browser.cookies["csrftoken"]
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
    assert token is not None
    answer = any_server.http(
        "POST",
        "/form/",
        b"text=1&csrfmiddlewaretoken=" + token[1],
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"csrftoken={browser.cookies['csrftoken']}",
        },
    )
    assert answer.status == 200, answer


def test_view_of_a_region_sees_a_get_of_its_own(any_server: Server) -> None:
    browser = Browser(any_server)
    url = "/region/told/?a=1&b=%C3%A9%27"
    page = browser.open(
        f"/pages/regions/?{urlencode({'region': url})}", Referer=f"{any_server.origin}/"
    )
    content = Region(page.body).content
    seen = json.loads(unescape(content.removeprefix("<pre>").removesuffix("</pre>")))
    assert seen == {
        "method": "GET",
        "path": "/region/told/",
        "full_path": url,
        "get": {"a": "1", "b": "é'"},
        "post": {},
        "body": "",
        "accept": "text/html",
        "referer": None,
        "recorded": ["request", "view", "view"],  # the page's middleware, and again before the view
        "route": "region/told/",
    }


def test_region_is_of_the_user_of_the_page(any_server: Server) -> None:
    browser = Browser(any_server)
    region = Region(opened(browser, "/region/members/").body)
    assert region.values["data-status"] == "302" and region.content == ""
    name = sign_up(any_server)
    browser.cookies |= log_in_by_http(any_server, name)
    region = Region(opened(browser, "/region/members/").body)
    assert region.content == f"<p>{name}</p>"


@pytest.mark.parametrize(
    ("kind", "status", "state"),
    [
        ("redirect", "302", "ended"),
        ("forbidden", "403", "ended"),
        ("suspicious", "400", "ended"),
        ("missing", "404", "ended"),
        ("no/such/url", "404", "ended"),
        ("busy", "429", "failing"),
        ("broken", "500", "failing"),
        ("json", "200", "ended"),
        ("events", "200", "ended"),
    ],
)
def test_region_without_html_is_empty(
    any_server: Server, kind: str, status: str, state: str
) -> None:
    page = opened(Browser(any_server), f"/region/{kind}/")
    assert page.status == 200
    region = Region(page.body)
    assert (region.content, region.etag, region.proof) == ("", "", "")
    assert region.values["data-status"] == status
    assert region.values["data-live-state"] == state


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("nothing", ""),
        ("document", "<i>in</i>"),
        ("unbalanced", "<div><p>open<table><tr><td></td></tr></table></div>"),
        ("streamed", "<p>streamed</p>"),
        ("async-streamed", "<p>streamed</p>"),
        ("async", "<p>True</p>"),
    ],
)
def test_region_embeds_what_fits(any_server: Server, kind: str, content: str) -> None:
    page = opened(Browser(any_server), f"/region/{kind}/", id="r")
    region = Region(page.body)
    assert region.content == content and region.values["id"] == "r"
    assert "data-status" not in region.values


def test_document_without_the_id_gives_its_body(any_server: Server) -> None:
    region = Region(opened(Browser(any_server), "/region/document/", id="other").body)
    assert region.content == '<nav>n</nav><div id="r"><i>in</i></div>'


def test_large_region_is_embedded(any_server: Server) -> None:
    browser = Browser(any_server)
    region = Region(opened(browser, "/region/large/").body)
    assert len(region.content) == 5 * 2**20 + 7 and region.etag


def test_region_in_itself_is_refused(any_server: Server) -> None:
    body = opened(Browser(any_server), "/region/itself/").body
    assert Region(body).content.startswith("<p>once</p>") and body.count(b"once") == 1
    assert Region(body, 1).values["data-status"] == "508"
    body = opened(Browser(any_server), "/region/1/").body
    assert body.count(b'data-status="508"') == 1 and body.count(b"<live-region") == 6


def test_two_regions_of_one_url_and_id_are_both_rendered(any_server: Server) -> None:
    q = word()
    page = opened(Browser(any_server), f"/region/list/{q}/", f"/region/list/{q}/", id="r")
    assert page.body.count(b'id="r"') == 2
    assert Region(page.body).etag == Region(page.body, 1).etag != ""


@pytest.mark.parametrize("url", ["//evil.example/", "https://evil.example/", "/\\evil.example/"])
def test_region_of_another_origin_is_an_error_of_the_template(any_server: Server, url: str) -> None:
    assert opened(Browser(any_server), url).status == 500


def test_async_view_renders_regions_in_a_thread(any_server: Server) -> None:
    browser, q = Browser(any_server), word()
    for threaded, status in (("", 200), (None, 500)):
        query = {} if threaded is None else {"threaded": threaded}
        page = opened(browser, f"/region/list/{q}/", path="/pages/regions/async/", **query)
        assert page.status == status
    assert "await sync_to_async(render)" in any_server.log()


def test_regions_alone_are_live_without_the_page(any_server: Server) -> None:
    browser, q = Browser(any_server), word()
    page = opened(browser, live="regions", named=q)
    assert Tag(page.body).content == "regions" and Region(page.body).proof


def test_regions_under_djangos_own_handler(serve: Callable[..., Server]) -> None:
    browser, q = Browser(serve(HTTP="django", PROJECT_DJANGO=with_middleware())), word()
    page = opened(
        browser, f"/region/list/{q}/?count=1", "/region/async/", "/region/async-streamed/"
    )
    assert browser.state()["seen"] == 1
    assert b"<p>True</p>" in page.body and b"<p>streamed</p>" in page.body
    with browser.connected() as client:
        for wanted in (Tag(page.body), Region(page.body)):
            id, first = follow(client, wanted)  # type: ignore[arg-type]
            assert is_current(client, id, first), first.head
    assert browser.state()["seen"] == 1


@pytest.mark.skipif(
    django.VERSION < (6,), reason="Django has a CSP middleware from 6.0 on (nox runs this on 6.1)"
)
@pytest.mark.parametrize("has_middleware", [False, True])
def test_page_and_region_have_the_nonce_of_their_policy(
    serve: Callable[..., Server], has_middleware: bool
) -> None:
    """It is another in each run, in the header and in the tags."""
    changes = json.loads(with_middleware()) if has_middleware else {}
    middleware = [
        "django.middleware.csp.ContentSecurityPolicyMiddleware",
        *changes.get("MIDDLEWARE", settings.MIDDLEWARE),
    ]
    policy = {"script-src": ["<CSP_NONCE_SENTINEL>"]}
    browser = Browser(
        serve(PROJECT_DJANGO=json.dumps({"MIDDLEWARE": middleware, "SECURE_CSP": policy}))
    )
    page = opened(browser, f"/region/list/{word()}/")
    nonce = page.headers["Content-Security-Policy"].partition("'nonce-")[2].partition("'")[0]
    assert nonce and page.body.count(f' nonce="{nonce}"'.encode()) == 2
    with browser.connected() as client:
        for wanted in (Tag(page.body), Region(page.body)):
            id, first = follow(client, wanted)  # type: ignore[arg-type]
            assert is_current(client, id, first), first.head
