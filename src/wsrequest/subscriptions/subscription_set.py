"""The live requests of one connection, and what they hold together.

Long because memory, identity, waits and rooms all follow each request from its start to its end.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable
from hashlib import blake2b
from time import time
from weakref import WeakKeyDictionary

import msgspec

from wsrequest.errors import Refused
from wsrequest.live.page_runs import PageRun
from wsrequest.live.query import Run
from wsrequest.live.round_robin import Turn
from wsrequest.live.snapshot import Snapshot
from wsrequest.live.waits import Wait
from wsrequest.protocol.messages import Request
from wsrequest.protocol.server_codec import encode_refused
from wsrequest.protocol.session import Key
from wsrequest.push.attendance import Attendance
from wsrequest.push.events import session_name
from wsrequest.push.room import Listener
from wsrequest.request.cookies import cookie_pairs
from wsrequest.request.environ import Base
from wsrequest.server.admission import place_of
from wsrequest.server.context import Live
from wsrequest.subscriptions.page_proof import is_page_proof
from wsrequest.subscriptions.run import LiveTask, check_live
from wsrequest.subscriptions.subscription import Subscription, SubscriptionHost
from wsrequest.types import Frame

__all__ = ["SubscriptionSet"]

logger = logging.getLogger("wsrequest.live")

_LATE_SECONDS = 0.01  # a timer may fire slightly early by the clock that cookies expire by
_MAX_DELAY_SECONDS = 86_400.0  # that clock may be set, and a loop accepts only so long a delay

# A live request without its texts and its response, in a live query of its own with a few reads.
_OVERHEAD_BYTES = 4096
_ROOM_BYTES = 1024  # of a room that nobody else is in, with its name

# These belong to one connection or request, and do not identify a client.
_NOT_IDENTITY = frozenset(("REMOTE_PORT", "wsgi.input", "wsgi.errors"))

_Pairs = tuple[tuple[str, str], ...]


class SubscriptionSet:
    """The live requests of one connection. Used on the event loop only.

    Args:
        host: the connection.
        live: what the live requests of the process share.
    """

    __slots__ = (
        "_begun",
        "_expiry_timer",
        "_held_bytes",
        "_identity",
        "_is_reported_uncertain",
        "_is_uncertain",
        "_listener",
        "_pairs",
        "_restarted",
        "_subscriptions",
        "_waits",
        "account",
        "host",
        "live",
        "turn",
    )

    def __init__(self, host: SubscriptionHost, live: Live) -> None:
        self.host, self.live = host, live
        self._subscriptions: dict[Key, Subscription] = {}
        self._identity = _identity_of(host.base)
        address = place_of(host.base.environ.get("REMOTE_ADDR", ""))
        self.turn = Turn(address or self, self)  # behind a Unix socket there are no addresses
        self.account = host.server.budget.account_of(address)
        self._held_bytes = 0  # of the bodies of all held snapshots
        # Of the last Cookie header: all its cookies, and those with some names.
        self._pairs: tuple[str, dict[frozenset[str] | None, _Pairs]] = ("", {})
        self._expiry_timer: asyncio.TimerHandle | None = None  # for the cookie that expires next
        # The requests whose first runs are under way. What such a run read may be older than a
        # change made since it began, so that change is not settled before the run is answered.
        self._begun: set[Key] = set()
        # The requests that are being restarted. Nothing is settled before they are answered.
        self._restarted: frozenset[Key] = frozenset()
        # In order. The caller holds its wait, so a canceled one disappears by itself.
        self._waits: WeakKeyDictionary[Wait, None] | None = None
        self._is_uncertain = False
        self._is_reported_uncertain = False
        self._listener: Listener | None = None  # made for the first that asks for events

    def __len__(self) -> int:
        """How many are live."""
        return len(self._subscriptions)

    def begin(self, task: LiveTask) -> None:
        """Take the position before the first run of a live request. Safe to call twice."""
        if task.live_run is None:
            task.page = self._waiting_page(task.message.rerun)
            run = None if task.page is None else task.page.run
            task.live_run = run or self.live.manager.begin()
            self._begun.add(task.key)

    def _waiting_page(self, proof: str) -> PageRun | None:
        """Return the HTTP run of the page that a live request is for, if it can take it over."""
        page_runs = self.live.page_runs
        if page_runs is None or not is_page_proof(proof):
            return None
        return page_runs.take(proof)

    def answered(self, task: LiveTask) -> Frame | None:
        """Take the end of a first run that was not dropped.

        Returns:
            The frame that ends the request. None if the request is live and its first version
            was sent.
        """
        run, result, head = task.live_run, task.result, task.head
        assert run is not None  # begin() was called before it ran
        refused = None
        if result is not None and head is not None and result.is_success:
            try:
                self._go_live(task, result)
            except Refused as error:
                refused = error
                refused.id = task.message.id
                # Nothing went wrong if a page has no queries, and its client knows.
                logger.debug("%s is not live: %s", task.path, refused)
            else:
                return None
        self.live.manager.abandon(run)
        if refused is not None:
            return encode_refused(refused)
        if result is None or head is None:
            return None
        return result.frame(head)

    def hold(self, subscription: Subscription, *results: Snapshot) -> bool:
        """Count what a subscription holds from now on. False if it is too much, which ends it."""
        if subscription.held == results:
            return True
        try:
            self._exchange(subscription, results)
        except Refused as refused:
            self._end_all([subscription], refused)
            return False
        return True

    def _exchange(self, subscription: Subscription, results: tuple[Snapshot, ...]) -> None:
        limits = self.host.config.limits
        before, subscription.held = subscription.held, ()
        self._held_bytes -= _body_bytes(before)
        self.account.exchange(before, (), limits)
        body_bytes = _body_bytes(results)
        if self._held_bytes + body_bytes > limits.answer_bytes:
            most = limits.answer_bytes
            raise Refused("answer_too_large", f"live answers may have {most} bytes together")
        self.account.exchange((), results, limits)
        subscription.held = results
        self._held_bytes += body_bytes

    def _go_live(self, task: LiveTask, result: Snapshot) -> None:
        check_live(task.reads, task.expires_seconds, task.joins)
        subscription = Subscription(self, task)
        if subscription.attendance is not None:
            subscription.attendance.check(result.audience)
        self._exchange(subscription, (result,))
        try:
            count = _message_bytes(subscription.message, task.cookie)
            self.account.take(count, self.host.config.limits)
        except Refused:
            self._exchange(subscription, ())
            raise
        subscription.message_bytes = count
        self._subscriptions[task.key] = subscription
        if len(self._subscriptions) == 1:
            self.live.manager.certainty.enter(self)
        # With the identity that the response was made for. The connection may have another by
        # now, because this response or one in between set cookies.
        self.identify(subscription, task.cookie)
        assert task.live_run is not None
        self.live.manager.join(
            subscription, task.live_run, result, task.reads, expires_seconds=task.expires_seconds
        )
        self._refresh(subscription)
        self._watch_cookies()

    def abandon(self, task: LiveTask) -> None:
        """Drop a first run. Safe to call twice."""
        if task.live_run is not None:
            self.live.manager.abandon(task.live_run)

    def cancel(self, key: Key) -> bool:
        """End a live request that the client has canceled. False if it is not live."""
        subscription = self._forget(key)
        if subscription is None:
            return False
        self.live.manager.leave(subscription)
        return True

    def ended(self, subscription: Subscription, frame: Frame, tag: str | None) -> None:
        """Send the last frame of a request that the server ends, with the ETag of the frame."""
        if self._forget(subscription.session_key) is not None:
            self.host.show(frame, tag)
            self.host.finished(subscription.session_key)

    def go_on(self) -> None:
        """Send what had no room, since the client has read."""
        for subscription in list(self._subscriptions.values()):
            if subscription.is_behind and self.host.has_room():
                subscription.catch_up()
        self.report_uncertain(self._is_uncertain)
        if self._listener is not None:  # perhaps it has left its last room, and must learn that
            self._send_events(self._listener)

    def _send_events(self, listener: Listener) -> None:
        attendances = [s.attendance for s in self._subscriptions.values() if s.attendance]
        if listener.stale:
            # Before anything is sent, since one list of members may take all the room there is.
            for attendance in attendances:
                attendance.note_stale()
            listener.stale = None
        for attendance in attendances:
            attendance.go_on()
        assert self.live.push is not None  # it made the attendances
        self.live.push.go_on(listener)

    # The group of subscribers that is notified while it may miss changes.

    def subscribers(self) -> Iterable[Subscription]:
        """Return its live requests."""
        return self._subscriptions.values()

    def report_uncertain(self, is_uncertain: bool) -> None:
        """Notify the client whether it may miss changes, unless it knows.

        It is certain only once it was sent the newest version of each live request.
        """
        self._is_uncertain = is_uncertain
        if is_uncertain is self._is_reported_uncertain:
            return
        if is_uncertain or not any(s.is_behind for s in self._subscriptions.values()):
            self._is_reported_uncertain = is_uncertain
            self.host.report_uncertain(is_uncertain)

    def refresh(self) -> None:
        """Identify all subscriptions again, since the cookies of the connection have changed."""
        for subscription in list(self._subscriptions.values()):
            self._refresh(subscription)
        self._watch_cookies()

    def _watch_cookies(self) -> None:
        """Refresh once a cookie expires, since a request without it has another identity."""
        if self._expiry_timer is not None:
            self._expiry_timer.cancel()
            self._expiry_timer = None
        end = self.host.cookies_end() if self._subscriptions else None
        if end is not None:
            seconds = min(max(0.0, end - time()) + _LATE_SECONDS, _MAX_DELAY_SECONDS)
            loop = self.host.server.pool.loop
            self._expiry_timer = loop.call_later(seconds, self.refresh)

    def run_with_effects(self, subscription: Subscription, run: Run) -> None:
        """Begin a live request again, as if the client had sent it now.

        Its reruns need what only a run with effects can set. Does nothing if the subscription has
        moved to another live query.
        """
        if subscription.query is not run.query or subscription.query is None:
            return
        self._restarted |= {subscription.session_key}
        message = subscription.message
        if subscription.attendance is not None:
            since = subscription.attendance.positions()
            message = msgspec.structs.replace(message, since=since)
        self._forget(subscription.session_key)
        self.live.manager.leave(subscription)
        self.host.restart(subscription.session_key, message)

    def first_run_over(self, task: LiveTask) -> None:
        """Let the waits go on: a first run, or a restart, was answered or dropped."""
        self._begun.discard(task.key)
        self._restarted -= {task.key}
        if self._waits is not None:
            waits, self._waits = list(self._waits), None
            for wait in waits:
                self.live.manager.settle(wait, self._subscriptions.values())

    def update_identity(self, subscription: Subscription) -> None:
        """Identify a subscription again after a run, since the cookies may have changed."""
        if subscription.query is not None:
            self._refresh(subscription)

    def _refresh(self, subscription: Subscription) -> None:
        before, attendance = subscription.key, subscription.attendance
        self.identify(subscription, self.host.cookie_for(subscription.message.url))
        if subscription.key != before:
            if attendance is not None:
                attendance.suspend()  # another identity must not get what was for this one
            self.live.manager.move(subscription)
        if attendance is not None and attendance.wants_session:
            attendance.set_session(self.session_of(subscription))

    def logged_out(self) -> None:
        """End what was answered for the session's user, who has logged out."""
        self._end_all(
            [s for s in self._subscriptions.values() if s.by_session],
            Refused("session_ended", "the user has logged out"),
        )

    def end(self) -> None:
        """Forget all of them, since the connection has ended. Safe to call twice."""
        for key in list(self._subscriptions):
            self.cancel(key)
            self.host.finished(key)

    def when_settled(self, then: Callable[[bool], None]) -> Wait:
        """Call ``then`` once the client was sent all changes that are known now.

        Args:
            then: gets whether all of it had room, and whether the server can know of all changes.

        Returns:
            The wait, which can be canceled. Changes that are still on their way keep only the
            wait alive.
        """
        subscriptions, manager = self._subscriptions, self.live.manager
        begun = frozenset(self._begun)  # a run that begins later sees the changes
        is_known = True

        def check() -> None:
            if not is_known:
                then(False)
            elif self._restarted or not begun.isdisjoint(self._begun):
                wait.renew(check)
                if self._waits is None:
                    self._waits = WeakKeyDictionary()
                self._waits[wait] = None
            else:
                then(not any(s.is_behind for s in subscriptions.values()))

        wait = Wait(check)

        def received(has_all: bool) -> None:
            nonlocal is_known
            is_known = has_all
            if has_all:
                manager.settle(wait, subscriptions.values())
            else:
                wait.begin((), 0)

        self.live.when_received(received)
        return wait

    def _forget(self, key: Key) -> Subscription | None:
        subscription = self._subscriptions.pop(key, None)
        if subscription is not None:
            if subscription.attendance is not None:
                subscription.attendance.end()
            self._exchange(subscription, ())
            self.account.give(subscription.message_bytes)
            subscription.message_bytes = 0
        if not self._subscriptions:
            self.live.manager.certainty.leave(self)
            self._pairs = ("", {})
            if self._expiry_timer is not None:
                self._expiry_timer.cancel()
                self._expiry_timer = None
        return subscription

    def _end_all(self, subscriptions: Iterable[Subscription], why: Refused) -> None:
        for subscription in subscriptions:
            subscription.end(why)
            self.live.manager.leave(subscription)

    def refuse(self, subscription: Subscription, refused: Refused) -> None:
        """End a live request that can go on no longer, once the manager is done with its run."""
        self.host.server.pool.loop.call_soon(self._refuse, subscription, refused)

    def _refuse(self, subscription: Subscription, refused: Refused) -> None:
        if self._subscriptions.get(subscription.session_key) is subscription:
            self._end_all([subscription], refused)

    def count_rooms(self, subscription: Subscription, count: int) -> None:
        """Count the memory of so many rooms with that of the message.

        Raises:
            Refused: ``too_many_subscriptions``.
        """
        more = count * _ROOM_BYTES - subscription.room_bytes
        if more > 0:
            self.account.take(more, self.host.config.limits)
        else:
            self.account.give(-more)
        subscription.room_bytes += more
        subscription.message_bytes += more

    def attend(self, message: Request) -> Attendance | None:
        """Return what gets the events that a message asks for. None if it asks for none."""
        registry, most = self.live.push, self.host.config.limits.rooms
        if not message.events or registry is None or not most:
            return None
        if self._listener is None:
            self._listener = self.host.make_listener()
        kinds, since = message.events, message.since
        return Attendance(registry, self._listener, message.id, kinds, since, most)

    def session_of(self, subscription: Subscription) -> str | None:
        """Return the name of the session that the cookies of the connection name, or None."""
        name = self.host.config.session_cookie_name
        for cookie, value in cookie_pairs(self.host.cookie_for(subscription.message.url)):
            if cookie == name and value:
                return session_name(value)
        return None

    def identify(self, subscription: Subscription, cookie: str) -> None:
        """Set the key of a subscription from all that can change its response."""
        names = subscription.cookie_names
        pairs = self._pairs_of(cookie, names)
        identity: Hashable = self._identity
        if subscription.is_personal:
            identity = self._identity, self.host.info.connection_id
        subscription.key = _key(subscription.message, names, pairs, identity)

    def _pairs_of(self, cookie: str, names: frozenset[str] | None) -> _Pairs:
        """Return the cookies of a header that the view has read.

        A header may have 64 KiB, and each run needs its cookies, so it is parsed once.
        """
        if cookie != self._pairs[0]:
            self._pairs = (cookie, {})
        known = self._pairs[1]
        if names not in known:
            if None not in known:
                known[None] = cookie_pairs(cookie)
            if names is not None:
                known[names] = tuple(pair for pair in known[None] if pair[0] in names)
        return known[names]


