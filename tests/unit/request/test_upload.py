"""Bodies in parts, in memory and from a certain size on in a file."""

from pathlib import Path
from typing import Any, cast

import pytest

from wsrequest.request.upload import Body


def test_a_body_is_read_from_its_start() -> None:
    body = Body(1024, None)
    for part in (b"one ", b"", b"two"):
        body.write(part)
    assert body.size == 7
    assert body.open().read() == b"one two"
    assert body.open().read() == b"one two"
    body.close()


@pytest.mark.parametrize(("size", "is_file"), [(64, False), (65, True)])
def test_a_body_goes_to_a_file_beyond_its_share_of_memory(
    tmp_path: Path, size: int, is_file: bool
) -> None:
    body = Body(64, str(tmp_path))
    body.write(bytes(size))
    assert body._file._rolled is is_file  # type: ignore[attr-defined]
    assert len(body.open().read()) == size
    body.close()


def test_a_body_without_a_directory_to_go_to_raises_os_error(tmp_path: Path) -> None:
    body = Body(1, str(tmp_path / "missing"))
    with pytest.raises(OSError, match="missing"):
        body.write(b"more than one")
    body.close()


def test_close_may_be_called_twice() -> None:
    body = Body(1, None)
    body.write(b"in a file")
    body.close()
    body.close()
    with pytest.raises(ValueError, match="closed"):
        body.open()


def test_close_gives_back_a_file_that_could_not_be_written() -> None:
    """On a full disk closing fails too: it tries again to write what is buffered."""
    body = Body(1, None)
    body.write(b"xx")
    spooled = cast(Any, body._file)
    spooled._file.close()
    spooled._file = open("/dev/full", "w+b")
    body.write(b"in the buffer")
    with pytest.raises(OSError, match="No space left"):
        body.open()
    body.close()
    assert body._file.closed
