"""The demo over its socket, served by ``manage.py runserver`` as a newcomer runs it.

Written from PROTOCOL.md. The first test uses nothing but ``websockets``, as section 1.2 promises
that ten hand-written lines are a correct client.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from typing import Any

import pytest
from websockets.sync.client import connect as open_socket

from tests.acceptance.client import connect
from tests.acceptance.servers import Page
from tests.demo.launch import DemoServer, serving_demo

ANONYMOUS_COUNT = 3
CREDENTIALS = {"username": "demo", "password": "demo"}
NOBODY = {"user": None, "via": None}
DEMO_BY_SESSION = {"user": {"username": "demo", "is_staff": False}, "via": "session"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    """A seeded demo with a throttle that is soon reached. Only one test creates as nobody."""
    rate = f"{ANONYMOUS_COUNT}/min"
    with serving_demo(tmp_path_factory.mktemp("demo"), DEMO_ANON_RATE=rate) as server:
        yield server


def redeem(demo: DemoServer, ticket: str, origin: str, browser: str) -> Page:
    """Make the cookies of a ticket the browser's (section 6.2)."""
    headers = {"X-WSRequest-Ticket": ticket, "Origin": origin, "Cookie": browser}
    return demo.http("POST", "/ws/", headers=headers)


def read_cookies(page: Page) -> dict[str, str]:
    """Return the cookies that a page sets."""
    jar = SimpleCookie()
    for header in page.headers.get_all("Set-Cookie", []):
        jar.load(header)
    return {name: morsel.value for name, morsel in jar.items()}


def test_small_client_creates_with_a_token_and_sees_it(demo: DemoServer) -> None:
    with open_socket(f"ws://{demo.host}/ws/", proxy=None) as socket:

        def ask(**message: Any) -> Any:
            socket.send(json.dumps(message))
            return json.loads(socket.recv(20))

        before = ask(url="/api/snippets/")
        assert before["status"] == 200 and before["data"]["count"] >= 12
        pair = ask(method="POST", url="/api/token/", data=CREDENTIALS)["data"]
        created = ask(
            id=7,
            method="POST",
            url="/api/snippets/",
            data={"title": "By hand", "code": "x = 1"},
            token=pair["access"],
        )
        assert (created["id"], created["status"], created["data"]["owner"]) == (7, 201, "demo")
        after = ask(url="/api/snippets/")
        assert after["data"]["count"] == before["data"]["count"] + 1
        assert after["data"]["results"][0]["title"] == "By hand"
        assert after["data"]["results"][0]["editable"] is False  # this message had no token


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("/api/snippets/?page_size=2", id="viewset"),
        pytest.param("/api/snippets/1/highlight/", id="action-in-html"),
        pytest.param("/api/languages/", id="function"),
        pytest.param("/api/styles/monokai.css", id="function-in-css"),
        pytest.param("/api/stats/", id="class"),
        pytest.param("/api/recent/?limit=3", id="async-function"),
        pytest.param("/api/recent/?limit=none", id="refused-by-the-view"),
        pytest.param("/api/snippets/0/", id="missing"),
    ],
)
def test_demo_answers_a_get_as_over_http(demo: DemoServer, url: str) -> None:
    page = demo.http("GET", url)
    with connect(demo) as client:
        answer = client.get(url)
    assert (answer.status, answer.headers["content-type"]) == (
        page.status,
        page.headers["Content-Type"],
    )
    body = page.body.decode()
    is_json = page.headers["Content-Type"] == "application/json"
    assert answer.data == (json.loads(body) if is_json else body)


def test_list_is_live_whoever_writes_and_whichever_way(demo: DemoServer) -> None:
    url = "/api/snippets/?page_size=3"
    with connect(demo) as watcher, connect(demo) as writer:
        pair = writer.request("POST", "/api/token/", data=CREDENTIALS).data
        token = {"Authorization": f"JWT {pair['access']}"}
        id = watcher.send("GET", url, subscribe=True)
        shown = watcher.receive_for(id).head["data"]

        snippet = {"title": "Live", "code": "x = 1"}
        made = writer.request("POST", "/api/snippets/", data=snippet, headers=token).data
        created = watcher.receive_for(id).head["data"]
        assert created["count"] == shown["count"] + 1
        assert created["results"][0]["id"] == made["id"]

        headers = token | {"Content-Type": "application/json"}
        address = f"/api/snippets/{made['id']}/"
        demo.http("PATCH", address, json.dumps({"title": "By plain HTTP"}).encode(), headers)
        edited = watcher.receive_for(id).head["data"]
        assert edited["results"][0] == created["results"][0] | {"title": "By plain HTTP"}

        assert demo.http("DELETE", address, headers=token).status == 204
        assert watcher.receive_for(id).head["data"] == shown


