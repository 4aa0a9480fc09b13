"""Opens the messages that arrive, and says in the log which of them cannot be read."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from wsrequest.bus.base import Topic
from wsrequest.bus.envelope import Envelope, OtherRelease, Seal, Stranger

__all__ = ["Opener"]

logger = logging.getLogger("wsrequest.bus")

_WARN_SECONDS = 60.0  # between two log lines of one kind


class Opener:
    """Used by the receiving thread.

    Args:
        seal: checks signatures.
        channel: names the channel in the log.
        lose: called for a message of this project that cannot be read, which counts as lost.
    """

    def __init__(self, seal: Seal, channel: str, lose: Callable[[], None]) -> None:
        self._seal, self._channel, self._lose = seal, channel, lose
        self._warned_at: dict[str, float] = {}

    def open(self, sealed: bytes) -> Envelope | None:
        """Return the message that was signed. None if it is not one, or cannot be read."""
        try:
            return self._seal.open(sealed)
        except Stranger:
            self._warn(
                "bytes on the channel %r are not signed with this project's SECRET_KEY and are "
                "ignored. Give each project, and each of its environments, a channel of its own. "
                "While you change SECRET_KEY, keep the old one in SECRET_KEY_FALLBACKS"
            )
        except OtherRelease:
            self._warn(
                "a process with another release of wsrequest publishes on the channel %r: all live "
                "views run again. Update all processes"
            )
            self._lose()
        return None

    def decode(self, topic: Topic[Any], payload: bytes) -> object | None:
        """Return what a message says. None if it cannot be read."""
        try:
            message: object = topic.decode(payload)
        except ValueError:
            self._warn(
                "a message on the channel %r cannot be read: all live views run again. Update all "
                "processes to one release"
            )
            self._lose()
            return None
        return message

    def _warn(self, text: str) -> None:
        """Log a kind of bad message, at most once a minute."""
        now = monotonic()
        if now - self._warned_at.get(text, -_WARN_SECONDS) >= _WARN_SECONDS:
            self._warned_at[text] = now
            logger.warning(text, self._channel)
