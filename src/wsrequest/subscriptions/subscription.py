"""One live request of a connection: whose runs answer it, and the versions that its client gets.

``live/manager`` decides when a view runs again.
"""

from collections.abc import Hashable
from functools import partial
from typing import Protocol

import msgspec

from wsrequest.errors import Refused
from wsrequest.live.query import LiveQuery, Run
from wsrequest.live.round_robin import Turn
from wsrequest.live.snapshot import Snapshot, tag_matches
from wsrequest.protocol.messages import Request, Response
from wsrequest.protocol.server_codec import encode_refused, encode_server, encode_version
from wsrequest.protocol.session import Key
from wsrequest.push.attendance import Attendance
from wsrequest.push.room import Listener
from wsrequest.request.budget import Account
from wsrequest.request.environ import split_url
from wsrequest.server.context import Live
from wsrequest.subscriptions.rerun import Rerun, RunContext, RunIdentity
from wsrequest.subscriptions.run import LiveTask, without
from wsrequest.subscriptions.shared import SharedKey, SharedRunContext, message_of
from wsrequest.subscriptions.takeover import held_tags
from wsrequest.types import Frame

__all__ = ["Subscription", "SubscriptionHost", "SubscriptionOwner", "too_large_to_subscribe"]


class SubscriptionHost(RunContext, Protocol):
    """A WebSocket or an SSE response, as its live requests see it."""

    def cookie_for(self, url: str) -> str:
        """Return the Cookie header that a request to ``url`` would have now."""

    def cookies_end(self) -> float | None:
        """Return the epoch seconds at which the first of its cookies expires, or None."""

    def has_room(self) -> bool:
        """Whether more may be queued for the client."""

    def show(self, frame: Frame, tag: str | None) -> None:
        """Queue a frame for the client.

        Args:
            frame: a version, or the last frame of a live request.
            tag: the ETag of its response, or None.
        """

    def report_uncertain(self, is_uncertain: bool) -> None:
        """Queue the notice whether the client may miss changes."""

    def make_listener(self) -> Listener:
        """Return what gets the events of the connection."""

    def restart(self, key: Key, message: Request) -> None:
        """Run a live request again as a first run, with all its effects."""

    def finished(self, key: Key) -> None:
        """Free the id of a live request that has ended."""


class SubscriptionOwner(Protocol):
    """The subscriptions of a connection, as one of them sees them."""

    host: SubscriptionHost
    live: Live
    turn: Turn
    account: Account

    def hold(self, subscription: "Subscription", *results: Snapshot) -> bool:
        """Count what a subscription holds from now on. False if that ends it."""

    def ended(self, subscription: "Subscription", frame: Frame, tag: str | None) -> None:
        """Send the last frame of a subscription, and forget it."""

    def identify(self, subscription: "Subscription", cookie: str) -> None:
        """Set the key of a subscription from all that can change its response."""

    def update_identity(self, subscription: "Subscription") -> None:
        """Set the key again if the cookies have changed."""

    def refuse(self, subscription: "Subscription", refused: Refused) -> None:
        """End a subscription, soon."""

    def count_rooms(self, subscription: "Subscription", count: int) -> None:
        """Count so many rooms as held by a subscription. May raise ``Refused``."""

    def attend(self, message: Request) -> Attendance | None:
        """Return what gets the events that a message asks for. None if it asks for none."""

    def session_of(self, subscription: "Subscription") -> str | None:
        """Return the name of the session that the cookies of the connection name, or None."""

    def run_with_effects(self, subscription: "Subscription", run: Run) -> None:
        """Replace a rerun whose response cannot be sent by a first run."""


