"""The environ of an HTTP request is the one that a WSGI server would make."""

import io
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest

from wsrequest.server.http.environ import _meta_key, make_environ, path_info

SCOPE: dict[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/a/",
    "raw_path": b"/a/",
    "query_string": b"",
    "root_path": "",
    "client": ("203.0.113.7", 40000),
    "server": ("127.0.0.1", 8000),
    "headers": [(b"host", b"testserver")],
}


def environ_of(*headers: tuple[bytes, bytes], **members: Any) -> dict[str, Any]:
    return make_environ({**SCOPE, **members, "headers": [*SCOPE["headers"], *headers]}, None, 0)


def test_scope_becomes_an_environ() -> None:
    found = environ_of(query_string=b"a=%20&b=\xc3\xbc")
    found["wsgi.input"], found["wsgi.errors"] = found["wsgi.input"].read(), None
    assert found == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/",
        "QUERY_STRING": "a=%20&b=Ã¼",
        "RAW_URI": "/a/?a=%20&b=Ã¼",
        "REQUEST_URI": "/a/?a=%20&b=Ã¼",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.7",
        "REMOTE_HOST": "203.0.113.7",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "testserver",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": b"",
        "wsgi.errors": None,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def test_what_a_server_may_leave_out_may_be_missing() -> None:
    scope = {key: SCOPE[key] for key in ("type", "method", "path", "headers")}
    found = make_environ(scope, None, 0)
    assert (found["PATH_INFO"], found["RAW_URI"]) == ("/a/", "/a/")
    assert (found["SERVER_NAME"], found["SERVER_PORT"]) == ("unknown", "0")
    assert "REMOTE_ADDR" not in found
    assert WSGIRequest(found).path == "/a/"


@pytest.mark.parametrize(
    ("scheme", "port"), [("http", "80"), ("https", "443")], ids=["http", "https"]
)
def test_unix_socket_has_the_port_of_its_scheme(scheme: str, port: str) -> None:
    found = environ_of(server=("/run/socket", None), client=None, scheme=scheme)
    assert (found["SERVER_PORT"], found["wsgi.url_scheme"]) == (port, scheme)


@pytest.mark.parametrize(
    ("path", "raw_path", "path_info_"),
    [
        ("/ü/", b"/%C3%BC/", "/ü/".encode().decode("latin1")),
        ("/ü/", None, "/ü/".encode().decode("latin1")),
        ("/a b", b"/a%20b", "/a b"),
        ("/\ufffd", b"/%FF", "/\xff"),  # the server replaces what is not UTF-8, the raw path has it
        ("/a/b", b"/a%2Fb", "/a/b"),
        ("/a?b", b"/a%3Fb", "/a?b"),
        ("/a", b"/a?query", "/a"),  # of a server that leaves the query there
        ("/other", b"/a/", "/other"),  # of middleware that changes the path alone
        ("/\x00", b"/%00", "/\x00"),
    ],
)
def test_path_is_decoded_as_by_wsgi(path: str, raw_path: bytes | None, path_info_: str) -> None:
    assert environ_of(path=path, raw_path=raw_path)["PATH_INFO"] == path_info_
    assert path_info({**SCOPE, "path": path, "raw_path": raw_path}) == path_info_


@pytest.mark.parametrize("path", ["/app/a/", "/a/"])
def test_script_name_is_no_part_of_the_path(path: str) -> None:
    """Servers differ in whether they leave the root path in the path."""
    found = environ_of(root_path="/app", path=path, raw_path=path.encode())
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("/app", "/a/")
    assert WSGIRequest(found).path == "/app/a/"


def test_script_name_of_the_settings_counts(settings: Any) -> None:
    settings.FORCE_SCRIPT_NAME = "/app/"
    found = environ_of(path="/app/a/", raw_path=b"/app/a/")
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("/app", "/a/")


def test_headers_become_meta() -> None:
    found = environ_of(
        (b"content-type", b"text/plain"),
        (b"x-two", b"1"),
        (b"X-Two", b"2"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x_underscore", b"evil"),
        (b"x-latin", b"\xfc"),
        (b"x-\xdfl", b"evil"),
        (b"x-" + b"long-" * 100, b"1"),
    )
    assert found["CONTENT_TYPE"] == "text/plain"
    assert found["HTTP_X_TWO"] == "1,2"
    assert found["HTTP_COOKIE"] == "a=1; b=2"
    assert found["HTTP_X_LATIN"] == "ü"
    assert found["HTTP_X_" + "LONG_" * 100] == "1"
    assert not any("UNDERSCORE" in key for key in found)
    assert "HTTP_X_SSL" not in found


def test_names_that_strangers_choose_are_not_remembered() -> None:
    before = _meta_key.cache_info().currsize
    for number in range(10):
        assert environ_of((b"x-%d-" % number + b"long" * 100, b"1"))
    assert _meta_key.cache_info().currsize == before
    for number in range(1000):
        environ_of((b"x-%d" % number, b"1"))
    assert _meta_key.cache_info().currsize <= 512


def test_no_header_is_a_variable_of_the_server() -> None:
    found = environ_of((b"remote-user", b"ann"), (b"script-name", b"/x"), (b"path-info", b"/x"))
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("", "/a/")
    assert "REMOTE_USER" not in found


@pytest.mark.parametrize("claimed", [[], [b"3"], [b"3", b"3"], [b"2"], [b"x"]])
def test_length_is_that_of_the_body(claimed: list[bytes]) -> None:
    headers = [*SCOPE["headers"], *((b"content-length", value) for value in claimed)]
    found = make_environ({**SCOPE, "headers": headers}, io.BytesIO(b"abc"), 3)
    assert found["CONTENT_LENGTH"] == "3"
    assert WSGIRequest(found).read() == b"abc"
