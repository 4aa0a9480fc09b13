"""What one client is owed: an account of a connection, kept from the client's frames alone.

Owns a second opinion on PROTOCOL.md 2.4, 4 and 5 that shares no code with ``session`` and
``connection``. Frames must be taken while nothing is answered; ``settle`` says what is
due once everything that can end has ended.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from wsrequest.errors import Refused
from wsrequest.protocol.client_codec import decode_client
from wsrequest.protocol.messages import Cancel, Credit, Part, Ping, Pong, Refusal, Request, Response
from wsrequest.types import Frame, Id, Limits

__all__ = ["Entry", "Ledger"]


@dataclass(eq=False)  # two without id are two
class Entry:
    """An unfinished request; ``is_held`` while its view must not end."""

    id: Id | None
    is_uploading: bool
    body_bytes: int
    credit: int | None
    is_held: bool = False


class Ledger:
    """The account of one connection.

    Attributes:
        unfinished: what the client waits for, in the order of its requests.
        owed: what must come, and has not: replies at once, and the ends of answers.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.unfinished: list[Entry] = []
        self.owed: Counter[tuple[Any, ...]] = Counter()
        self._begun: Counter[Id | None] = Counter()  # answers whose last frame is still to come

    def find(self, id: Id | None) -> Entry | None:
        """The unfinished request with an id."""
        if id is None:
            return None
        return next((entry for entry in self.unfinished if entry.id == id), None)

    @property
    def body_bytes(self) -> int:
        return sum(entry.body_bytes for entry in self.unfinished)

    # What the client says.

    def take(self, frame: Frame) -> Entry | None:
        """Enter a frame of the client; return the request that it begins."""
        try:
            message = decode_client(frame, max_bytes=self.limits.message_bytes)
        except Refused as refused:
            self._refuse(refused.code, refused.id)
            return None
        if isinstance(message, Request):
            return self._take_request(message)
        if isinstance(message, Ping):
            self.owed["pong", bytes(message.value)] += 1
        elif not isinstance(message, Pong):
            entry = self.find(message.id)
            if entry is not None:
                self._take_for(entry, message)
        return None

    def _take_request(self, message: Request) -> Entry | None:
        size = len(message.body or b"")
        if self.find(message.id) is not None:
            self.owed["in use", message.id] += 1
        elif len(self.unfinished) >= self.limits.in_flight + self.limits.waiting:
            self._refuse("too_many_requests", message.id)
        elif size and self.body_bytes + size > self.limits.body_bytes:
            self._refuse("body_too_large", message.id)
        else:
            entry = Entry(message.id, message.more, size, message.credit)
            self.unfinished.append(entry)
            if message.more and size:
                self.owed["credit", message.id, size] += 1
            return entry
        return None

    def _take_for(self, entry: Entry, message: Cancel | Credit | Part) -> None:
        if isinstance(message, Cancel):
            self._finish(entry)
        elif isinstance(message, Credit):
            if entry.credit is not None:
                entry.credit += message.count
        elif entry.is_uploading:
            size = len(message.body)
            if size and self.body_bytes + size > self.limits.body_bytes:
                self._refuse("body_too_large", entry.id)
                return
            entry.body_bytes += size
            entry.is_uploading = message.more
            if not message.more:  # its place in the queue is that of its last part
                self.unfinished.remove(entry)
                self.unfinished.append(entry)
            if size and message.more:
                self.owed["credit", entry.id, size] += 1

    def _refuse(self, code: str, id: Id | None) -> None:
        self.owed["refused", code, id] += 1
        entry = self.find(id)
        if entry is not None:  # a refusal with an id finishes that request (5.1)
            self._finish(entry)

    def _finish(self, entry: Entry) -> None:
        self.unfinished.remove(entry)
        self._begun.pop(entry.id, None)

    def settle(self) -> None:
        """Everything that can end has ended: what was not held is due, once."""
        for entry in [e for e in self.unfinished if not e.is_uploading and not e.is_held]:
            self.unfinished.remove(entry)
            self.owed["answer", entry.id] += 1

    # What comes.

    def came(self, message: Any) -> None:
        """Strike out what a message of the server answers.

        Raises:
            AssertionError: nothing was owed that this could be.
        """
        if isinstance(message, Pong):
            self._strike("pong", bytes(message.value))
        elif isinstance(message, Credit):
            self._strike("credit", message.id, message.count)
        elif isinstance(message, Refusal):
            if message.code == "id_in_use":
                assert message.id is None
                self._strike("in use", message.about)
            elif self.owed["refused", message.code, message.id]:
                self._strike("refused", message.code, message.id)
            else:
                self._ends(message.id, is_part=message.status is None)
        elif isinstance(message, Response | Part):
            is_part = isinstance(message, Part)
            if message.more:
                assert self.owed["answer", message.id] or self.find(message.id), message
                assert bool(self._begun[message.id]) == is_part, message
                self._begun[message.id] = 1
            else:
                self._ends(message.id, is_part=is_part)
        else:
            raise AssertionError(f"not asked for: {message}")

    def _ends(self, id: Id | None, *, is_part: bool) -> None:
        assert bool(self._begun.pop(id, 0)) == is_part, id
        self._strike("answer", id)

    def _strike(self, *what: Any) -> None:
        assert self.owed[what] > 0, f"not owed: {what}, but {self.owed}"
        self.owed[what] -= 1
        if not self.owed[what]:
            del self.owed[what]
