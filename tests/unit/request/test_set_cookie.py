"""One Set-Cookie line, parsed as a browser parses it (RFC 6265 5.2)."""

import pytest

from wsrequest.request.set_cookie import anywhere, default_path, parse_set_cookie

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("url_path", "expected"),
    [
        ("", "/"),
        ("/", "/"),
        ("/page", "/"),
        ("/app/", "/app"),
        ("/app/list/7", "/app/list"),
        ("/%C3%A4/x", "/%C3%A4"),
        ("/ä/x", "/%C3%A4"),
        ("/app/a;b/c", "/app"),
        ("*", "/"),
    ],
)
def test_the_default_path_is_the_directory_of_the_url(url_path: str, expected: str) -> None:
    assert default_path(url_path) == expected


@pytest.mark.parametrize(
    ("line", "value", "domain", "expires", "flags"),
    [
        ("a=1", "1", "", None, set()),
        (" a = 1 ; Path=/", "1", "", None, set()),
        ('a="x y"', '"x y"', "", None, set()),
        ("a=b=c", "b=c", "", None, set()),
        ("a=", "", "", None, set()),
        ("a=1; SECURE; httponly", "1", "", None, {"secure", "httponly"}),
        ("a=1; SameSite=LAX; samesite=strict", "1", "", None, {"samesite=strict"}),
        ("a=1; Domain=.Example.COM", "1", "example.com", None, set()),
        ("a=1; Domain=example.com; Domain=", "1", "example.com", None, set()),
        ("a=1; Max-Age=10", "1", "", NOW + 10, set()),
        ("a=1; Max-Age=10; Max-Age=x", "1", "", NOW + 10, set()),
        ("a=1; Max-Age=-9", "1", "", NOW, set()),
        ("a=1; Max-Age=+9", "1", "", None, set()),
        ("a=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "1", "", NOW + 10, set()),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:09 GMT", "1", "", 9.0, set()),
        ("a=1; Expires=soon", "1", "", None, set()),
    ],
)
def test_a_line_is_read_as_a_browser_reads_it(
    line: str, value: str, domain: str, expires: float | None, flags: set[str]
) -> None:
    found = parse_set_cookie(line, "/x", NOW)
    assert found is not None
    assert (found.name, found.value, found.domain, found.path) == ("a", value, domain, "/")
    assert (found.expires, found.flags) == (expires, flags)


@pytest.mark.parametrize("line", ["", "a", "=1", " =1", "; Path=/"])
def test_a_line_without_a_name_is_ignored(line: str) -> None:
    assert parse_set_cookie(line, "/x", NOW) is None
    assert anywhere(line, "/x") == line


@pytest.mark.parametrize(
    ("line", "is_read"),
    [
        pytest.param("a=" + "x" * 4095, True, id="the-largest"),
        pytest.param("a=" + "x" * 4096, False, id="one-more"),
        pytest.param("n" * 4097 + "=", False, id="by-its-name"),
        pytest.param("a=1; Path=/" + "; HttpOnly" * 700, True, id="many-attributes"),
        pytest.param("a=1; Path=/" + "; HttpOnly" * 1000, False, id="too-many-attributes"),
    ],
)
def test_a_cookie_has_a_largest_size(line: str, is_read: bool) -> None:
    """RFC 6265bis 5.6, step 4; the number of attributes has a limit of our own."""
    assert (parse_set_cookie(line, "/", 0.0) is not None) == is_read


@pytest.mark.parametrize("name", ["Path", "Domain", "Expires", "SameSite", "x"])
def test_an_attribute_that_is_too_long_is_left_out(name: str) -> None:
    """RFC 6265bis 5.6, step 6 of the attributes: it is ignored, the cookie is not."""
    cookie = parse_set_cookie(f"a=1; {name}=/{'x' * 1024}; HttpOnly", "/app/", 0.0)
    assert cookie is not None
    assert (cookie.path, cookie.domain, cookie.expires) == ("/app", "", None)
    assert cookie.line == "a=1; HttpOnly; Path=/app"
    assert cookie.flags == {"httponly"}
