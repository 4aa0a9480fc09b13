"""Log refused handshakes: a line for the first of an address, and a summary of the others.

Anyone can cause refused handshakes as fast as the network allows. A line for each would fill the
disk and hide the lines that matter.
"""

import asyncio
import logging
from collections import Counter

from wsrequest.errors import HandshakeRefused
from wsrequest.server.admission import place_of

__all__ = ["SUM_SECONDS", "Refusals"]

logger = logging.getLogger("wsrequest.connection")

SUM_SECONDS = 60.0  # the period of one line per address and one summary
_PLACES = 100  # how many addresses have their own lines in it
_MOST_CHARACTERS = 500  # the limit of text from a client in one line


class Refusals:
    """The refused handshakes of one process. Used on the event loop only.

    Attributes:
        counts: how many there were, by status. Other threads may read it.
    """

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._further: dict[str, Counter[int]] = {}  # by place and status, without the first
        self._others: Counter[int] = Counter()  # of all places without their own lines

    def add(self, address: str, refused: HandshakeRefused) -> None:
        """Count a WebSocket or SSE response that was refused."""
        self.counts[refused.status] += 1
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # an application can be served again, on another loop
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
        """Write the summaries and start over. Also called at the end of the process."""
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
    """Return a client's text in a form that is safe in a log line."""
    if text is None:
        return "none"
    return text if text.isprintable() else ascii(text)
