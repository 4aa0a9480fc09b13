"""Where one event loop is in the order of all events, and which positions it can continue.

A bus that puts events into one order numbers them, and all processes know a position that one of
them has given. Otherwise the event loop numbers them itself, and nobody else knows its positions.
"""

import secrets

__all__ = ["Positions"]

_MAX_DIGITS = 16  # of a number in a position. A longer one takes long to read


class Positions:
    """The positions of all rooms of one event loop, which share one numbering.

    Attributes:
        epoch: that of all positions now.
        number: of the last event.
        is_shared: whether the bus numbers the events, so that other processes know the positions.
    """

    def __init__(self) -> None:
        self.epoch = _made_up()
        self.number = 0
        self.is_shared = False
        self._bus_epoch = ""
        # Events up to this number may be missing here. None until the bus says where it is.
        self._start: int | None = 0

    def advance(self) -> None:
        """Number an event that the bus has not numbered."""
        self.number += 1

    def advance_to(self, epoch: str, number: int) -> bool:
        """Take how far the bus is. Everything up to there has arrived since the last loss.

        Returns:
            Whether the positions before cannot be compared with those from now on.
        """
        is_same = epoch == self._bus_epoch
        if is_same and number > self.number:
            self.number = number
            if self._start is None:
                self._start = number - 1
            return False
        # A number that falls says that the broker has gone back. Clients hold higher ones.
        self.epoch = f"{epoch}.{_made_up()}" if is_same else epoch
        self.is_shared, self._bus_epoch = True, epoch
        self.number, self._start = number, number - 1
        return True

    def lose(self) -> None:
        """Take that events may be missing: anything up to now."""
        if self.is_shared:
            self._start = None
        else:
            self.epoch = _made_up()
            self.number += 1
            self._start = self.number

    def text(self, number: int) -> str:
        """Return the position of a number."""
        return f"{self.epoch}:{number}"

    def number_at(self, position: str) -> int | None:
        """Return the number of a position that a client holds. None if it cannot be compared.

        It may be higher than the last one here: another process may have been faster.
        """
        epoch, _, digits = position.partition(":")
        if epoch != self.epoch or not (digits.isascii() and digits.isdigit()):
            return None
        number = int(digits) if len(digits) <= _MAX_DIGITS else None
        if number is not None and number > self.number and not self.is_shared:
            return None
        return number

    def has_all_after(self, number: int) -> bool:
        """Whether all events after a number have arrived here."""
        return self._start is not None and number >= self._start


def _made_up() -> str:
    return secrets.token_urlsafe(6)
