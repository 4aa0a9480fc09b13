"""The events that the client of a live request of a test gets, and who it is in its rooms."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from wsrequest.protocol.messages import Member
from wsrequest.push.events import Event, Join

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
    """The events that have come, and the rooms.

    Attributes:
        events: all of them, in order.
        session: the name of the session whose events come, or None.
        pid: the process that it is in.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.events: list[ReceivedEvent] = []
        self._connection_id = ""
        self._joins: dict[str, Join] = {}
        self._user: str | None = None
        self.session: str | None = None

    def enter(
        self, connection_id: str, *, joins: Iterable[Join], user: str | None, session: str | None
    ) -> None:
        """Get these events from now on, and no others.

        Args:
            connection_id: of the client.
            joins: the rooms that it is in.
            user: the name of its user, or None.
            session: the name of its session, or None.
        """
        self._connection_id, self._joins = connection_id, {join.room: join for join in joins}
        self._user, self.session = user, session

    def leave(self) -> None:
        """Get no events."""
        self.enter("", joins=(), user=None, session=None)

    @property
    def rooms(self) -> list[str]:
        """The rooms that it is in."""
        return list(self._joins)

    def of(self, room: str) -> list[Member]:
        """Return the member as which it is in a room. None or one."""
        join = self._joins.get(room)
        if join is None or join.member is None:
            return []
        return [Member(join.member, json.loads(join.info))]

    def receive(self, position: int, event: Event) -> None:
        """Take an event of the bus."""
        if event.exclude is not None and event.exclude == self._connection_id:
            return
        data = json.loads(event.data)
        if event.kind == "room":
            if event.name in self._joins:
                self.events.append(ReceivedEvent(event.event, data, room=event.name))
        elif event.name == (self._user if event.kind == "user" else self.session):
            self.events.append(ReceivedEvent(event.event, data, to=event.kind))

    def lost(self) -> None:
        """Do nothing: a test that sends more than fits has other worries."""
