"""The check of a handshake: which pages may open a WebSocket here."""

from typing import Any

import pytest

from tests.unit.request.test_environ import scope
from wsrequest.errors import HandshakeRefused
from wsrequest.request.environ import Base, make_base
from wsrequest.server.admission import check_handshake, check_version


@pytest.fixture(autouse=True)
def _hosts(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["example.com", ".example.org", "[2001:db8::1]"]


def handshake(
    origin: str | None = None,
    host: str = "example.com",
    *headers: tuple[bytes, bytes],
    scheme: str = "ws",
) -> Base:
    members: dict[str, Any] = scope(*headers, scheme=scheme)
    found = [pair for pair in members["headers"] if pair[0] != b"host"] + [(b"host", host.encode())]
    if origin is not None:
        found.append((b"origin", origin.encode()))
    return make_base({**members, "headers": found})


def check(base: Base, *allowed: str, allow_missing_origin: bool = True) -> None:
    check_handshake(base, allowed_origins=allowed, allow_missing_origin=allow_missing_origin)


def refusal(base: Base, *allowed: str, **kwargs: bool) -> HandshakeRefused:
    with pytest.raises(HandshakeRefused) as caught:
        check(base, *allowed, **kwargs)
    assert not base.is_same_origin
    return caught.value


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        pytest.param("http://example.com", "example.com", "ws", id="plain"),
        pytest.param("https://example.com", "example.com", "wss", id="tls"),
        pytest.param("http://example.com:8000", "example.com:8000", "ws", id="port"),
        pytest.param("http://Example.COM", "example.com", "ws", id="origin-in-capitals"),
        pytest.param("http://example.com", "EXAMPLE.com", "ws", id="host-in-capitals"),
        pytest.param("http://a.example.org", "a.example.org", "ws", id="below-an-allowed-domain"),
        pytest.param("http://[2001:db8::1]:8000", "[2001:db8::1]:8000", "ws", id="ipv6"),
    ],
)
def test_the_servers_own_origin_is_accepted(origin: str, host: str, scheme: str) -> None:
    base = handshake(origin, host, scheme=scheme)
    check(base)
    assert base.is_same_origin


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        pytest.param("http://evil.example", "example.com", "ws", id="other-host"),
        pytest.param("http://example.com.evil.example", "example.com", "ws", id="host-as-prefix"),
        pytest.param("http://evilexample.com", "example.com", "ws", id="host-as-suffix"),
        pytest.param("http://b.example.org", "a.example.org", "ws", id="sibling-domain"),
        pytest.param("http://example.com:8001", "example.com:8000", "ws", id="other-port"),
        pytest.param("http://example.com:8000", "example.com", "ws", id="port-of-none"),
        pytest.param("https://example.com", "example.com", "ws", id="other-scheme"),
        pytest.param("http://example.com", "example.com", "wss", id="other-scheme-of-tls"),
        pytest.param("null", "example.com", "ws", id="null"),
        pytest.param("", "example.com", "ws", id="empty"),
        pytest.param("file://", "example.com", "ws", id="file"),
        pytest.param("http://example.com/", "example.com", "ws", id="with-a-path"),
        pytest.param("http://example.com http://evil.example", "example.com", "ws", id="two"),
        pytest.param("http://example.com@evil.example", "example.com", "ws", id="as-user"),
        pytest.param("example.com", "example.com", "ws", id="without-scheme"),
    ],
)
def test_a_foreign_origin_is_refused(origin: str, host: str, scheme: str) -> None:
    refused = refusal(handshake(origin, host, scheme=scheme))
    assert refused.status == 403
    assert "WSREQUEST_ALLOWED_ORIGINS" in refused.detail


def test_two_origin_headers_are_refused() -> None:
    base = handshake("http://example.com", "example.com", (b"origin", b"http://example.com"))
    assert refusal(base).status == 403


@pytest.mark.parametrize(
    "origin", ["https://app.example", "HTTPS://APP.example", "https://app.example:8443", "null"]
)
def test_an_allowed_origin_is_accepted_and_not_the_same(origin: str) -> None:
    base = handshake(origin)
    check(base, "https://app.example", "https://App.example:8443", "null")
    assert not base.is_same_origin


@pytest.mark.parametrize(
    "origin", ["http://app.example", "https://app.example:444", "https://sub.app.example"]
)
def test_an_origin_is_allowed_as_a_whole(origin: str) -> None:
    assert refusal(handshake(origin), "https://app.example").status == 403


@pytest.mark.parametrize("host", ["evil.example", "example.com.evil.example", "exa mple.com", ""])
def test_a_host_that_is_not_allowed_is_refused(host: str) -> None:
    assert refusal(handshake(None, host)).status == 400


def test_a_rebound_host_is_refused_although_the_origin_says_the_same() -> None:
    assert refusal(handshake("http://evil.example", "evil.example")).status == 400


def test_without_origin_a_handshake_is_accepted() -> None:
    base = handshake()
    check(base)
    assert base.origin is None and not base.is_same_origin


def test_without_origin_a_handshake_is_refused_where_the_setting_says_so() -> None:
    refused = refusal(handshake(), allow_missing_origin=False)
    assert refused.status == 403
    assert "WSREQUEST_ALLOW_MISSING_ORIGIN" in refused.detail


