"""Which differences between two bodies have no meaning, and which have one."""

import secrets
import time
from typing import Any

import pytest
from django.http import HttpRequest
from django.middleware.csrf import CSRF_ALLOWED_CHARS, get_token
from hypothesis import given
from hypothesis import strategies as st

from wsrequest.live import normalizing, page_tag
from wsrequest.live.normalizing import Ignored, Normalizer, ignored_of
from wsrequest.live.snapshot import Snapshot
from wsrequest.types import Headers

SECRET, OTHER = "s" * 32, "o" * 32
HTML: Headers = {"Content-Type": "text/html; charset=utf-8"}


def masked(secret: str = SECRET) -> bytes:
    """A token as a page has it; another one each time."""
    request = HttpRequest()
    request.META["CSRF_COOKIE"] = secret
    return get_token(request).encode()


def page(token: bytes, text: bytes = b"") -> bytes:
    return b'<form><input name="csrfmiddlewaretoken" value="%s">%s</form>' % (token, text)


def result(body: bytes, secret: str = SECRET, **headers: str) -> Snapshot:
    return Snapshot(200, {**HTML, **headers}, body, None, Normalizer(secret))


def normal(body: bytes, **kwargs: Any) -> bytes:
    return Normalizer(**kwargs).body(body, is_text=True)


# CSRF tokens.


def test_tokens_of_one_secret_are_equal_under_any_mask() -> None:
    one, other = result(page(masked())), result(page(masked()))
    assert one.body != other.body and one.digest == other.digest and one.etag == other.etag
    assert one.etag == one.headers["ETag"] == f'W/"{one.digest.hex()}"'


@given(st.text(CSRF_ALLOWED_CHARS, min_size=32, max_size=32))
def test_any_secret_is_found_under_its_mask(secret: str) -> None:
    text = b"{'a': '" + masked(secret) + b"'}"
    assert masked(secret) not in normal(text, secret=secret) != text
    assert Normalizer(secret).has_token(text) and not Normalizer(SECRET[1:] + "x").has_token(text)


def test_another_secret_is_another_page() -> None:
    assert result(page(masked())).digest != result(page(masked(OTHER)), OTHER).digest


def test_what_is_no_token_of_the_secret_stays() -> None:
    foreign, short, long = masked(OTHER), masked()[:63], masked() + b"a"
    body = b" ".join([foreign, short, long, masked()])
    assert normal(body, secret=SECRET).split()[:3] == [foreign, short, long]
    assert normal(body) is body  # no token was made for this answer


def test_the_secret_cannot_be_read_from_the_normal_form() -> None:
    assert SECRET.encode() not in normal(page(masked()), secret=SECRET)


def test_a_change_beside_the_token_is_one() -> None:
    assert result(page(masked())).digest != result(page(masked(), b"new")).digest


# Tags.


def test_the_applications_tag_gives_way_where_bodies_differ_and_mean_the_same() -> None:
    one = result(page(masked()), etag='"of-this-body"')
    assert one.etag and one.etag.startswith('W/"') and "etag" not in one.headers
    assert one.headers["ETag"] == one.etag


def test_the_applications_tag_stays_where_bodies_are_what_they_are() -> None:
    one = result(b"no form", ETag='"a"')
    assert one.etag == one.headers["ETag"] == '"a"'
    assert result(b"no form").etag == f'"{result(b"no form").digest.hex()}"'


# Nonces.


def test_nonces_are_equal_in_body_and_header() -> None:
    def of(nonce: str) -> Snapshot:
        policy: Headers = {"Content-Security-Policy": f"script-src 'nonce-{nonce}'"}
        body = f"<script nonce='{nonce}'></script>".encode()
        return Snapshot(200, HTML | policy, body, None, Normalizer(nonce=nonce))

    one, other = of(secrets.token_urlsafe(16)), of(secrets.token_urlsafe(16))
    assert one.digest == other.digest and one.etag == other.etag and one.body != other.body


def test_a_nonce_that_may_be_a_word_is_none() -> None:
    assert normal(b"a form", nonce="form") == b"a form"


# What the project says.


def test_what_an_expression_matches_is_no_difference() -> None:
    ignored = ignored_of((r'at="[^"]*"', r"\d+ ms"), "")
    assert normal(b'<p at="1">12 ms</p>', ignored=ignored) == b"<p ></p>"


def rewrite(request: Any, body: bytes) -> bytes:
    if body == b"fail":
        raise ValueError
    return request.encode() + body[:1]  # type: ignore[no-any-return]


def test_a_function_of_the_project_returns_what_counts() -> None:
    ignored = ignored_of((), f"{__name__}.rewrite")
    assert normal(b"body", ignored=ignored, request="r") == b"rb"
    assert Normalizer(ignored=ignored, request="r").body(b"body", is_text=False) == b"body"