class Subscription:
    """One live request: a subscriber of the live query manager.

    Args:
        owner: the subscriptions of the connection.
        task: its first run, which ended with a result.

    Attributes:
        by_session: whether its first run was for a user that a session named.
        is_restart: whether it was begun again because a rerun could not be sent.
        is_personal: whether a run has read what only its connection has.
        is_behind: whether there is a newer snapshot that had no room yet.
        held: the snapshots that count as held by it: the one sent last, and one that had no room.
        message_bytes: how much its message counts.
        attendance: the rooms that it is in. None if the client has asked for no events.
        room_bytes: how much these count. ``message_bytes`` includes it.
    """

    __slots__ = (
        "_first", "_is_exact", "_is_like", "_owner", "_patches", "_proof", "_sent", "_tags",
        "_version", "attendance", "by_session", "cookie_names", "held", "is_behind",
        "is_personal", "is_restart", "key", "message", "message_bytes", "query", "session_key",
        "room_bytes", "turn",
    )  # fmt: skip

    def __init__(self, owner: SubscriptionOwner, task: LiveTask) -> None:
        self._owner = owner
        self.session_key = task.key  # by which the connection finds it
        # No client sends a rerun, so the headers of one request stay with the first run.
        message = without(task.message, owner.host.config.per_request_headers)
        self.message = msgspec.structs.replace(message, rerun="") if message.rerun else message
        self.attendance = owner.attend(self.message)
        if self.message.since is not None:
            self.message = msgspec.structs.replace(self.message, since=None)
        self._tags = held_tags(task.shown_message)  # what the client already holds
        self.by_session = task.by_session
        self.query: LiveQuery | None = None
        self.turn = owner.turn
        self.is_restart = task.is_restart
        self.is_behind = False
        self._first: Response | None = task.head
        self._proof = task.proof  # sent with the first version
        self._sent: Snapshot | None = None
        self._is_exact = True  # the client holds it byte for byte
        self._is_like = True  # what the client holds differs in masked tokens and nonces at most
        patch = message.patch
        self._patches = patch if isinstance(patch, list) else [patch or ""]
        self._version = 0
        self.cookie_names = task.cookie_names
        self.is_personal = task.is_personal
        self.key: Hashable = None
        self.held: tuple[Snapshot, ...] = ()
        self.message_bytes = self.room_bytes = 0

    @property
    def path(self) -> str:
        """The path of its URL, for the log."""
        return split_url(self.message.url)[0]

    def start(self, run: Run) -> Rerun:
        """Run the view again with the identity of this client."""
        owner = self._owner
        # Read for each run: an expired cookie is not sent, even if its timer is late.
        cookie = owner.host.cookie_for(self.message.url)
        on_end = partial(owner.update_identity, self)
        # Only once. If the client does not keep what is set, each rerun would have effects.
        run_with_effects = None if self.is_restart else partial(owner.run_with_effects, self, run)
        return Rerun(owner.host, self.message, cookie, run, owner.live, on_end, run_with_effects)

    def learn(self, observed: object, *, is_own: bool) -> None:
        """Take over what a run of its live query read of an identity."""
        assert isinstance(observed, RunIdentity)
        names = self.cookie_names
        is_known = names is None or (
            observed.cookie_names is not None and observed.cookie_names <= names
        )
        if is_known and self.is_personal >= observed.is_personal:
            return
        self.is_personal |= observed.is_personal
        if names is not None:
            read = observed.cookie_names
            self.cookie_names = None if read is None else names | read
        owner = self._owner
        # The subscriber that the run was made for got a response for the cookies of the run.
        cookie = observed.cookie if is_own else owner.host.cookie_for(self.message.url)
        owner.identify(self, cookie)

    def start_shared(self, run: Run) -> Rerun:
        """Run the view again with no identity, for all who share its public response."""
        owner, host = self._owner, self._owner.host
        assert run.query is not None  # only first runs lack one
        key = run.query.key
        assert isinstance(key, SharedKey)
        context = SharedRunContext(host.server, host.config, host.base, key)
        return Rerun(context, message_of(key), "", run, owner.live)

    def show(self, version: int, result: Snapshot) -> None:
        """Send a snapshot, unless the client holds the same or a newer one."""
        if version <= self._version:
            return
        self._show(version, result)
        if self.attendance is not None and self.query is not None:
            self._attend(self.attendance, result)

    def _attend(self, attendance: Attendance, result: Snapshot) -> None:
        """Take what a run has joined, even if its response has no room yet."""
        if not result.is_success:
            attendance.suspend()  # somebody whose permission is gone must not stay by a failure
            return
        owner = self._owner
        session = owner.session_of(self) if attendance.wants_session else None
        try:
            owner.count_rooms(self, attendance.check(result.audience))
            attendance.update(result.audience, session)
        except Refused as refused:
            attendance.suspend()
            owner.refuse(self, refused)

    def _show(self, version: int, result: Snapshot) -> None:
        sent = self._sent
        if sent is not None and sent.digest == result.digest:
            self._version, self.is_behind = version, False
            self.keep(result)
            return
        host = self._owner.host
        if self._first is None and not host.has_room():
            self.is_behind = True  # catch_up() sends the newest once there is room
            self._owner.hold(self, *((result,) if sent is None else (sent, result)))
            return
        if not self._owner.hold(self, result):
            return
        frame = self._first_frame(version, result) or self._next_frame(version, result)
        self._sent, self._version, self.is_behind = result, version, False
        host.show(frame, result.tag)

    def keep(self, result: Snapshot) -> None:
        """Hold this snapshot in place of an equal one."""
        sent = self._sent
        if sent is None or not self._owner.hold(self, result):
            return
        if sent is not result and sent.body != result.body:
            self._is_exact = False  # the client has other bytes with the same meaning
            self._is_like &= sent.is_like_its_equals and result.is_like_its_equals
        self._sent = result

    def catch_up(self) -> None:
        """Send the newest snapshot, since there is room again."""
        query = self.query
        if self.is_behind and query is not None and query.latest is not None:
            self.show(query.version, query.latest)

    def end(self, why: Snapshot | Refused) -> None:
        """Send the response or the refusal that ends it."""
        id = self.message.id
        if isinstance(why, Refused):
            self._owner.ended(self, encode_refused(Refused(why.code, why.detail, id)), None)
        else:
            self._owner.ended(self, why.frame(Response(why.status, why.headers, id)), why.tag)

    def take(self, count: int) -> bool:
        """Count that many more bytes for the reads of its view. False if they are too many."""
        return self._owner.account.spare(count, self._owner.host.config.limits)

    def give(self, count: int) -> None:
        """Count that many fewer bytes."""
        self._owner.account.give(count)

    def _first_frame(self, version: int, result: Snapshot) -> Frame | None:
        head, self._first = self._first, None
        if head is None:
            return None
        tags, self._tags = self._tags, ""  # they concern the first version only
        proof, self._proof = self._proof, ""
        headers, status, is_held = {**head.headers}, head.status, False
        if result.etag is not None:
            headers = {n: v for n, v in headers.items() if n.lower() != "etag"}
            headers["ETag"] = result.etag
            if tag_matches(tags, result.etag):
                headers.pop("Content-Length", None)
                status, is_held = 304, True
                self._is_exact = not result.etag.startswith("W/") and not self.message.tag_only
                is_like = result.is_own_tag and result.is_like_its_equals
                self._is_like = self._is_exact or (is_like and not self.message.tag_only)
        first = msgspec.structs.replace(
            head, status=status, headers=headers, version=version, rerun=proof or None
        )
        return encode_server(first) if is_held else result.frame(first)

    def _next_frame(self, version: int, result: Snapshot) -> Frame:
        tail = None
        kind = result.patch_kind
        fits = self._is_exact if kind == "json" else self._is_like
        if kind in self._patches and self._sent is not None and fits:
            tail = result.patch_tail(self._sent)
        self._is_exact = self._is_like = True
        id = self.message.id
        if tail is None and result.is_large:  # a tail would be one more copy
            return result.frame(Response(result.status, result.headers, id, version=version))
        return encode_version(id, version, tail or result.tail())


def too_large_to_subscribe(max_bytes: int) -> Refused:
    """Return the refusal of a subscribe message that is longer than ``max_bytes``."""
    return Refused("message_too_large", f"a message with subscribe may have {max_bytes} bytes")
