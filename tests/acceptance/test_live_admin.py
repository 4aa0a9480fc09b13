"""``"wsrequest.contrib.admin"`` on a real server: which pages are live, and what they say.

What a browser makes of it is in tests/browser/admin.test.ts.
"""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.acceptance.accounts import FORM, cookies_of
from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Page, Server, serving

APPLICATION = "tests.browser.admin_project.asgi:application"
LIST, CHANGE = "/admin/admin_project/note/", "/admin/admin_project/note/1/change/"
META = re.compile(r'<meta name="wsrequest-admin" content="([^"]*)">')
SCRIPT = re.compile(r'<script[^>]*wsrequest/\w+\.js"[^>]*>')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("admin")
    with serving("uvicorn-sansio", place, application=APPLICATION) as server:
        yield server


def enter(server: Server, user: str = "ann") -> dict[str, str]:
    return cookies_of(server.http("POST", f"/enter/?user={user}"))


def get(server: Server, url: str, cookies: dict[str, str], **headers: str) -> Page:
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return server.http("GET", url, headers={"Cookie": cookie, **headers})


def facts(html: str) -> Any:
    """What the page tells the browser, or None if it is not live."""
    found = META.search(html)
    return None if found is None else json.loads(unescape(found[1]))


def write(server: Server, *steps: list[Any]) -> Any:
    return server.http("POST", "/write/", json.dumps(steps).encode()).json()


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("/admin/", "index"),
        ("/admin/admin_project/", "app_list"),
        (LIST, "changelist"),
        (f"{LIST}?q=b&is_public__exact=0&o=-1&p=1", "changelist"),
        (f"{LIST}?_popup=1", "changelist"),
        ("/admin/admin_project/note/1/history/", "history"),
        (CHANGE, "change"),
        (f"{CHANGE}?_popup=1", "change"),
        ("/admin/auth/user/1/change/", "change"),
    ],
)
def test_page_is_live(server: Server, url: str, page: str) -> None:
    answer = get(server, url, enter(server))
    html = answer.body.decode()
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert facts(html)["page"] == page
    assert html.index('name="wsrequest-admin"') < html.index("</head>")
    assert 'name="wsrequest-live"' in html
    assert "wsrequest/client.js" in html


@pytest.mark.parametrize(
    "url",
    [
        "/admin/login/",
        f"{LIST}add/",
        f"{LIST}1/delete/",
        "/admin/password_change/",
        "/admin/jsi18n/",
        "/admin/auth/user/1/password/",
        f"{LIST}99/change/",
    ],
)
def test_page_is_not_live(server: Server, url: str) -> None:
    html = get(server, url, enter(server)).body.decode()
    assert facts(html) is None
    assert SCRIPT.search(html) is None


def test_list_is_not_live_for_one_who_may_not_see_it(server: Server) -> None:
    eve = enter(server, "eve")
    assert facts(get(server, LIST, eve).body.decode())["page"] == "changelist"
    refused = get(server, "/admin/admin_project/topic/", eve)
    assert refused.status == 403
    assert facts(refused.body.decode()) is None


def test_answer_to_a_post_is_not_live(server: Server) -> None:
    cookies = enter(server)
    page = get(server, LIST, cookies)
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.body.decode())
    assert token is not None
    form = f"csrfmiddlewaretoken={token[1]}&action=delete_selected&_selected_action=1&index=0"
    cookie = "; ".join(f"{n}={v}" for n, v in {**cookies, **cookies_of(page)}.items())
    answer = server.http("POST", LIST, form.encode(), {**FORM, "Cookie": cookie})
    html = answer.body.decode()
    assert "Are you sure" in html
    assert facts(html) is None
    assert SCRIPT.search(html) is None


def test_list_tells_the_keys_of_its_rows_in_their_order(server: Server) -> None:
    html = get(server, f"{LIST}?o=-1", enter(server)).body.decode()
    boxes = re.findall(r'name="_selected_action" value="(\d+)"', html)
    assert facts(html)["keys"] == boxes
    assert len(boxes) == 3
    bare = get(server, "/admin/admin_project/memo/?o=-1", enter(server)).body.decode()
    assert "_selected_action" not in bare
    assert facts(bare)["keys"] == boxes