def _body_bytes(results: Iterable[Snapshot]) -> int:
    count = 0
    for result in results:  # one of them as a rule, for each of a thousand subscribers
        count += len(result.body)
    return count


def _message_bytes(message: Request, cookie: str) -> int:
    """Return what a live request takes besides its response, with what is stored under its key."""
    texts = [message.url, message.query, message.token or "", cookie]
    for name, value in message.headers.items():
        texts += (name, value)
    return _OVERHEAD_BYTES + 2 * sum(map(len, texts))  # once in the message, once in its key


def _identity_of(base: Base) -> bytes:
    """Return a digest of all that the handshake says about its client, except the cookies."""
    facts = sorted(
        (key, str(value)) for key, value in base.environ.items() if key not in _NOT_IDENTITY
    )
    facts.append(("origin", str(base.origin)))
    return blake2b(repr(facts).encode(), digest_size=16).digest()


def _key(
    message: Request,
    names: frozenset[str] | None,
    pairs: _Pairs,
    identity: Hashable,
) -> Hashable:
    headers = tuple(sorted((n.lower(), v) for n, v in message.headers.items()))
    # A run for somebody who asks for no events finds out neither rooms nor the user.
    events = frozenset(message.events)
    return message.url, message.query, headers, message.token, names, pairs, identity, events