def test_list_is_live_by_server_sent_events(demo: DemoServer) -> None:
    with connect(demo) as writer:
        pair = writer.request("POST", "/api/token/", data=CREDENTIALS).data
        token = {"Authorization": f"JWT {pair['access']}"}
        stream = HTTPConnection("127.0.0.1", demo.port, timeout=20)
        with closing(stream):
            accept = {"Accept": "text/event-stream"}
            stream.request("GET", "/ws/?url=%2Fapi%2Frecent%2F%3Flimit%3D1", headers=accept)
            response = stream.getresponse()

            def next_data() -> Any:
                lines = iter(response.readline, b"")
                return json.loads(next(line[6:] for line in lines if line.startswith(b"data: ")))

            assert next_data()["status"] == 200
            snippet = {"title": "By events", "code": "x"}
            writer.request("POST", "/api/snippets/", data=snippet, headers=token)
            assert next_data()["data"]["results"][0]["title"] == "By events"


def test_preview_highlights_over_the_socket(demo: DemoServer) -> None:
    with connect(demo) as client:
        code = {"code": "x = 1", "language": "python"}
        answer = client.request("POST", "/api/preview/", data=code)
        refused = client.request("POST", "/api/preview/", data=code | {"language": "klingon"})
    assert answer.status == 200 and '<span class="mi">1</span>' in answer.data
    assert (refused.status, set(refused.data)) == (400, {"language"})


def test_anonymous_creates_end_in_429_with_retry_after(demo: DemoServer) -> None:
    snippet = {"title": "One of many", "code": "x"}
    with connect(demo) as client:
        answers = [
            client.request("POST", "/api/snippets/", data=snippet)
            for _ in range(ANONYMOUS_COUNT + 1)
        ]
        listed = client.get("/api/snippets/")
    assert [answer.status for answer in answers] == [201] * ANONYMOUS_COUNT + [429]
    assert 1 <= int(str(answers[-1].headers["retry-after"])) <= 60
    assert answers[-1].error is None  # the application's answer, not a refusal (section 5.2)
    assert listed.status == 200


def test_session_login_holds_until_logout(demo: DemoServer) -> None:
    with connect(demo, origin=demo.origin) as client:
        assert client.get("/api/session/").data == NOBODY
        wrong = client.request(
            "POST", "/api/session/", data={"username": "demo", "password": "wrong"}
        )
        assert (wrong.status, set(wrong.data)) == (400, {"non_field_errors"})

        login = client.request("POST", "/api/session/", data=CREDENTIALS)
        assert (login.status, login.data) == (200, DEMO_BY_SESSION)
        assert "set-cookie" not in login.headers
        assert client.get("/api/session/").data == DEMO_BY_SESSION
        snippet = {"title": "By session", "code": "x"}
        created = client.request("POST", "/api/snippets/", data=snippet)
        assert (created.status, created.data["owner"]) == (201, "demo")
        deleted = client.request("DELETE", f"/api/snippets/{created.data['id']}/")
        assert deleted.status == 204

        assert client.request("DELETE", "/api/session/").status == 204
        assert client.get("/api/session/").data == NOBODY


def test_session_login_becomes_the_browsers_by_its_ticket_once(demo: DemoServer) -> None:
    with connect(demo, origin=demo.origin) as client:
        login = client.request("POST", "/api/session/", data=CREDENTIALS)
    ticket = login.first.head["cookies"]

    page = redeem(demo, ticket, demo.origin, client.browser)
    assert page.status == 204
    assert redeem(demo, ticket, demo.origin, client.browser).status == 403
    cookies = read_cookies(page)
    with connect(demo, origin=demo.origin, cookies=cookies) as client:  # the page was reloaded
        assert client.get("/api/session/").data == DEMO_BY_SESSION
        client.request("DELETE", "/api/session/")
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    assert demo.http("GET", "/api/session/", headers={"Cookie": header}).json() == NOBODY


def test_session_login_without_origin_is_checked_for_csrf(demo: DemoServer) -> None:
    with connect(demo) as client:
        assert client.request("POST", "/api/session/", data=CREDENTIALS).status == 403


def test_page_and_its_files_are_served_beside_the_socket(demo: DemoServer) -> None:
    page = demo.http("GET", "/")
    assert page.status == 200
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.body.decode())
    assert {"/static/snippets/main.js", "/static/wsrequest/client.js"} <= set(files)
    for path in files:
        assert demo.http("GET", path).status == 200, path
    script = demo.http("GET", "/static/snippets/main.js")
    assert script.headers.get_content_type() == "text/javascript"
    assert demo.http("GET", "/static/rest_framework/css/default.css").status == 200