def test_change_form_tells_who_saved_it_last(server: Server) -> None:
    (key,) = write(server, ["create", "note", {}, {"title": "g"}])
    url, ann, bob = f"{LIST}{key}/change/", enter(server), enter(server, "bob")
    assert "saved" not in facts(get(server, url, ann).body.decode())
    write(server, ["log", "note", {"pk": key}, {"by": "bob", "flag": 2}])
    for cookies, is_own in ((ann, False), (bob, True)):
        saved = facts(get(server, url, cookies).body.decode())["saved"]
        assert (saved["by"], saved["own"]) == ("bob", is_own)
    write(server, ["delete", "note", {"pk": key}, {}])


def live(client: Client, url: str) -> Any:
    return client.send("GET", url, subscribe=True, headers={"Accept": "text/html"})


def test_list_follows_the_database(server: Server) -> None:
    with connect(server, origin=server.origin, cookies=enter(server)) as client:
        id = live(client, LIST)
        before = client.receive_for(id).head
        assert before["status"] == 200
        (key,) = write(server, ["create", "note", {}, {"title": "a new one"}])
        after = client.receive_for(id).head
        assert "a new one" in after["data"]
        assert str(key) in facts(after["data"])["keys"]
        write(server, ["delete", "note", {"pk": key}, {}])


def test_permission_that_is_withdrawn_ends_the_list(server: Server) -> None:
    with connect(server, origin=server.origin, cookies=enter(server, "eve")) as client:
        id = live(client, LIST)
        assert client.receive_for(id).head["status"] == 200
        try:
            write(server, ["update", "user", {"username": "eve"}, {"is_staff": False}])
            assert client.receive_for(id).head["status"] == 302
        finally:
            write(server, ["update", "user", {"username": "eve"}, {"is_staff": True}])


def test_object_that_is_deleted_says_by_whom(server: Server) -> None:
    (key,) = write(server, ["create", "note", {}, {"title": "h"}])
    cookies = enter(server)
    with connect(server, origin=server.origin, cookies=cookies) as client:
        id = live(client, f"{LIST}{key}/change/")
        assert client.receive_for(id).head["status"] == 200
        write(
            server,
            ["log", "note", {"pk": key}, {"by": "bob", "flag": 3}],
            ["delete", "note", {"pk": key}, {}],
        )
        frame = client.receive_for(id).head
        while frame["status"] == 200:  # the log has it first
            frame = client.receive_for(id).head
        assert frame["status"] == 302
        assert unquote(frame["headers"]["X-WSRequest-Deleted-By"]) == "bob"
    # The warning that the admin leaves for the next page was for nobody.
    assert "Perhaps it was deleted" not in get(server, "/admin/", cookies).body.decode()
    # By HTTP the answer is Django's.
    assert "X-WSRequest-Deleted-By" not in get(server, f"{LIST}{key}/change/", cookies).headers


@pytest.mark.parametrize("theme", ["unfold", "jazzmin"])
def test_themes_that_replace_the_templates_are_live(tmp_path: Path, theme: str) -> None:
    pytest.importorskip(theme)
    with serving(
        "uvicorn-sansio", tmp_path, application=APPLICATION, PROJECT_THEME=theme
    ) as server:
        cookies = enter(server)
        for url, page in (("/admin/", "index"), (LIST, "changelist"), (CHANGE, "change")):
            assert facts(get(server, url, cookies).body.decode())["page"] == page


def test_scripts_have_the_nonce_of_the_policy(tmp_path: Path) -> None:
    settings = {
        "MIDDLEWARE": ["csp.middleware.CSPMiddleware"],
        "POLICY": {"script-src": ["nonce"], "style-src": ["nonce"]},
    }
    with serving(
        "uvicorn-sansio", tmp_path, application=APPLICATION, PROJECT_SETTINGS=json.dumps(settings)
    ) as server:
        page = get(server, LIST, enter(server))
    nonce = re.search(r"script-src 'nonce-([^']+)'", page.headers["Content-Security-Policy"])
    assert nonce is not None
    scripts = SCRIPT.findall(page.body.decode())
    assert len(scripts) == 2
    assert all(f'nonce="{nonce[1]}"' in script for script in scripts)
    sheet = re.search(r"<link[^>]*wsrequest/admin.css[^>]*>", page.body.decode())
    assert sheet is not None and f'nonce="{nonce[1]}"' in sheet[0]
