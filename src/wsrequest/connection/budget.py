"""What the unfinished requests of all connections of a process hold together.

Owns one count of bytes, in memory and in files. What one connection may hold is ``session``'s
limit; many connections of an attacker, each within its own, would be a flood all the same.
"""

from wsrequest.errors import Refused
from wsrequest.types import Id

__all__ = ["Budget"]


class Budget:
    """Used on the event loop only.

    Attributes:
        held_bytes: taken and not given back.
    """

    __slots__ = ("held_bytes",)

    def __init__(self) -> None:
        self.held_bytes = 0

    def take(self, count: int, max_bytes: int, id: Id | None) -> None:
        """Hold ``count`` bytes more.

        Args:
            count: bytes.
            max_bytes: what may be held in all.
            id: of the request that needs them.

        Raises:
            Refused: ``too_many_requests``, which passes.
        """
        if self.held_bytes + count > max_bytes:
            raise Refused(
                "too_many_requests", "the server holds as many unfinished requests as it may", id
            )
        self.held_bytes += count

    def give(self, count: int) -> None:
        """Hold so many bytes less."""
        self.held_bytes -= count
