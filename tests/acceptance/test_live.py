"""Live requests on a real server: views that know nothing of it stay current."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.acceptance.accounts import cookies_of, log_in, log_in_by_http, sign_up
from tests.acceptance.client import Client, Frame, connect
from tests.acceptance.servers import Server
from tests.patches import apply_text_patch

NOTES = "/api/notes/"


def subscribe(client: Client, url: str, **members: Any) -> Any:
    return client.send("GET", url, subscribe=True, **members)


def first(client: Client, url: str, **members: Any) -> tuple[Any, Frame]:
    """Subscribe; return the id and the first version."""
    id = subscribe(client, url, **members)
    return id, client.receive_for(id)


def add_note(client: Client, text: str) -> int:
    answer = client.request("POST", NOTES, data={"text": text})
    assert answer.status == 201
    number: int = answer.data["id"]
    return number


def settled_after_their_versions(client: Client) -> None:
    """Write five times; each settled response comes behind a version that shows its write."""
    id, _ = first(client, NOTES)
    for _ in range(5):
        text = name()
        posted = client.send("POST", NOTES, data={"text": text}, settled=True)
        frames = [client.receive()]
        while frames[-1].head.get("id") != posted:
            frames.append(client.receive())
        assert frames[-1].head["settled"] is True
        versions = [frame for frame in frames if frame.head.get("id") == id]
        assert text in json.dumps(versions[-1].head["data"])


def until(client: Client, id: Any, holds: Any) -> Frame:
    """Return the next version for which something holds; some may come before."""
    while True:
        frame = client.receive_for(id)
        if holds(frame):
            return frame


def name() -> str:
    return f"note-{uuid4().hex[:12]}"


@pytest.mark.parametrize("url", [NOTES, "/live/public/", "/ninja/notes"])
def test_view_is_shown_again_when_its_table_changed(server: Server, url: str) -> None:
    with connect(server) as client, connect(server) as other:
        id, version = first(client, url)
        assert version.head["status"] == 200, version.head
        text = name()
        add_note(other, text)
        found = until(client, id, lambda frame: text in json.dumps(frame.head["data"]))
        assert found.head["version"] > version.head["version"]


def test_change_by_plain_http_is_seen(server: Server) -> None:
    with connect(server) as client:
        id, _ = first(client, NOTES)
        text = name()
        server.http(
            "POST", NOTES, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
        )
        until(client, id, lambda frame: text in json.dumps(frame.head["data"]))


@pytest.mark.parametrize("url", ["/live/lazily/", "/live/asynchronously/"])
def test_stream_is_live_to_its_last_byte(server: Server, url: str) -> None:
    with connect(server) as client:
        id, version = first(client, url)
        assert version.head["headers"]["Content-Type"] == "text/plain"
        text = name()
        add_note(client, text)
        until(client, id, lambda frame: text in frame.head.get("data", ""))


def test_body_that_is_no_text_is_live(any_server: Server) -> None:
    with connect(any_server) as client:
        id, version = first(client, "/live/binary/")
        assert version.body is not None and version.head["version"]
        add_note(client, name())
        assert client.receive_for(id).body != version.body


def test_patch_makes_the_next_version_of_the_last(any_server: Server) -> None:
    with connect(any_server) as client:
        for _ in range(5):
            add_note(client, name())
        id, version = first(client, NOTES, patch="json")
        text = name()
        number = add_note(client, text)
        found = until(client, id, lambda frame: text in json.dumps(frame.head["data"]))
        assert found.head["patch"] == "json"
        count = len(version.head["data"])
        added = {"op": "add", "path": f"/{count}", "value": {"id": number, "text": text}}
        assert found.head["data"] == [added]


def changed(body: str, patch: Any) -> str:
    return apply_text_patch(body.encode(), patch).decode()


def test_patch_of_a_text_makes_the_next_version_of_the_last(any_server: Server) -> None:
    with connect(any_server) as client:
        for _ in range(5):
            add_note(client, name())
        id, version = first(client, "/live/lazily/", patch=["json", "text"])
        body, text = version.head["data"], name()
        add_note(client, text)
        found = until(client, id, lambda frame: text in json.dumps(frame.head["data"]))
        assert found.head["patch"] == "text"
        assert changed(body, found.head["data"]) == f"{body}{text}\n"


def test_events_carry_a_patch_of_a_text(server: Server) -> None:
    with connect(server) as client:
        for _ in range(5):
            add_note(client, name())
        with events(server, "/live/lazily/", "&patch=json&patch=text") as response:
            body, text = json.loads(event(response)["data"])["data"], name()
            add_note(client, text)
            told = json.loads(event(response)["data"])
            assert told["patch"] == "text"
            assert changed(body, told["data"]) == f"{body}{text}\n"


@pytest.mark.documents("docs/live.md", "a second cancel, or a cancel of what has ended")
def test_cancelled_request_hears_no_more_and_its_id_is_free(any_server: Server) -> None:
    with connect(any_server) as client:
        id, _ = first(client, NOTES)
        client.send_frame(id=id, cancel=True)
        client.send_frame(id=id, cancel=True)
        add_note(client, name())
        assert client.settle() == []
        assert client.answer(client.send("GET", "/text/", id=id)).status == 200


def test_what_the_client_holds_is_not_sent_twice(any_server: Server) -> None:
    with connect(any_server) as client:
        _, version = first(client, NOTES)
    tag = version.head["headers"]["ETag"]
    with connect(any_server) as client:
        id, resumed = first(client, NOTES, headers={"If-None-Match": f'"nonsense", {tag}'})
        assert resumed.head["status"] == 304 and "data" not in resumed.head
        text = name()
        add_note(client, text)
        until(client, id, lambda frame: text in json.dumps(frame.head["data"]))
        _, other = first(client, NOTES, headers={"If-None-Match": '"nonsense"'})
        assert other.head["status"] == 200


@pytest.mark.documents("docs/live.md", "a URL that answers 4xx, 5xx or a redirect")
@pytest.mark.parametrize(
    ("url", "status"), [("/fault/missing/", 404), ("/fault/raise/", 500), ("/redirect/", 302)]
)
def test_another_answer_than_2xx_begins_nothing(any_server: Server, url: str, status: int) -> None:
    with connect(any_server) as client:
        id, answer = first(client, url)
        assert (answer.head["status"], answer.head.get("version")) == (status, None)
        assert client.answer(client.send("GET", "/text/", id=id)).status == 200


@pytest.mark.documents("docs/live.md", "a view that read nothing whose changes wsrequest can see")
@pytest.mark.documents("docs/live.md", "a stream of events")
@pytest.mark.parametrize("url", ["/text/", "/events/", "/events/async/"])
def test_what_cannot_be_live_is_refused(any_server: Server, url: str) -> None:
    with connect(any_server) as client:
        _, answer = first(client, url)
        assert answer.head["error"]["code"] == "not_live"


def test_view_that_reads_no_database_names_what_it_reads(any_server: Server) -> None:
    with connect(any_server) as client:
        id, _ = first(client, "/live/forecast/")
        text = name()
        assert client.request("POST", "/live/forecast/set/", body=text).status == 204
        until(client, id, lambda frame: frame.head["data"] == text)


def test_view_that_writes_what_it_reads_does_not_run_itself(any_server: Server) -> None:
    with connect(any_server) as client:
        id, version = first(client, "/live/visits/")
        assert client.settle() == []
        add_note(client, "visit")
        again = client.receive_for(id)
        assert again.head["data"]["count"] == version.head["data"]["count"] + 2
        assert client.settle() == []


def test_settled_answer_comes_behind_what_it_changed(server: Server) -> None:
    with connect(server) as client:
        settled_after_their_versions(client)


def test_login_and_logout_change_whose_answer_it_is(any_server: Server) -> None:
    user = sign_up(any_server)
    with connect(any_server, origin=any_server.origin) as client:
        _, anonymous = first(client, "/live/mine/")
        assert anonymous.head["status"] == 302
        log_in(client, user)
        id, version = first(client, "/live/mine/")
        assert version.head["data"] == {"user": user, "count": 0}
        add_note(client, f"{user} writes")
        until(client, id, lambda frame: frame.head["data"]["count"] == 1)
        assert client.get("/log-out/").status == 200
        ended = client.receive_for(id)
        assert ended.head["error"]["code"] == "session_ended"


def test_logout_elsewhere_ends_what_is_live(any_server: Server) -> None:
    user = sign_up(any_server)
    with connect(any_server, origin=any_server.origin) as client:
        log_in(client, user)
        session = client.get("/echo/").data["cookies"]["sessionid"]
        first(client, "/live/mine/")
        any_server.http("GET", "/log-out/", headers={"Cookie": f"sessionid={session}"})
        assert client.closed() == 4003


def test_user_who_is_deactivated_is_told_so(any_server: Server) -> None:
    user = sign_up(any_server)
    with connect(any_server, origin=any_server.origin) as client:
        log_in(client, user)
        id, _ = first(client, "/live/mine/")
        any_server.http("POST", f"/deactivate/?user={user}")
        assert client.receive_for(id).head["status"] == 302


# Reruns have no effects.


def test_token_that_is_shown_once_waits_for_its_visitor(any_server: Server) -> None:
    cookies = cookies_of(any_server.http("POST", "/live/token/make/"))
    headers = {"Cookie": f"sessionid={cookies['sessionid']}"}
    with connect(any_server, headers=headers) as client:
        id, version = first(client, "/live/token/")  # which shows it, and is the visitor's own
        assert version.head["data"]["token"] == "secret"
        any_server.http("POST", "/live/token/make/", b"", headers)
        add_note(client, name())
        until(client, id, lambda frame: frame.head["data"]["token"] == "secret")
        assert client.get("/live/token/").data["token"] == "secret"
        assert client.get("/live/token/").data["token"] is None
        with events(any_server, "/live/token/", **headers) as response:
            shown = event(response)
            assert json.loads(shown["data"])["data"]["token"] is None
        any_server.http("POST", "/live/token/make/", b"", headers)
        proof = json.loads(shown["data"])["rerun"]
        for more, tag in ((f"&rerun={proof}", '"a"'), ("", shown["id"])):
            told = {**headers, "Last-Event-ID": tag}
            with events(any_server, "/live/token/", more=more, **told) as response:
                assert json.loads(event(response)["data"])["data"]["token"] == "secret"
        told = {**headers, "Last-Event-ID": '"a"'}  # which proves nothing
        with events(any_server, "/live/token/", more="&rerun=true", **told) as response:
            assert json.loads(event(response)["data"])["data"]["token"] == "secret"
        assert client.get("/live/token/").data["token"] is None


def test_writes_of_strangers_leave_a_throttle_alone(server: Server) -> None:
    """Three a minute for the user, and no more; the reruns are nobody's."""
    cookies = log_in_by_http(server, sign_up(server))
    with connect(server, cookies=cookies) as client, connect(server) as stranger:

        def is_shown_a_note() -> bool:
            text = name()
            add_note(stranger, text)
            found = until(client, id, lambda frame: frame.head["data"]["texts"][-1] == text)
            return bool(found.head["status"] == 200)

        id, version = first(client, "/api/limited-list/")  # one
        assert version.head["status"] == 200, version.head
        assert all(is_shown_a_note() for _ in range(5))
        answers = [client.get("/api/limited-list/").status for _ in range(3)]
        assert answers == [200, 200, 429]
        assert is_shown_a_note()  # what limits the user does not limit the reruns