def test_a_function_that_fails_is_logged_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert normal(b"fail", ignored=Ignored((), rewrite), request="r") == b"fail"
    assert "WSREQUEST_LIVE_REWRITER failed" in caplog.text


def test_what_is_wrong_in_the_settings_is_logged_and_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ignored = ignored_of(("(", "a*", "b"), "nowhere.to.be.found")
    assert [pattern.pattern for pattern in ignored.patterns] == [b"b"]
    assert ignored.rewriter is None and len(caplog.records) == 3


@pytest.mark.parametrize(
    ("headers", "is_text"),
    [
        ({"Content-Type": "text/html"}, True),
        ({"content-type": "application/json; charset=utf-8"}, True),
        ({"Content-Type": "application/problem+json"}, True),
        ({"Content-Type": "image/svg+xml"}, True),
        ({"Content-Type": "image/png"}, False),
        ({"Content-Type": "text/html", "Content-Encoding": "gzip"}, False),
        ({}, False),
    ],
)
def test_expressions_are_for_text(headers: Headers, is_text: bool) -> None:
    normalizer = Normalizer(ignored=ignored_of((r"\d",), ""))
    one, other = (Snapshot(200, headers, body, None, normalizer) for body in (b"a1", b"a2"))
    assert (one.digest == other.digest) is is_text


# Its time.


@pytest.mark.parametrize(
    "unit",
    [b"a" * 64, b"a" * 64 + b" ", b"a" * 63 + b" ", masked() + b" ", b"<", b"aA0" + b"\xff"],
    ids=["one run", "tokens", "nearly", "ours", "none", "bytes"],
)
def test_its_time_is_linear_whatever_the_body(unit: bytes) -> None:
    def seconds(size: int) -> float:
        body = unit * (size // len(unit))
        normalizer = Normalizer(SECRET, "n" * 22)
        began = time.thread_time()
        normalizer.body(body, is_text=True)
        return time.thread_time() - began

    small = min(seconds(2**17) for _ in range(5))
    large = min(seconds(2**20) for _ in range(3))
    assert large < 8 * 6 * small + 0.01 and large < 2


# How much is looked at in one go.


@given(
    st.lists(st.sampled_from([b"M", b"x" * 64, b"y" * 200, b"-", b"a", b" "]), max_size=12),
    st.integers(1, 90),
)
def test_it_does_not_matter_where_a_body_is_cut(parts: list[bytes], block: int) -> None:
    token = masked()
    body = b"".join(token if part == b"M" else part for part in parts)
    whole = normal(body, secret=SECRET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normalizing, "_BLOCK", block)
        assert normal(body, secret=SECRET) == whole
        assert Normalizer(SECRET).has_token(body) == (whole != body)


def test_no_look_for_tokens_is_at_a_whole_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call into C looked at all of it, and no other thread had the interpreter meanwhile."""
    spans: list[int] = []
    pattern = normalizing._TOKEN

    class Spy:
        def finditer(self, body: bytes, start: int, end: int) -> Any:
            spans.append(end - start)
            return pattern.finditer(body, start, end)

    monkeypatch.setattr(normalizing, "_TOKEN", Spy())
    body = b"<p>text</p>" * 200_000 + page(masked())
    assert normal(body, secret=SECRET) != body
    assert len(spans) > 60 and max(spans) <= 2**16


# Pages and their regions.


@pytest.mark.parametrize(
    ("one", "other", "is_like"),
    [
        pytest.param(page_tag.render("/"), page_tag.render("/"), True, id="tag"),
        pytest.param(
            page_tag.render("/"), page_tag.render("/", proof="page:1"), False, id="tag-of-a-cache"
        ),
        pytest.param(
            page_tag.render_region("/a/"),
            page_tag.render_region("/a/", etag="W/x", content="<p>1</p>"),
            False,
            id="region-with-content",
        ),
    ],
)
def test_pages_that_differ_in_what_they_show_are_no_base_of_patches(
    one: str, other: str, is_like: bool
) -> None:
    """They are equal, and yet a patch from one does not fit the other."""
    results = [
        Snapshot(200, HTML, f"<p>{each}</p>".encode(), None, Normalizer(), is_page=True)
        for each in (one, other)
    ]
    assert results[0].digest == results[1].digest and results[0].etag == results[1].etag
    assert results[0].is_like_its_equals
    assert results[1].is_like_its_equals is is_like


def test_headers_of_a_page_do_not_count() -> None:
    def tag(body: str, **headers: str) -> str | None:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return Snapshot(200, {**HTML, **names}, body.encode(), None, Normalizer()).etag

    live = f"<p>{page_tag.render('/')}</p>"
    assert tag(live) == tag(live, Content_Security_Policy="x", ETag='"theirs"')
    assert (tag(live) or "").startswith('W/"')
    assert tag(live) != tag(live, Content_Type="text/html")
    assert tag("<p></p>") != tag("<p></p>", Content_Security_Policy="x")
