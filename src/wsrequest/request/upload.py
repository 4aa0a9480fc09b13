"""Store a request body that comes in parts, in memory and from a certain size on in a file."""

from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import IO, cast

__all__ = ["Body"]


class Body:
    """A body that is being received.

    Attributes:
        size: the bytes received so far.

    Args:
        max_memory_bytes: above this size it is kept in a temporary file, as in Django's ASGI
            handler.
        directory: where that file is made. None for the system's directory.
    """

    __slots__ = ("_file", "_is_moved", "_max_memory_bytes", "size")

    def __init__(self, max_memory_bytes: int, directory: str | None) -> None:
        self._file = SpooledTemporaryFile(max_size=max_memory_bytes, mode="w+b", dir=directory)
        self._max_memory_bytes, self._is_moved = max_memory_bytes, False
        self.size = 0

    @property
    def is_in_file(self) -> bool:
        """Whether it is in a file, and no longer in memory."""
        return self._is_moved or self.size > self._max_memory_bytes

    def move_to_file(self) -> None:
        """Keep it in a file from now on.

        Raises:
            OSError: the disk is full, and the body is lost.
        """
        self._is_moved = True
        self._file.rollover()

    def write(self, part: bytes) -> None:
        """Add a part.

        Raises:
            OSError: the disk is full, and the body is lost.
        """
        self._file.write(part)
        self.size += len(part)

    def open(self) -> IO[bytes]:
        """Return the whole body, positioned at its start."""
        self._file.seek(0)
        return cast(IO[bytes], self._file)

    def close(self) -> None:
        """Release memory and file. Safe to call twice."""
        with suppress(OSError):  # there is no room for unwritten data, which nobody needs now
            self._file.close()
