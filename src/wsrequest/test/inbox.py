"""The events that the client of a live request of a test gets."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from wsrequest.push.events import Event

__all__ = ["Inbox", "ReceivedEvent"]


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event as a client gets it.

    Attributes:
        event: its name.
        data: what was sent, after it was JSON.
        room: the room that it was sent to. None for one to a user or a session.
        to: "user" or "session", or None for one to a room.
    """

    event: str
    data: Any = None
    room: str | None = None
    to: str | None = None


class Inbox:
    """The events that have come.

    Attributes:
        events: all of them, in order.
        session: the name of the session whose events come, or None.
    """

    def __init__(self) -> None:
        self.events: list[ReceivedEvent] = []
        self._connection_id = ""
        self._rooms: frozenset[str] = frozenset()
        self._user: str | None = None
        self.session: str | None = None

    def enter(
        self, connection_id: str, *, rooms: Iterable[str], user: str | None, session: str | None
    ) -> None:
        """Get these events from now on, and no others.

        Args:
            connection_id: of the client.
            rooms: that it is in.
            user: the name of its user, or None.
            session: the name of its session, or None.
        """
        self._connection_id, self._rooms = connection_id, frozenset(rooms)
        self._user, self.session = user, session

    def leave(self) -> None:
        """Get no events."""
        self.enter("", rooms=(), user=None, session=None)

    def receive(self, position: int, event: Event) -> None:
        """Take an event of the bus."""
        if event.exclude is not None and event.exclude == self._connection_id:
            return
        data = json.loads(event.data)
        if event.kind == "room":
            if event.name in self._rooms:
                self.events.append(ReceivedEvent(event.event, data, room=event.name))
        elif event.name == (self._user if event.kind == "user" else self.session):
            self.events.append(ReceivedEvent(event.event, data, to=event.kind))

    def lost(self) -> None:
        """Do nothing: a test that sends more than fits has other worries."""
