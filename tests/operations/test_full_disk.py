"""No room for an upload: that request is refused, with its reason in the log; nothing else is."""

import errno
import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server
from tests.acceptance.test_uploads import FORM, form
from tests.project.views.streams import content

ROOM_BYTES = 512 * 1024
MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'


@pytest.fixture
def full_disk(tmp_path: Path) -> tuple[list[str], int]:
    """A command under which ``tmp_path`` has little room, and the error of whoever needs more.

    A small disk of the server's own, in a namespace, where the system lets users make one (or we
    are root). Many containers do not; there each file of the server may be so large only, which
    needs no rights and fails in the same calls.
    """
    mount = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh"]
    mount += [str(ROOM_BYTES), str(tmp_path)]
    with suppress(FileNotFoundError):
        if subprocess.run([*mount, "true"], capture_output=True).returncode == 0:
            return mount, errno.ENOSPC
    return ["prlimit", f"--fsize={ROOM_BYTES}"], errno.EFBIG


def deleted_files(server: Server) -> int:
    """How many files without a name the server holds open, as temporary ones are."""
    count = 0
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += os.readlink(link).endswith("(deleted)")
    return count


def put(client: Client, size: int) -> int:
    return client.answer(client.upload("PUT", "/piecewise/", content(size))).status


def test_full_disk_refuses_the_upload_and_nothing_else(
    full_disk: tuple[list[str], int], tmp_path: Path, serve: Callable[..., Server]
) -> None:
    under, number = full_disk
    # The window is larger than any body, so that no client here waits for credit.
    server = serve(under=under, PROJECT_UPLOADS=str(tmp_path), WINDOW_BYTES=2**23)
    with connect(server) as client, connect(server) as other:
        before = deleted_files(server)
        half = other.send("PUT", "/piecewise/", bytes=content(100_000), more=True)
        for _ in range(2):
            answer = client.answer(client.upload("PUT", "/piecewise/", content(1_000_000)))
            assert answer.error is not None
            assert (answer.status, answer.error["code"]) == (500, "internal_error")
            assert answer.error["temporary"] is True
            assert answer.error["detail"] == "the server cannot keep the body"
            # Requests without a file go on, on this connection and on others.
            assert client.get("/ready/").data == other.get("/ready/").data == "ready"
        assert server.log().count(f"keeping the body of PUT /piecewise/ failed: [Errno {number}]")
        # A form in one frame is kept in files by Django, so that it fails in the view.
        body = form(content(700_000))
        assert client.request("POST", "/upload/", bytes=body, headers=FORM).status == 500
        assert "Internal Server Error: /upload/" in server.log()
        other.send_frame(b"", id=half)
        assert other.answer(half).data["length"] == 100_000
        # Each has given its room back; Django's own file goes with its garbage, as over HTTP.
        assert deleted_files(server) == before
        assert client.get("/load/collect/").status == 200
        assert [put(client, 400_000), put(client, 400_000)] == [200, 200]
        body = form(content(400_000))
        assert client.request("POST", "/upload/", bytes=body, headers=FORM).status == 201
        assert deleted_files(server) == before
        assert client.settle() == []
    assert list(tmp_path.iterdir()) == []
