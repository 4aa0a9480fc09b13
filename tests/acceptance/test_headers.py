"""Which headers a view sees: those of the handshake, those a message may set, and no others."""

from typing import Any

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server


def test_meta_has_what_the_handshake_said(server: Server) -> None:
    headers = {"User-Agent": "test/1", "Accept-Language": "de, en;q=0.5", "X-Custom": "a, b"}
    with connect(server, headers=headers, cookies={"one": "1", "two": "2"}) as client:
        told = client.get("/echo/?x=1").data
    meta = told["meta"]
    assert meta["HTTP_USER_AGENT"].endswith("test/1")
    assert meta["HTTP_ACCEPT_LANGUAGE"] == "de, en;q=0.5"
    assert meta["HTTP_X_CUSTOM"] == "a, b"
    assert meta["HTTP_HOST"] == server.host
    assert meta["SERVER_PORT"] == str(server.port)
    assert meta["SERVER_NAME"] == "127.0.0.1"
    assert meta["REMOTE_ADDR"] == "127.0.0.1"
    assert meta["REQUEST_METHOD"] == "GET"
    assert meta["QUERY_STRING"] == "x=1"
    assert told["cookies"] == {"one": "1", "two": "2"}
    assert told["uri"] == f"http://{server.host}/echo/?x=1"
    assert told["secure"] is False


def test_meta_has_the_keys_that_it_has_over_http(server: Server) -> None:
    """But for those that only one of the two transports has a reason for."""
    headers = {"User-Agent": "test/1", "Accept": "text/html"}
    by_http = server.http("GET", "/echo/", headers=headers).json()["meta"]
    with connect(server, headers=headers, user_agent_header=None) as client:
        by_socket = client.get("/echo/").data["meta"]
    # Some are WSGI's alone, the others are of the one TCP connection or its encoding.
    changing = {"REMOTE_PORT", "SERVER_PROTOCOL", "HTTP_ACCEPT_ENCODING", "HTTP_CONNECTION"}
    changing |= {"RAW_URI", "REQUEST_URI"}
    names = {name for name in by_http.keys() | by_socket.keys() if not name.startswith("wsgi.")}
    for name in names - changing - {"CONTENT_LENGTH"}:
        assert by_socket.get(name) == by_http.get(name), name


def test_message_sets_headers_of_its_own_request_only(client: Client) -> None:
    headers = {"X-One": "1", "x-two": "2", "X-Tab": "a\tb", "X-Empty": ""}
    told = client.get("/echo/", headers=headers).data["headers"]
    assert {name: told[name] for name in ("X-One", "X-Two", "X-Tab", "X-Empty")} == {
        "X-One": "1",
        "X-Two": "2",
        "X-Tab": "a\tb",
        "X-Empty": "",
    }
    assert "X-One" not in client.get("/echo/").data["headers"]


REPLACEABLE = {
    "Accept": ("text/html", "application/json"),
    "Accept-Language": ("de", "fr"),
    "Authorization": ("JWT of-the-handshake", "JWT of-the-message"),
    "Cache-Control": ("no-cache", "max-age=0"),
    "Pragma": ("no-cache", "other"),
    "User-Agent": ("handshake/1", "message/1"),
}


@pytest.mark.parametrize("name", REPLACEABLE)
def test_message_may_replace_a_header_of_the_handshake(any_server: Server, name: str) -> None:
    before, after = REPLACEABLE[name]
    with connect(any_server, headers={name: before}, user_agent_header=None) as client:
        assert client.get("/echo/").data["headers"][name] == before
        assert client.get("/echo/", headers={name: after}).data["headers"][name] == after
        assert client.get("/echo/").data["headers"][name] == before


def test_message_may_not_replace_another_header_of_the_handshake(server: Server) -> None:
    with connect(server, headers={"X-Proxy-User": "alice"}) as client:
        answer = client.get("/echo/", headers={"x-proxy-user": "bob"})
        assert (answer.status, answer.error and answer.error["code"]) == (400, "bad_header")
        assert client.get("/echo/").data["headers"]["X-Proxy-User"] == "alice"


