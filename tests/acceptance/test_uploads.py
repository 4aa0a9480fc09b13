"""Request bodies: forms with files in binary frames and in parts, and Django's limits on them."""

import hashlib
from collections.abc import Callable

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server
from tests.project.views.streams import content

BOUNDARY = "a-boundary-that-nobody-writes"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(*files: bytes, **fields: str) -> bytes:
    """A multipart body of text fields and of files, each named after its place."""
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        for name, value in fields.items()
    ]
    parts += [
        f'Content-Disposition: form-data; name="file{n}"; filename="datei ü {n}.bin"\r\n'
        "Content-Type: application/x-test\r\n\r\n".encode()
        + file
        for n, file in enumerate(files)
    ]
    return b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), part) for part in parts) + (
        b"--%s--\r\n" % BOUNDARY.encode()
    )


def kept(file: bytes, n: int, where: str) -> dict[str, object]:
    return {
        "field": f"file{n}",
        "name": f"datei ü {n}.bin",
        "size": len(file),
        "type": "application/x-test",
        "kept": where,
        "sha256": hashlib.sha256(file).hexdigest(),
    }


@pytest.mark.parametrize(
    ("count", "where"),
    [(1000, "InMemoryUploadedFile"), (100_000, "TemporaryUploadedFile")],
    ids=["in memory", "in a temporary file"],
)
def test_form_with_files_arrives_in_one_binary_frame(
    client: Client, count: int, where: str
) -> None:
    """FILE_UPLOAD_MAX_MEMORY_SIZE, 64 KiB here, decides by the length of the whole form."""
    files = [content(count), content(1000)]
    answer = client.request("POST", "/upload/", bytes=form(*files, a="ü"), headers=FORM)
    assert answer.status == 201
    assert answer.data == {
        "form": {"a": ["ü"]},
        "files": [kept(file, n, where) for n, file in enumerate(files)],
    }


def test_form_with_files_arrives_in_parts(client: Client) -> None:
    """3 MB, more than one frame, the window and DATA_UPLOAD_MAX_MEMORY_SIZE allow."""
    large, small = content(3_000_000), b""
    id = client.upload("POST", "/upload/", form(large, small, a="1", b="2"), headers=FORM)
    answer = client.answer(id)
    assert answer.status == 201
    assert answer.data == {
        "form": {"a": ["1"], "b": ["2"]},
        "files": [
            kept(large, 0, "TemporaryUploadedFile"),
            kept(small, 1, "TemporaryUploadedFile"),
        ],
    }


def test_upload_is_as_over_http(any_server: Server, any_client: Client) -> None:
    body = form(content(5000), content(70_000), a="1")
    by_http = any_server.http("POST", "/upload/", body, FORM).json()
    assert any_client.request("POST", "/upload/", bytes=body, headers=FORM).data == by_http


@pytest.mark.parametrize("count", [0, 1, 65536, 1_000_000])
def test_body_in_parts_arrives_whole(any_client: Client, count: int) -> None:
    body = content(count)
    answer = any_client.answer(any_client.upload("PUT", "/piecewise/", body))
    assert answer.data == {"length": count, "sha256": hashlib.sha256(body).hexdigest()}


