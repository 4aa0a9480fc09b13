"""The base environ: the scopes of all servers, translated as WSGI servers translate requests."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest

from wsrequest.connection.sse_codec import request_of as event_request_of
from wsrequest.protocol.headers import PER_REQUEST, HeaderNames
from wsrequest.request.environ import Base, make_base

HEADERS = [
    (b"host", b"example.com"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-key", b"x"),
    (b"sec-websocket-version", b"13"),
    (b"user-agent", b"Browser/1"),
]


def scope(*headers: tuple[bytes, bytes], **members: Any) -> dict[str, Any]:
    return {
        "type": "websocket",
        "path": "/ws/",
        "scheme": "ws",
        "http_version": "1.1",
        "root_path": "",
        "client": ("203.0.113.7", 4711),
        "server": ("198.51.100.1", 8000),
        "headers": [*HEADERS, *headers],
        **members,
    }


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in scope().items() if name not in names}


def base(*headers: tuple[bytes, bytes], **members: Any) -> Base:
    return make_base(scope(*headers, **members))


def test_make_base_takes_the_addresses_as_strings() -> None:
    environ = base().environ
    assert {name: environ[name] for name in environ if name.startswith(("REMOTE", "SERVER"))} == {
        "REMOTE_ADDR": "203.0.113.7",
        "REMOTE_HOST": "203.0.113.7",
        "REMOTE_PORT": "4711",
        "SERVER_NAME": "198.51.100.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }


def test_make_base_takes_the_string_ports_of_granian() -> None:
    environ = base(client=("203.0.113.7", "4711"), server=("198.51.100.1", "8000")).environ
    assert (environ["REMOTE_PORT"], environ["SERVER_PORT"]) == ("4711", "8000")


@pytest.mark.parametrize("client", [None, (), []])
def test_make_base_has_no_remote_address_where_the_client_is_unknown(client: Any) -> None:
    assert "REMOTE_ADDR" not in base(client=client).environ


def test_make_base_takes_the_scope_of_daphne() -> None:
    environ = make_base(without("scheme", "http_version", "root_path")).environ
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["SCRIPT_NAME"] == ""


@pytest.mark.parametrize("server", [None, ()])
def test_make_base_takes_a_scope_without_server(server: Any) -> None:
    environ = base(server=server).environ
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("unknown", "0")


@pytest.mark.parametrize(
    ("scheme", "expected"), [("ws", "http"), ("wss", "https"), ("http", "http"), ("https", "https")]
)
def test_make_base_has_the_scheme_of_http(scheme: str, expected: str) -> None:
    made = base(scheme=scheme)
    assert made.environ["wsgi.url_scheme"] == expected
    request = WSGIRequest({**made.environ, "REQUEST_METHOD": "GET", "PATH_INFO": "/"})
    assert request.scheme == expected


def test_make_base_names_headers_as_wsgi_does() -> None:
    environ = base((b"x-Custom-Thing", b"1"), (b"Accept-Language", b"de")).environ
    assert environ["HTTP_X_CUSTOM_THING"] == "1"
    assert environ["HTTP_ACCEPT_LANGUAGE"] == "de"
    assert environ["HTTP_HOST"] == "example.com"
    assert environ["HTTP_USER_AGENT"] == "Browser/1"


def test_make_base_decodes_values_as_latin_1() -> None:
    assert base((b"x-name", "é".encode("latin1"))).environ["HTTP_X_NAME"] == "é"


def test_make_base_joins_duplicates_with_a_comma() -> None:
    made = base((b"x-forwarded-for", b"192.0.2.1"), (b"X-Forwarded-For", b"192.0.2.2"))
    assert made.environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.1,192.0.2.2"


def test_make_base_joins_cookies_with_a_semicolon() -> None:
    assert base((b"cookie", b"a=1"), (b"cookie", b"b=2")).cookie == "a=1; b=2"


def test_two_origins_are_none_that_anybody_allows() -> None:
    made = base((b"origin", b"http://example.com"), (b"origin", b"http://evil.example"))
    assert made.origin == "http://example.com,http://evil.example"


def test_make_base_drops_headers_with_an_underscore() -> None:
    environ = base((b"x_forwarded_for", b"192.0.2.9"), (b"remote_user", b"root")).environ
    assert not {"HTTP_X_FORWARDED_FOR", "HTTP_REMOTE_USER"} & environ.keys()


def test_a_letter_outside_of_ascii_makes_no_other_header() -> None:
    assert "HTTP_X_SSL" not in base((b"x-\xdfl", b"1")).environ


def test_an_underscore_does_not_replace_the_header_with_a_hyphen() -> None:
    environ = base((b"x-real-ip", b"192.0.2.1"), (b"x_real_ip", b"192.0.2.9")).environ
    assert environ["HTTP_X_REAL_IP"] == "192.0.2.1"


@pytest.mark.parametrize(
    "name",
    [
        "connection",
        "upgrade",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "content-length",
        "content-type",
        "accept-encoding",
        "cookie",
        "origin",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
    ],
)
def test_make_base_leaves_out_what_is_about_the_handshake_alone(name: str) -> None:
    environ = base((name.encode(), b"value")).environ
    meta_name = name.upper().replace("-", "_")
    assert meta_name not in environ
    assert f"HTTP_{meta_name}" not in environ


PER_REQUEST_NAMES = [name.replace("*", "x") for name in PER_REQUEST]


@pytest.mark.parametrize("name", [*PER_REQUEST_NAMES, "x-acme-request-id"])
def test_a_header_of_one_request_ends_with_the_handshake(name: str) -> None:
    """A message may then bring its own, so the handshake is not noted to have had it."""
    ending = HeaderNames.of([*PER_REQUEST, "X-Acme-Request-*"])
    made = make_base(scope((name.encode(), b"value"), (b"x-other", b"1")), ending)
    assert f"HTTP_{name.upper().replace('-', '_')}" not in made.environ
    assert name not in made.header_names
    assert made.environ["HTTP_X_OTHER"] == "1"


def test_a_request_for_events_keeps_the_headers_of_its_own() -> None:
    of_http = {**scope((b"traceparent", b"00-a"), (b"if-none-match", b'"a"')), "type": "http"}
    made = make_base(of_http, HeaderNames.of(PER_REQUEST))
    assert made.environ["HTTP_TRACEPARENT"] == "00-a"
    message = event_request_of(b"url=/x", made, HeaderNames.of(PER_REQUEST))
    assert message.headers == {"traceparent": "00-a", "if-none-match": '"a"'}
    assert "HTTP_TRACEPARENT" not in made.environ  # of later runs
    again = event_request_of(b"url=/x", make_base(of_http), HeaderNames())
    assert "traceparent" not in again.headers


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"wss", "https"),
        (b"WSS", "https"),
        (b"ws", "http"),
        (b"https", "https"),
        (b"wss, ws", "https,http"),
        (b"wss,http", "https,http"),
        (b"on", "on"),
        (b"wss2", "wss2"),
    ],
)
@pytest.mark.parametrize("name", ["x-forwarded-proto", "x-scheme", "x-acme-scheme"])
def test_the_scheme_that_a_proxy_tells_is_that_of_a_request(
    name: str, sent: bytes, told: str
) -> None:
    """Traefik tells wss of a handshake, and https of a request."""
    made = make_base(scope((name.encode(), sent)), (), "x-acme-scheme")
    assert made.environ[f"HTTP_{name.upper().replace('-', '_')}"] == told
    assert make_base(scope((b"x-other", b"wss"))).environ["HTTP_X_OTHER"] == "wss"


def test_make_base_keeps_origin_and_cookie_apart() -> None:
    made = base((b"origin", b"http://example.com"), (b"cookie", b"a=1"))
    assert (made.origin, made.cookie) == ("http://example.com", "a=1")
    assert (base().origin, base().cookie) == (None, "")


def test_header_names_are_all_of_the_handshake_in_lower_case() -> None:
    names = base((b"X-Proxy", b"1"), (b"Cookie", b"a=1")).header_names
    assert {"host", "upgrade", "x-proxy", "cookie"} <= names


def test_sec_fetch_tells_of_a_fetch() -> None:
    environ = base(
        (b"sec-fetch-mode", b"websocket"),
        (b"sec-fetch-dest", b"websocket"),
        (b"sec-fetch-site", b"same-origin"),
    ).environ
    found = {name: value for name, value in environ.items() if name.startswith("HTTP_SEC")}
    assert found == {
        "HTTP_SEC_FETCH_MODE": "cors",
        "HTTP_SEC_FETCH_DEST": "empty",
        "HTTP_SEC_FETCH_SITE": "same-origin",
    }


def test_sec_fetch_is_not_made_up() -> None:
    assert not any(name.startswith("HTTP_SEC") for name in base().environ)


def test_the_no_cache_of_a_browsers_handshake_is_not_that_of_its_messages() -> None:
    """Chromium and Firefox put both into every handshake, and into no fetch by themselves."""
    environ = base(
        (b"origin", b"http://example.com"),
        (b"pragma", b"no-cache"),
        (b"cache-control", b"no-cache"),
    ).environ
    assert not {"HTTP_PRAGMA", "HTTP_CACHE_CONTROL"} & environ.keys()


def test_root_path_becomes_script_name_as_wsgi_writes_it() -> None:
    assert base(root_path="/ä").environ["SCRIPT_NAME"] == "/ä".encode().decode("latin1")


@pytest.mark.parametrize(("scheme", "port"), [("ws", "80"), ("wss", "443")])
def test_a_unix_socket_has_the_port_of_its_scheme(scheme: str, port: str) -> None:
    environ = base(server=("/run/app.sock", None), scheme=scheme).environ
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("/run/app.sock", port)


def _one_long(n: int) -> list[tuple[bytes, bytes]]:
    return [(b"x-%d-" % n + b"n" * 60_000, b"")]


def _many_long(n: int) -> list[tuple[bytes, bytes]]:
    return [(b"x-%d-%d-" % (n, m) + b"n" * 600, b"") for m in range(100)]


def _many_short(n: int) -> list[tuple[bytes, bytes]]:
    return [(b"x%d-%d" % (n, m), b"") for m in range(1000)]


@pytest.mark.once
@pytest.mark.parametrize("made", [_one_long, _many_long, _many_short])
def test_names_that_strangers_choose_are_not_remembered(
    made: Callable[[int], list[tuple[bytes, bytes]]],
) -> None:
    """The Origin has not been checked yet: 150 refused handshakes held 130 MiB for good."""
    scopes = [scope(*made(n)) for n in range(150)]
    for n in range(600):  # both caches are full already of what is usual
        base((b"x-usual-%d" % n, b""))
    gc.collect()
    tracemalloc.start()
    try:
        for one in scopes:
            make_base(one)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2**18


def test_a_name_of_any_length_becomes_the_same_key() -> None:
    for length in (1, 63, 64, 65, 9000):
        made = base((b"X-" + b"n" * length, b"1"))
        assert made.environ["HTTP_X_" + "N" * length] == "1"
        assert "x-" + "n" * length in made.header_names
