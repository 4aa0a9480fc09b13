"""When two snapshots are equal, which tags name them, and the frames that subscribers share."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.patches import apply_json_patch
from wsrequest.live import snapshot as snapshot_module
from wsrequest.live.normalizing import Normalizer
from wsrequest.live.snapshot import Snapshot, tag_matches
from wsrequest.protocol.messages import Response
from wsrequest.protocol.server_codec import decode_server, encode_version
from wsrequest.types import Headers

JSON: Headers = {"Content-Type": "application/json"}
PAGE = [{"id": number, "title": f"number {number}"} for number in range(20)]


def of(value: Any, status: int = 200, **headers: str) -> Snapshot:
    return Snapshot(status, {**JSON, **headers}, json.dumps(value).encode())


def sent(tail: Any) -> Response:
    message = decode_server(encode_version(1, 7, tail))
    assert isinstance(message, Response) and message.version == 7 and message.id == 1
    return message


# What is the same.


def test_results_of_equal_status_headers_and_body_are_the_same() -> None:
    assert of([1], X="a").digest == of([1], X="a").digest


@pytest.mark.parametrize(
    "other",
    [
        Snapshot(200, {"X": "a"}, b"b"),
        Snapshot(200, {"X": "b"}, b"a"),
        Snapshot(201, {"X": "a"}, b"a"),
        Snapshot(200, {"Y": "a"}, b"a"),
        Snapshot(200, {"X": ["a", "a"]}, b"a"),
        Snapshot(200, {}, b"a"),
    ],
    ids=["body", "header", "status", "name", "list", "no header"],
)
def test_results_that_differ_in_anything_that_tells_are_two(other: Snapshot) -> None:
    assert Snapshot(200, {"X": "a"}, b"a").digest != other.digest


@pytest.mark.parametrize(
    "name",
    [
        "Date", "Age", "Expires", "ETag", "Last-Modified", "Content-Length", "Set-Cookie",
        "Server-Timing", "X-Request-ID", "Request-Id", "X-Correlation-ID", "X-Runtime",
        "RateLimit", "RateLimit-Remaining", "X-RateLimit-Reset", "x-rate-limit-limit",
    ],
)  # fmt: skip
def test_headers_that_differ_in_each_run_are_no_difference(name: str) -> None:
    snapshot_module = [Snapshot(200, JSON | {name: value}, b"[]") for value in ("1", "2")]
    assert (
        snapshot_module[0].digest == snapshot_module[1].digest == Snapshot(200, JSON, b"[]").digest
    )


def test_the_case_and_order_of_names_are_no_difference() -> None:
    one: Headers = {"X-A": "1", "x-b": "2"}
    two: Headers = {"X-B": "2", "x-a": "1"}
    assert Snapshot(200, one, b"").digest == Snapshot(200, two, b"").digest


def test_a_body_cannot_pass_for_a_header() -> None:
    assert Snapshot(200, {"a": "b"}, b"c").digest != Snapshot(200, {}, b"a: b\n\nc").digest


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/markdown", "text/xml"])
def test_what_users_write_hides_nothing_of_others(kind: str) -> None:
    def answered(others: str) -> Snapshot:
        comments = ["<live-region>", others, "</live-region>"]
        body = json.dumps(comments) if kind == "application/json" else "\n".join(comments)
        return Snapshot(200, {"Content-Type": kind}, body.encode(), None, Normalizer())

    assert answered("old").digest != answered("new").digest


def test_content_of_a_region_of_a_page_does_not_count() -> None:
    def answered(content: str) -> Snapshot:
        body = f"<p><live-region>{content}</live-region></p>"
        headers: Headers = {"Content-Type": "text/html; charset=utf-8"}
        return Snapshot(200, headers, body.encode(), None, Normalizer())

    assert answered("old").digest == answered("new").digest


def test_set_cookie_is_left_out() -> None:
    result = Snapshot(200, {"set-cookie": "a=1", "SET-COOKIE": ["b=2"], "X": "1"}, b"")
    assert set(result.headers) == {"X", "ETag"}


# Tags.


def test_a_result_has_the_tag_that_the_application_gave_it() -> None:
    result = Snapshot(200, {"etag": 'W/"mine"'}, b"a")
    assert result.etag == 'W/"mine"' and result.headers == {"etag": 'W/"mine"'}


def test_a_result_without_tag_is_given_one_of_all_that_tells() -> None:
    result = of([1])
    assert result.etag == result.headers["ETag"] == of([1]).etag
    assert result.etag.startswith('"') and result.etag.endswith('"')
    assert result.etag != of([2]).etag and result.etag != of([1], X="1").etag


@pytest.mark.parametrize("status", [201, 204, 404, 500])
def test_only_a_200_has_a_tag(status: int) -> None:
    result = Snapshot(status, {}, b"")
    assert result.etag is None and "ETag" not in result.headers


@pytest.mark.parametrize(
    ("value", "etag", "matches"),
    [
        ('"a"', '"a"', True),
        ('W/"a"', '"a"', True),
        ('"a"', 'W/"a"', True),
        ('W/"a"', 'W/"a"', True),
        ('"b", "a"', '"a"', True),
        ('"b" ,W/"a" , "c"', '"a"', True),
        ('"b"', '"a"', False),
        ("a", '"a"', False),
        ('"a', '"a"', False),
        ('"A"', '"a"', False),
        ('w/"a"', '"a"', False),
        ("*", '"a"', False),
        ("", '"a"', False),
        ("", "", False),
        (",", "", False),
        ('"a"', None, False),
        ('"a,b"', '"a,b"', True),
        ('"x", "a, b"', 'W/"a, b"', True),
        ('"x, a", "b"', '", "', False),
        ("mine", "mine", True),  # as an application may write it
    ],
)
def test_tags_are_compared_weakly(value: str, etag: str | None, matches: bool) -> None:
    assert tag_matches(value, etag) == matches


@given(value=st.text(), etag=st.text())
def test_any_tag_can_be_compared(value: str, etag: str) -> None:
    assert tag_matches(value, etag) in (True, False)


# What kind of answer it is.


@pytest.mark.parametrize(
    ("status", "is_success", "passes"),
    [
        (200, True, False), (204, True, False), (299, True, False), (301, False, False),
        (304, False, False), (401, False, False), (404, False, False), (410, False, False),
        (429, False, True), (500, False, True), (503, False, True), (599, False, True),
    ],
)  # fmt: skip
def test_a_status_says_whether_it_goes_on(status: int, is_success: bool, passes: bool) -> None:
    result = Snapshot(status, {}, b"")
    assert (result.is_success, result.passes) == (is_success, passes)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("9" * 400, 2.0**31),
        ("-5", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("", None),
    ],
)
def test_how_long_to_wait_is_given_in_seconds(value: str, seconds: float | None) -> None:
    assert Snapshot(503, {"retry-after": value}, b"").retry_after_seconds == seconds


def test_who_is_told_nothing_need_not_wait() -> None:
    assert Snapshot(503, {}, b"").retry_after_seconds is None


# Frames.


def test_the_frame_of_all_of_it_is_made_once() -> None:
    result = of(PAGE)
    assert result.tail() is result.tail()
    message = sent(result.tail())
    assert json.loads(message.body or b"") == PAGE and message.status == 200
    assert message.headers["ETag"] == result.etag and message.patch is None


def test_a_body_of_bytes_is_sent_as_it_is() -> None:
    result = Snapshot(200, {"Content-Type": "image/png"}, b"\x89PNG\n{")
    assert sent(result.tail()).body == b"\x89PNG\n{"


def test_a_result_without_body_is_sent_without() -> None:
    assert sent(Snapshot(204, {}, b"").tail()).body is None


def test_a_patch_makes_the_new_body_of_the_old() -> None:
    old = of({"items": {str(item["id"]): item for item in PAGE}})
    new = of({"items": {str(item["id"]): item for item in PAGE[:-1]}})
    tail = new.patch_tail(old)
    assert tail is not None and tail is new.patch_tail(old)
    message = sent(tail)
    assert message.patch == "json" and message.headers["ETag"] == new.etag
    value = apply_json_patch(json.loads(old.body), json.loads(message.body or b""))
    assert value == json.loads(new.body)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (of([1]), of([2])),  # not smaller
        (of(PAGE, status=201), of(PAGE[:-1])),
        (of(PAGE), of(PAGE[:-1], status=201)),
        (of(PAGE, status=500), of(PAGE[:-1])),
        (Snapshot(200, {"Content-Type": "text/plain"}, json.dumps(PAGE).encode()), of(PAGE[:-1])),
        (of(PAGE), Snapshot(200, JSON, b"[oops")),
        (Snapshot(200, JSON, b""), of(PAGE)),
        (of(PAGE), Snapshot(200, JSON, b"")),
        (of(PAGE), Snapshot(200, JSON | {"Content-Encoding": "gzip"}, b"[]")),
    ],
)
def test_the_whole_is_sent_where_a_patch_is_not_smaller_or_cannot_be(
    old: Snapshot, new: Snapshot
) -> None:
    assert new.patch_tail(old) is None


def test_few_patches_are_made_however_many_old_results_are_held() -> None:
    new, made = of(PAGE), []
    make = new._make_patch_tail
    patch = pytest.MonkeyPatch()
    patch.setattr(Snapshot, "_make_patch_tail", lambda self, *args: made.append(1) or make(*args))
    try:
        tails = [new.patch_tail(of([*PAGE, number])) for number in range(50)]
    finally:
        patch.undo()
    assert len(made) == snapshot_module._MAX_PATCHES
    assert all(tails[: len(made)]) and not any(tails[len(made) :])
    assert new.patch_tail(of([*PAGE, 0])) is tails[0]  # what was made stays