FORWARDED = (b"x-forwarded-host", b"example.com")


def test_a_forwarded_host_counts_where_django_is_told_so(settings: Any) -> None:
    settings.USE_X_FORWARDED_HOST = True
    base = handshake("http://example.com", "inner.example", FORWARDED)
    check(base)
    assert base.is_same_origin


def test_a_forwarded_host_does_not_count_by_default() -> None:
    base = handshake("http://example.com", "a.example.org", FORWARDED)
    assert refusal(base).status == 403


def test_a_forwarded_host_must_be_allowed_too(settings: Any) -> None:
    settings.USE_X_FORWARDED_HOST = True
    base = handshake("http://evil.example", "example.com", (b"x-forwarded-host", b"evil.example"))
    assert refusal(base).status == 400


def test_the_scheme_of_a_proxy_that_ends_tls_counts(settings: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    base = handshake("https://example.com", "example.com", (b"x-forwarded-proto", b"https"))
    check(base)
    assert base.is_same_origin


@pytest.mark.parametrize("value", [b"wss", b"WSS", b"wss, ws"])
def test_the_scheme_of_a_proxy_may_be_that_of_the_socket(settings: Any, value: bytes) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    base = handshake("https://example.com", "example.com", (b"x-forwarded-proto", value))
    check_handshake(base, allowed_origins=(), allow_missing_origin=True, needs_tls=True)
    assert base.is_same_origin


@pytest.mark.parametrize(
    ("secure_header", "sent", "said"),
    [
        (None, None, "set SECURE_PROXY_SSL_HEADER"),
        (("HTTP_X_ACME", "on"), None, "Your proxy must send X-Acme: on"),
        (("HTTP_X_ACME", "on"), b"off", "wants X-Acme: on; your proxy sent 'off'"),
        (("HTTP_X_ACME", "on"), b"x" * 99, f"your proxy sent '{'x' * 40}'"),
    ],
)
@pytest.mark.parametrize("needs_tls", [True, False])
def test_a_refusal_says_what_is_amiss_with_the_scheme(
    settings: Any,
    secure_header: tuple[str, str] | None,
    sent: bytes | None,
    said: str,
    needs_tls: bool,
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = secure_header
    headers = [] if sent is None else [(b"x-acme", sent)]
    with pytest.raises(HandshakeRefused, match=said):
        check_handshake(
            handshake("https://example.com", "example.com", *headers),
            allowed_origins=(),
            allow_missing_origin=True,
            needs_tls=needs_tls,
            secure_header=secure_header,
        )


@pytest.mark.parametrize("value", [b"8", b"0", b"", b"13, 8", b"130"])
def test_a_draft_of_the_protocol_is_refused(value: bytes) -> None:
    """Their Origin stands in another header; autobahn, and so daphne, takes version 8."""
    with pytest.raises(HandshakeRefused) as caught:
        check_version([(b"Sec-WebSocket-Version", value)])
    assert caught.value.status == 400


@pytest.mark.parametrize("headers", [[], [(b"sec-websocket-version", b"13")]])
def test_rfc_6455_is_accepted(headers: list[tuple[bytes, bytes]]) -> None:
    """A server may keep the header to itself."""
    check_version(headers)


@pytest.mark.parametrize("origin", [None, "http://example.com"])
def test_a_handshake_without_tls_is_refused_where_it_must(origin: str | None) -> None:
    with pytest.raises(HandshakeRefused) as caught:
        check_handshake(
            handshake(origin), allowed_origins=(), allow_missing_origin=True, needs_tls=True
        )
    assert caught.value.status == 403
    assert "SECURE_SSL_REDIRECT" in caught.value.detail


def test_a_handshake_by_tls_is_accepted_where_it_must_be(settings: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    for base in (
        handshake("https://example.com", scheme="wss"),
        handshake("https://example.com", "example.com", (b"x-forwarded-proto", b"https")),
    ):
        check_handshake(base, allowed_origins=(), allow_missing_origin=False, needs_tls=True)


@pytest.mark.parametrize(
    ("host", "origin", "sec_fetch_site", "expected"),
    [
        ("example.com", "https://example.com", None, True),
        ("example.com:8443", "https://example.com", None, True),
        ("api.example.com", "https://app.example.com", None, True),
        ("example.com", "https://example.org", None, False),
        ("example.com", "http://example.com", None, False),
        ("10.0.0.1", "https://10.1.0.1", None, False),
        ("[2001:db8::1]", "https://[2001:db8::2]", None, False),
        ("10.0.0.1:1", "https://10.0.0.1:2", None, True),
        ("localhost", "https://127.0.0.1", None, False),
        ("a.github.io", "https://b.github.io", "cross-site", False),
        ("a.example", "https://b.example", "same-site", True),
    ],
)
def test_a_page_is_of_the_same_site_where_a_browser_sends_cookies_from_it(
    host: str, origin: str, sec_fetch_site: str | None, expected: bool, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    headers = [(b"host", host.encode()), (b"origin", origin.encode())]
    if sec_fetch_site is not None:
        headers.append((b"sec-fetch-site", sec_fetch_site.encode()))
    base = make_base({"type": "websocket", "scheme": "wss", "headers": headers})
    check_handshake(base, allowed_origins=[origin], allow_missing_origin=True)
    assert base.is_same_site is expected
    assert base.is_secure