OF_ONE_REQUEST = {
    "Traceparent": ("00-aaaa-1-01", "00-bbbb-2-01"),
    "X-Request-ID": ("of-the-handshake", "of-the-message"),
    "X-B3-TraceId": ("a", "b"),
    "Idempotency-Key": ("a", "b"),
    "If-None-Match": ('"a"', '"b"'),
    "X-Acme-Attempt": ("1", "2"),  # by WSREQUEST_PER_REQUEST_HEADERS
}


def test_header_of_one_request_ends_with_the_handshake(any_server: Server) -> None:
    sent = {name: before for name, (before, _) in OF_ONE_REQUEST.items()}
    with connect(any_server, headers=sent) as client:
        assert not sent.keys() & client.get("/echo/").data["headers"].keys()
        for name, (_, after) in OF_ONE_REQUEST.items():
            told = client.get("/echo/", headers={name: after}).data["headers"]
            assert {n.title(): v for n, v in told.items()}[name.title()] == after
        assert not sent.keys() & client.get("/echo/").data["headers"].keys()


FORBIDDEN = """
Accept-Charset Accept-Encoding Access-Control-Request-Method Access-Control-Request-Headers
Connection Content-Length Cookie Cookie2 Date DNT Expect Host Keep-Alive Origin Proxy-Connection
Proxy-Authorization Referer Sec-Fetch-Site Sec-WebSocket-Key Set-Cookie TE Trailer
Transfer-Encoding Upgrade Via Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto
X-Forwarded-Port X-Real-IP X-Client-IP True-Client-IP CF-Connecting-IP X-Cluster-Client-IP
Fastly-Client-IP Fastly-SSL Fly-Forwarded-Proto X-Azure-FDID X-Amzn-Tls-Version Remote-User
X-Remote-User X-User X-Auth-User X-Token-Subject Impersonate-User X-Original-URL X-Rewrite-URL
X-Project-Secret X-Project_Secret X-Projects-Tenant
Remote_User X-MS-Token-AAD-Id-Token
""".split()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_header_that_may_not_be_set_is_refused(any_client: Client, name: str) -> None:
    for spelling in (name, name.lower(), name.upper()):
        answer = any_client.get("/echo/", headers={spelling: "x"})
        assert (answer.status, answer.error and answer.error["code"]) == (400, "bad_header")
        assert name.lower() in str(answer.error).lower()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\r\nX-B: c"),
        ("X-A", "a\nb"),
        ("X-A", "a\x00b"),
        ("X-A", "a\x0bb"),
        ("X-A", "a\x1cb"),
        ("X-A", "a\x7fb"),
        ("X-A", "a\x85b"),
        ("X A", "a"),
        ("X:A", "a"),
        ("X-Ü", "a"),
        ("", "a"),
        ("X-A\n", "a"),
        ("wsgi.url_scheme", "https"),
    ],
)
def test_header_that_is_malformed_is_refused(any_client: Client, name: str, value: str) -> None:
    answer = any_client.get("/echo/", headers={name: value})
    assert (answer.status, answer.error and answer.error["code"]) == (400, "bad_header")


def test_header_named_twice_in_other_case_is_one_or_refused(any_client: Client) -> None:
    answer = any_client.get("/echo/", headers={"X-Twice": "a", "x-twice": "b"})
    if answer.error:
        assert answer.error["code"] == "bad_header"
    else:
        assert answer.data["headers"]["X-Twice"] in ("a, b", "a,b", "b")


def test_header_that_occurs_twice_in_a_response_is_a_list(any_client: Client) -> None:
    headers: dict[str, Any] = any_client.get("/cookies/?a=1&b=2").headers
    assert [value.split(";")[0] for value in headers["set-cookie"]] == ["a=1", "b=2"]
    headers = dict(any_client.get("/cookies/?a=1").headers)
    assert headers["set-cookie"].startswith("a=1;")
