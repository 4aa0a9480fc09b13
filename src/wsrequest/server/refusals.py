"""The log of refused handshakes: one line for the first of an address, a sum for the others.

Owns these lines. Anybody can have handshakes refused, as fast as the network allows. A line for
each would fill the disk, and hide the lines that matter.
"""

import asyncio
import logging
from collections import Counter

from wsrequest.errors import HandshakeRefused
from wsrequest.server.admission import place_of

__all__ = ["SUM_SECONDS", "Refusals"]

logger = logging.getLogger("wsrequest.connection")

SUM_SECONDS = 60.0  # what is refused in such a time is one line per address, and a sum
_PLACES = 100  # addresses that have lines of their own in it
_MOST_CHARACTERS = 500  # of what a client chose, in one line


class Refusals:
    """The refused handshakes of one process. Used on the event loop only."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._further: dict[str, Counter[int]] = {}  # by place: by status, but its first
        self._others: Counter[int] = Counter()  # of all places that have no line of their own

    def add(self, address: str, refused: HandshakeRefused) -> None:
        """A WebSocket, or a stream of events, was not opened."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # an application can be served again, in another loop
            self._loop, self._timer = loop, None
        if self._timer is None:
            self._timer = loop.call_later(SUM_SECONDS, self.flush)
        place = place_of(address)
        counts = self._further.get(place)
        if counts is not None:
            counts[refused.status] += 1
        elif len(self._further) >= _PLACES:
            self._others[refused.status] += 1
        else:
            self._further[place] = Counter()
            logger.warning("refused a WebSocket of %s: %s", _short(address), _short(str(refused)))

    def flush(self) -> None:
        """Write the sums, and begin anew. Called at the end of the process too."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        further, self._further = self._further, {}
        others, self._others = self._others, Counter()
        for place, counts in further.items():
            self._write(_short(place), counts)
        self._write("other addresses", others)

    def _write(self, whose: str, counts: Counter[int]) -> None:
        if counts:
            by_status = ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))
            logger.warning(
                "refused %s more WebSockets of %s within %.0f s (%s)",
                counts.total(),
                whose,
                SUM_SECONDS,
                by_status,
            )


def _short(text: str) -> str:
    if not text:  # behind a Unix socket
        return "a client without address"
    if len(text) <= _MOST_CHARACTERS:
        return printable(text)
    return f"{printable(text[:_MOST_CHARACTERS])}… ({len(text)} characters)"


def printable(text: str | None) -> str:
    """A text that a client chose, as it can stand in a line of a log."""
    if text is None:
        return "none"
    return text if text.isprintable() else ascii(text)