def test_body_in_parts_may_be_many_times_the_window(client: Client) -> None:
    body = content(8_000_000)
    answer = client.answer(client.upload("PUT", "/piecewise/", body))
    assert answer.data == {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_body_in_parts_lets_other_requests_through(client: Client) -> None:
    id = client.send("PUT", "/piecewise/", bytes=b"a" * 1000, more=True)
    assert client.get("/ready/").data == "ready"
    client.send_frame(b"b" * 1000, id=id, more=True)
    assert client.get("/ready/").data == "ready"
    client.send_frame(b"c", id=id)
    assert client.answer(id).data["length"] == 2001


def test_bodies_in_parts_may_interleave(any_client: Client) -> None:
    ids = [any_client.send("PUT", "/piecewise/", bytes=b"", more=True) for _ in range(3)]
    for n in range(10):
        for id in ids:
            any_client.send_frame(b"%d-%d " % (id, n), id=id, more=True)
    for id in ids:
        any_client.send_frame(b"end", id=id)
    for id in ids:
        body = b"".join(b"%d-%d " % (id, n) for n in range(10)) + b"end"
        assert any_client.answer(id).data["sha256"] == hashlib.sha256(body).hexdigest()


def test_body_in_parts_that_is_cancelled_is_forgotten(client: Client) -> None:
    id = client.send("PUT", "/piecewise/", bytes=b"a" * 1000, more=True)
    client.send_frame(id=id, cancel=True)
    client.send_frame(b"late", id=id, more=True)
    client.send_frame(b"later", id=id)
    assert [frame for frame in client.settle() if "credit" not in frame.head] == []
    answer = client.request("PUT", "/piecewise/", id=id, bytes=b"new")
    assert answer.data["length"] == 3


@pytest.mark.documents("docs/bad-input.md", "a form larger than `DATA_UPLOAD_MAX_MEMORY_SIZE`")
@pytest.mark.parametrize("count", [262_144, 262_145], ids=["at the limit", "one byte over"])
def test_data_upload_max_memory_size_holds_as_over_http(
    server: Server, client: Client, count: int
) -> None:
    body = b"x" * count
    status = server.http("POST", "/echo/", body).status
    assert status == (200 if count == 262_144 else 400)
    headers = {"Content-Type": "application/octet-stream"}
    answer = client.request("POST", "/echo/", bytes=body, headers=headers)
    assert (answer.status, answer.error) == (status, None)
    assert client.request("POST", "/echo/", data="x" * (count - 2)).status == status
    assert client.answer(client.upload("POST", "/echo/", body)).status == status
    assert client.get("/ready/").data == "ready"


def test_form_fields_count_and_files_do_not(any_server: Server, any_client: Client) -> None:
    body = form(content(300_000), a="x" * 300_000)
    assert any_server.http("POST", "/upload/", body, FORM).status == 400
    answer = any_client.request("POST", "/upload/", bytes=body, headers=FORM)
    assert (answer.status, answer.error) == (400, None)
    body = form(content(900_000), a="x" * 1000)
    assert any_client.request("POST", "/upload/", bytes=body, headers=FORM).status == 201


@pytest.mark.documents("docs/bad-input.md", "a form that is cut short")
@pytest.mark.parametrize("end", [0, 1, 30, 80, 900, -1, -10])
def test_form_that_is_cut_short_is_judged_as_over_http(
    any_server: Server, any_client: Client, end: int
) -> None:
    body = form(content(1000), a="b")[:end]
    page = any_server.http("POST", "/upload/", body, FORM)
    answer = any_client.request("POST", "/upload/", bytes=body, headers=FORM)
    assert (answer.error, answer.status) == (None, page.status)
    if page.status == 201:
        assert answer.data == page.json()
    assert any_client.get("/ready/").data == "ready"


@pytest.mark.documents("docs/bad-input.md", "bodies of more than `WSREQUEST_MAX_BODY_BYTES`")
def test_body_over_the_limit_is_refused(serve: Callable[..., Server]) -> None:
    with connect(serve(MAX_BODY_BYTES=100_000)) as client:
        body = content(100_000)
        for sent in (body, body + b"x"):
            whole = client.request("PUT", "/piecewise/", bytes=sent)
            id = client.send("PUT", "/piecewise/", bytes=sent[:60_000], more=True)
            client.send_frame(sent[60_000:], id=id)
            parts = client.answer(id)
            for answer in (whole, parts):
                if sent is body:
                    assert answer.data["length"] == 100_000
                else:
                    assert answer.status == 413
                    assert answer.error and answer.error["code"] == "body_too_large"
        # The limit is for all unfinished bodies together, and free again afterwards.
        client.send("PUT", "/piecewise/", id="a", bytes=body[:60_000], more=True)
        second = client.request("PUT", "/piecewise/", id="b", bytes=body[:60_000])
        assert second.error and second.error["code"] == "body_too_large"
        client.send_frame(b"", id="a")
        assert client.answer("a").data["length"] == 60_000
        assert client.request("PUT", "/piecewise/", bytes=body).data["length"] == 100_000
