"""Who may open a WebSocket in this process: how many, from where, and when.

Owns the count of those who came in. Whether a handshake is sound in itself is ``handshake``'s
to say, who waits for the next is ``arrivals``'.
"""

from collections import Counter
from collections.abc import Iterable

from wsrequest.connection.arrivals import Arrivals
from wsrequest.connection.shutdown import Drain
from wsrequest.errors import HandshakeRefused
from wsrequest.http.environ import Base
from wsrequest.http.handshake import check_handshake, check_version, place_of

__all__ = ["Door"]


class Door:
    """The door of one process. Used on the event loop only.

    Args:
        drain: from its signal on nobody comes in.
    """

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._by_place: Counter[str] = Counter()
        self._arrivals = Arrivals()

    def check(
        self,
        base: Base,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        max_connections: int,
        max_connections_per_address: int,
        allowed_origins: Iterable[str],
        allow_no_origin: bool,
        needs_tls: bool,
        secure_header: tuple[str, str] | None = None,
    ) -> str:
        """Return the place that a handshake is to be counted under.

        Args:
            base: of the handshake; whether it is of the same origin is noted on it.
            headers: of its ASGI scope.
            max_connections: how many may be open.
            max_connections_per_address: how many of them from one place.
            allowed_origins: see ``check_handshake``, like the others.
            allow_no_origin: see there.
            needs_tls: see there.
            secure_header: see there.

        Raises:
            HandshakeRefused: 503 or 429 where there is no room, else as ``check_version`` and
                ``check_handshake``.
        """
        place = place_of(base.environ.get("REMOTE_ADDR", ""))
        self._check_draining()
        if self._by_place.total() >= max_connections:
            raise HandshakeRefused(503, "too many open sockets (WSREQUEST_MAX_CONNECTIONS)")
        # Behind a Unix socket no client has an address.
        if place and self._by_place[place] >= max_connections_per_address:
            raise HandshakeRefused(
                429,
                f"too many open sockets from {place} (WSREQUEST_MAX_CONNECTIONS_PER_ADDRESS). "
                "If that is your proxy, have the server take the client's address from it.",
            )
        check_version(headers)
        check_handshake(
            base,
            allowed_origins=allowed_origins,
            allow_no_origin=allow_no_origin,
            needs_tls=needs_tls,
            secure_header=secure_header,
        )
        return place

    async def enter(self, place: str, per_second: int, per_second_of_one: int) -> None:
        """Count a handshake in, and return when it may go on; ``leave`` is due in the end.

        Args:
            place: what ``check`` said just before.
            per_second: how many handshakes may.
            per_second_of_one: how many of them from one place.

        Raises:
            HandshakeRefused: 429 or 503; then it is not counted.
        """
        self._by_place[place] += 1
        try:
            await self._arrivals.wait(place, per_second, per_second_of_one)
            self._check_draining()  # again: it may have waited
        except BaseException:
            self.leave(place)
            raise

    def leave(self, place: str) -> None:
        """One that came in has gone."""
        self._by_place[place] -= 1
        if not self._by_place[place]:
            del self._by_place[place]

    def refused_after_all(self) -> None:
        """One that came in was refused by the project. It costs nothing of the common rate."""
        self._arrivals.give_back()

    def release(self) -> None:
        """Let those who wait go on at once, each to be told that nobody comes in any more."""
        self._arrivals.release()

    def _check_draining(self) -> None:
        if self._drain.is_draining:
            raise HandshakeRefused(503, "the server is about to restart")