# Server-sent events.


@contextmanager
def events(server: Server, url: str, more: str = "", **headers: str) -> Iterator[HTTPResponse]:
    host, _, port = server.host.partition(":")
    connection = HTTPConnection(host, int(port), timeout=20)
    asked = f"/ws/?url={quote(url, safe='')}{more}"
    connection.request("GET", asked, headers={"Accept": "text/event-stream", **headers})
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def event(response: HTTPResponse) -> dict[str, str]:
    """Read one event; comments are left out."""
    found: dict[str, str] = {}
    while (line := response.readline().decode().rstrip("\n")) or not found:
        field, _, value = line.partition(": ")
        if field:
            found[field] = found[field] + "\n" + value if field in found else value
    return found


def test_events_tell_the_same(server: Server) -> None:
    with events(server, NOTES) as response, connect(server) as client:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        version = json.loads(event(response)["data"])
        assert version["status"] == 200 and "id" not in version
        text = name()
        add_note(client, text)
        while text not in (told := event(response))["data"]:
            pass
        etag, proof = told["id"].split(", ")
        assert etag == json.loads(told["data"])["headers"]["ETag"]
        assert proof.startswith('"rerun:')  # that it was answered, for whoever resumes it
        with events(server, NOTES, **{"Last-Event-ID": told["id"]}) as resumed:
            assert json.loads(event(resumed)["data"])["status"] == 304


def test_events_end_with_what_cannot_be_live(any_server: Server) -> None:
    for url, status in (("/fault/missing/", 404), ("/text/", 422)):
        with events(any_server, url) as response:
            told = json.loads(event(response)["data"])
            assert (told["status"], told.get("version")) == (status, None)
            assert response.read() == b""


def test_events_carry_a_body_that_is_no_text(any_server: Server) -> None:
    with events(any_server, "/live/binary/") as response:
        told = json.loads(event(response)["data"])
        assert told["encoding"] == "base64"


@pytest.mark.parametrize("url", ["", "//evil.example/", "https://evil.example/", "nothing"])
def test_events_of_a_bad_url_are_refused(any_server: Server, url: str) -> None:
    with events(any_server, url) as response:
        assert response.status == 400
        assert b"bad_url" in response.read()


def test_events_are_not_for_foreign_pages(any_server: Server) -> None:
    with events(any_server, NOTES, Origin="https://evil.example") as response:
        assert response.status == 403
