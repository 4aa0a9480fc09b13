"""Joins the presence of one event loop to the bus, the clock, and the rooms of its clients."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from random import random
from typing import Any, Protocol

from msgspec import Raw

from wsrequest.bus.base import Bus, Post
from wsrequest.protocol.messages import Member
from wsrequest.push.own_members import PresenceLimits
from wsrequest.push.presence import Presence
from wsrequest.push.presence_messages import PRESENCE, Message
from wsrequest.types import Frame

__all__ = ["PresenceFeed", "new_epoch", "stamp"]

logger = logging.getLogger("wsrequest.push")


class Watchers(Protocol):
    """The rooms of the event loop."""

    def is_watched(self, name: str) -> bool:
        """Whether any client is in a room."""

    def broadcast(self, name: str, frame: Frame) -> int:
        """Send a frame to all clients in a room, and return how many there are."""


class Joined(Protocol):
    """What a view has joined."""

    @property
    def room(self) -> str:
        """The name of the room."""

    @property
    def member(self) -> str | None:
        """Who is there."""

    @property
    def info(self) -> bytes:
        """What the view says about the member: a JSON object."""


class PresenceFeed:
    """Presence of one event loop. Used on that event loop only, but for ``of``.

    Args:
        loop: the event loop.
        bus: where the processes hear each other.
        watchers: the rooms of the event loop.
        post: has a function called on the event loop, from any thread.
        limits: of what this process announces.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bus: Bus,
        watchers: Watchers,
        post: Post,
        limits: PresenceLimits,
    ) -> None:
        self._loop, self._bus = loop, bus
        self.pid = os.getpid()
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._memberships: dict[object, int] = {}  # by connection
        self._is_stopped = self._is_refused = False
        self.presence = Presence(
            new_epoch(),
            publish=self._publish,
            is_watched=watchers.is_watched,
            show=watchers.broadcast,
            limits=limits,
            stamp=stamp,
            random=random,
            now=loop.time(),
        )
        self._subscription = bus.subscribe(
            PRESENCE,
            self._receive,
            self._lost,
            post=post,
            connected=self._connected,
        )
        self._arm()

    def entered(self, listener: object, join: Joined) -> None:
        """Take that a live request of a connection is in a room. ``join.member`` is not None."""
        assert join.member is not None
        memberships = self._memberships.get(listener, 0)
        self._memberships[listener] = memberships + 1
        self.presence.join(join.room, join.member, join.info, memberships=memberships)
        if self.presence.refused_count and not self._is_refused:
            self._is_refused = True
            logger.warning(
                "there is no room for a member of %r: it is in the room, and is not listed among "
                "its members (WSREQUEST_PRESENCE_ROOM_MEMBERS, WSREQUEST_PRESENCE_BYTES)",
                join.room,
            )
        self._arm()

    def left(self, listener: object, join: Joined) -> None:
        """Take back what ``entered`` was called with."""
        assert join.member is not None
        count = self._memberships.pop(listener) - 1
        if count:
            self._memberships[listener] = count
        self.presence.leave(join.room, join.member, join.info, self._loop.time())
        self._arm()

    @property
    def own_count(self) -> int:
        """How many members have a connection here. From any thread."""
        return self.presence.own_count

    @property
    def refused_count(self) -> int:
        """How many times there was no room for a member. From any thread."""
        return self.presence.refused_count

    def members(self, room: str) -> list[Member] | None:
        """Return who is in a room, for a frame. None for a room without presence."""
        encoded = self.presence.encoded(room)
        if encoded is None:
            return None
        raw: Any = Raw(encoded)  # encoded once for all who get it
        found: list[Member] = raw
        return found

    def of(self, room: str) -> list[Member]:
        """Return who is in a room. From any thread."""
        return self.presence.of(room)

    def stop(self) -> None:
        """Let the members of this process leave the rooms. Safe to call twice."""
        if not self._is_stopped:
            self._is_stopped = True
            self._subscription.close()
            self.presence.stop()
            if self._timer is not None:
                self._timer.cancel()

    def _publish(self, message: Message) -> None:
        self._bus.publish(PRESENCE, message)

    def _receive(self, position: int, message: Message) -> None:
        self._then(self.presence.receive, message)

    def _lost(self) -> None:
        self._then(self.presence.lost)

    def _connected(self, is_connected: bool) -> None:
        self._then(self.presence.connected, is_connected)

    def _then(self, call: Callable[..., None], *args: object) -> None:
        call(*args, self._loop.time())
        self._arm()

    def _arm(self) -> None:
        """Have ``tick`` called when it is due."""
        due = self.presence.due
        if due is None or self._is_stopped:
            return
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        # uvloop returns no TimerHandle for a time that has passed.
        self._timer, self._timer_at = self._loop.call_at(due, self._tick), due

    def _tick(self) -> None:
        self._timer = None
        try:
            self.presence.tick(self._loop.time())
        finally:
            self._arm()


def new_epoch() -> str:
    """Return what names this process in presence, and no other one."""
    return os.urandom(8).hex()


def stamp() -> int:
    """Return the time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
