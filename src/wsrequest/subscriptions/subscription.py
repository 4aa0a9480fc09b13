"""The live requests of one connection: who is subscribed to what, and what it was sent last.

Owns the frames of their versions. When a view runs again is the registry's.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable
from functools import partial
from time import time
from typing import Protocol
from weakref import WeakKeyDictionary

import msgspec

from wsrequest.errors import Refused
from wsrequest.live.query import LiveQuery, Run, Wait
from wsrequest.live.round_robin import Turn
from wsrequest.live.snapshot import Snapshot, tag_matches
from wsrequest.protocol.messages import Request, Response
from wsrequest.protocol.server_codec import encode_refused, encode_server, encode_version
from wsrequest.protocol.session import Key
from wsrequest.request.cookies import cookie_pairs
from wsrequest.request.environ import split_url
from wsrequest.server.admission import place_of
from wsrequest.server.context import Live
from wsrequest.subscriptions.run import (
    LiveTask,
    Place,
    Rerun,
    Told,
    check_live,
    identity_of,
    without,
)
from wsrequest.subscriptions.shared import SharedKey, SharedPlace, message_of
from wsrequest.types import Frame

__all__ = ["Line", "Subscription", "Subscriptions", "too_large_to_subscribe"]

_LATE_SECONDS = 0.01  # a timer may fire a little early by the clock that cookies go by
_MOST_SECONDS = 86_400.0  # that clock may be set, and a loop counts only so far

_Pairs = tuple[tuple[str, str], ...]

# Of a live request without its texts and its answer, in a group of its own that reads some tables.
_OVERHEAD_BYTES = 4096


class Line(Place, Protocol):
    """A connection, or a stream of events, seen by its live requests."""

    def cookie_for(self, url: str) -> str:
        """The Cookie header that a request to ``url`` would have now."""

    def cookies_end(self) -> float | None:
        """Epoch seconds at which one of its cookies ends by itself; None when none does."""

    def has_room(self) -> bool:
        """Whether less waits than the client should be sent at once."""

    def show(self, frame: Frame, tag: str | None) -> None:
        """Send a frame behind those that wait.

        Args:
            frame: of a version, or of what ends them.
            tag: the ETag of what it shows; None without.
        """

    def begin_anew(self, key: Key, message: Request) -> None:
        """Run a live request that goes on once more as one that the client has sent."""

    def finished(self, key: Key) -> None:
        """A live request has ended; its id is free."""


class Subscription:
    """One live request. A subscriber of the registry.

    Args:
        home: the others of its connection.
        task: its first run, which has ended with a result.

    Attributes:
        by_session: whether it was answered for a user whom a session named.
        is_anew: whether it was begun again because a rerun could not be sent.
        is_personal: whether a run has read what only its connection has.
        is_behind: there is something newer than the client was sent, which had no room.
        held: what counts as held by it: the result that was sent last, and one that had no room.
        message_bytes: what its message counts for.
    """

    __slots__ = (
        "_first", "_home", "_is_exact", "_proof", "_sent", "_tags", "_version", "by_session",
        "cookie_names", "query", "held", "is_anew", "is_behind", "is_personal", "key", "message",
        "message_bytes", "session_key", "turn",
    )  # fmt: skip

    def __init__(self, home: "Subscriptions", task: LiveTask) -> None:
        self._home = home
        self.session_key = task.key  # what the connection knows it by
        # Later runs are no request of the client's: what names its request stays with the first.
        message = without(task.message, home.line.config.per_request_headers)
        self.message = msgspec.structs.replace(message, rerun="") if message.rerun else message
        self._tags = _tags(task.shown_message)  # what the client said that it holds
        self.by_session = task.by_session
        self.query: LiveQuery | None = None
        self.turn = home.turn
        self.is_anew = task.is_anew
        self.is_behind = False
        self._first: Response | None = task.head
        self._proof = task.proof  # it goes with the first
        self._sent: Snapshot | None = None
        self._is_exact = True  # the client holds that byte for byte
        self._version = 0
        self.cookie_names = task.cookie_names
        self.is_personal = task.is_personal
        self.key: Hashable = None
        self.held: tuple[Snapshot, ...] = ()
        self.message_bytes = 0

    @property
    def path(self) -> str:
        """Of its URL, for a line of the log."""
        return split_url(self.message.url)[0]

    def start(self, run: Run) -> Rerun:
        """Run the view again, as whoever sent the request."""
        home = self._home
        # Made for each run: a cookie that has ended is sent no more, even where its timer is late.
        cookie = home.line.cookie_for(self.message.url)
        on_end = partial(home.look_whose, self)
        # Once: where the visitor does not keep what is set, each rerun would have effects.
        ask_anew = None if self.is_anew else partial(home.ask_anew, self, run)
        return Rerun(home.line, self.message, cookie, run, home.live, on_end, ask_anew)

    def learn(self, observed: object, *, is_own: bool) -> None:
        """A run of its group has read what nobody knew to count: who differs in that?"""
        assert isinstance(observed, Told)
        names = self.cookie_names
        is_known = names is None or (observed.names is not None and observed.names <= names)
        if is_known and self.is_personal >= observed.is_personal:
            return
        self.is_personal |= observed.is_personal
        if names is not None:
            self.cookie_names = None if observed.names is None else names | observed.names
        home = self._home
        # The one who was run was answered for the cookies of the run.
        home.identify(self, observed.cookie if is_own else home.line.cookie_for(self.message.url))

    def start_shared(self, run: Run) -> Rerun:
        """Run the view again as nobody, for all who share its public answer."""
        home, line = self._home, self._home.line
        assert run.query is not None  # only first runs have none
        key = run.query.key
        assert isinstance(key, SharedKey)
        place = SharedPlace(line.server, line.config, line.base, key)
        return Rerun(place, message_of(key), "", run, home.live)

    def show(self, version: int, result: Snapshot) -> None:
        """Send a result, unless the client holds the same, or something newer."""
        sent = self._sent
        if version <= self._version:
            return
        if sent is not None and sent.digest == result.digest:
            self._version, self.is_behind = version, False
            self.keep(result)
            return
        line = self._home.line
        if self._first is None and not line.has_room():
            self.is_behind = True  # the newest is sent when there is
            self._home.hold(self, *((result,) if sent is None else (sent, result)))
            return
        if not self._home.hold(self, result):
            return
        frame = self._first_frame(version, result) or self._next_frame(version, result)
        self._sent, self._version, self.is_behind = result, version, False
        line.show(frame, result.tag)

    def keep(self, result: Snapshot) -> None:
        """Hold this one instead of an equal one of its own."""
        sent = self._sent
        if sent is None or not self._home.hold(self, result):
            return
        if sent is not result and sent.body != result.body:
            self._is_exact = False  # no patch: the client has other bytes that mean the same
        self._sent = result

    def catch_up(self) -> None:
        """There is room again."""
        query = self.query
        if self.is_behind and query is not None and query.latest is not None:
            self.show(query.version, query.latest)

    def end(self, why: Snapshot | Refused) -> None:
        """Send what ended it."""
        id = self.message.id
        if isinstance(why, Refused):
            self._home.ended(self, encode_refused(Refused(why.code, why.detail, id)), None)
        else:
            self._home.ended(self, why.frame(Response(why.status, why.headers, id)), why.tag)

    def take(self, count: int) -> bool:
        """Count so many bytes more for what its view reads. False where that is too much."""
        return self._home.account.spare(count, self._home.line.config.limits)

    def give(self, count: int) -> None:
        """Count so many bytes less."""
        self._home.account.give(count)

    def _first_frame(self, version: int, result: Snapshot) -> Frame | None:
        head, self._first = self._first, None
        if head is None:
            return None
        tags, self._tags = self._tags, ""  # they are for this one only
        proof, self._proof = self._proof, ""
        headers, status, is_held = {**head.headers}, head.status, False
        if result.etag is not None:
            headers = {n: v for n, v in headers.items() if n.lower() != "etag"}
            headers["ETag"] = result.etag
            if tag_matches(tags, result.etag):
                headers.pop("Content-Length", None)
                status, is_held = 304, True
                self._is_exact = not result.etag.startswith("W/")
        first = msgspec.structs.replace(
            head, status=status, headers=headers, version=version, rerun=proof or None
        )
        return encode_server(first) if is_held else result.frame(first)

    def _next_frame(self, version: int, result: Snapshot) -> Frame:
        tail = None
        if self.message.patch == "json" and self._sent is not None and self._is_exact:
            tail = result.patch_tail(self._sent)
        self._is_exact = True
        id = self.message.id
        if tail is None and result.is_large:  # a tail would be one more copy
            return result.frame(Response(result.status, result.headers, id, version=version))
        return encode_version(id, version, tail or result.tail())


class Subscriptions:
    """The live requests of one connection. Used on the event loop only.

    Args:
        line: the connection.
        live: of the service.
    """

    __slots__ = (
        "_begun",
        "_ending",
        "_held_bytes",
        "_identity",
        "_pairs",
        "_renewed",
        "_subscriptions",
        "_waits",
        "account",
        "line",
        "live",
        "turn",
    )

    def __init__(self, line: Line, live: Live) -> None:
        self.line, self.live = line, live
        self._subscriptions: dict[Key, Subscription] = {}
        self._identity = identity_of(line.base)
        address = place_of(line.base.environ.get("REMOTE_ADDR", ""))
        self.turn = Turn(address or self, self)  # behind a Unix socket there are no addresses
        self.account = line.server.budget.account_of(address)
        self._held_bytes = 0  # of the bodies of all that is held
        # Of the last Cookie header: all its cookies, and those of some names.
        self._pairs: tuple[str, dict[frozenset[str] | None, _Pairs]] = ("", {})
        self._ending: asyncio.TimerHandle | None = None  # of the next cookie that ends by itself
        # Whose first runs are under way. What such a run read may be older than what has changed
        # since it began, so what was changed is not settled before its answer.
        self._begun: set[Key] = set()
        # Those that are begun again: nothing is settled before their answers.
        self._renewed: frozenset[Key] = frozenset()
        # In order. Who waits holds its wait; what was revoked is kept by nobody.
        self._waits: WeakKeyDictionary[Wait, None] | None = None

    def __len__(self) -> int:
        """How many are live."""
        return len(self._subscriptions)

    def begin(self, task: LiveTask) -> None:
        """Take the position before the first run of a live request. Safe to call twice."""
        if task.live_run is None:
            task.live_run = self.live.manager.begin()
            self._begun.add(task.key)

    def answered(self, task: LiveTask) -> Frame | None:
        """Take the end of a first run that was not dropped.

        Returns:
            What ends the request, where it does not go on; None where it does, and its first
            version was sent.
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
            else:
                return None
        self.live.manager.abandon(run)
        if refused is not None:
            return encode_refused(refused)
        if result is None or head is None:
            return None
        return result.frame(head)

    def hold(self, subscription: Subscription, *results: Snapshot) -> bool:
        """Count what a subscription holds from now on; False where that is too much and ends it."""
        if subscription.held == results:
            return True
        try:
            self._exchange(subscription, results)
        except Refused as refused:
            self._end_all([subscription], refused)
            return False
        return True

    def _exchange(self, subscription: Subscription, results: tuple[Snapshot, ...]) -> None:
        limits = self.line.config.limits
        before, subscription.held = subscription.held, ()
        self._held_bytes -= _body_bytes(before)
        self.account.exchange(before, (), limits)
        if self._held_bytes + _body_bytes(results) > limits.answer_bytes:
            most = limits.answer_bytes
            raise Refused("answer_too_large", f"live answers may have {most} bytes together")
        self.account.exchange((), results, limits)
        subscription.held = results
        self._held_bytes += _body_bytes(results)

    def _go_live(self, task: LiveTask, result: Snapshot) -> None:
        check_live(task.reads, task.expires_seconds)
        subscription = Subscription(self, task)
        self._exchange(subscription, (result,))
        try:
            count = _message_bytes(subscription.message, task.cookie)
            self.account.take(count, self.line.config.limits)
        except Refused:
            self._exchange(subscription, ())
            raise
        subscription.message_bytes = count
        self._subscriptions[task.key] = subscription
        # As whoever it was answered for, which may be another than the connection is by now: an
        # answer that set cookies came meanwhile, or this is one.
        self.identify(subscription, task.cookie)
        assert task.live_run is not None
        self.live.manager.join(
            subscription, task.live_run, result, task.reads, expires_seconds=task.expires_seconds
        )
        self._refresh(subscription)
        self._watch_cookies()

    def abandon(self, task: LiveTask) -> None:
        """A first run was dropped. Safe to call twice."""
        if task.live_run is not None:
            self.live.manager.abandon(task.live_run)

    def cancel(self, key: Key) -> bool:
        """The client wants to hear no more of a request. False for one that is not live."""
        subscription = self._forget(key)
        if subscription is None:
            return False
        self.live.manager.leave(subscription)
        return True

    def ended(self, subscription: Subscription, frame: Frame, tag: str | None) -> None:
        """A request has ended by itself; ``frame`` says why, ``tag`` is its ETag."""
        if self._forget(subscription.session_key) is not None:
            self.line.show(frame, tag)
            self.line.finished(subscription.session_key)

    def go_on(self) -> None:
        """The client has read."""
        for subscription in list(self._subscriptions.values()):
            if subscription.is_behind and self.line.has_room():
                subscription.catch_up()

    def refresh(self) -> None:
        """The cookies of the connection have changed, and with them whose they are."""
        for subscription in list(self._subscriptions.values()):
            self._refresh(subscription)
        self._watch_cookies()

    def _watch_cookies(self) -> None:
        """With the end of a cookie the client becomes another, and is shown what that one is."""
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        end = self.line.cookies_end() if self._subscriptions else None
        if end is not None:
            seconds = min(max(0.0, end - time()) + _LATE_SECONDS, _MOST_SECONDS)
            loop = self.line.server.pool.loop
            self._ending = loop.call_later(seconds, self.refresh)

    def ask_anew(self, subscription: Subscription, run: Run) -> None:
        """Begin a live request again, as if the client had sent it now: with its effects.

        Its reruns need what only such a run can set. Does nothing where it has gone elsewhere.
        """
        if subscription.query is not run.query or subscription.query is None:
            return
        self._renewed |= {subscription.session_key}
        self._forget(subscription.session_key)
        self.live.manager.leave(subscription)
        self.line.begin_anew(subscription.session_key, subscription.message)

    def renewed(self, task: LiveTask) -> None:
        """A first run has been answered, or is not wanted any more; so has what began it again."""
        self._begun.discard(task.key)
        self._renewed -= {task.key}
        if self._waits is not None:
            waits, self._waits = list(self._waits), None
            for wait in waits:
                self.live.manager.settle(wait, self._subscriptions.values())

    def look_whose(self, subscription: Subscription) -> None:
        """A run that was made as one of them has ended; the cookies may be others by now."""
        if subscription.query is not None:
            self._refresh(subscription)

    def _refresh(self, subscription: Subscription) -> None:
        before = subscription.key
        self.identify(subscription, self.line.cookie_for(subscription.message.url))
        if subscription.key != before:
            self.live.manager.move(subscription)

    def logged_out(self) -> None:
        """The session's user is gone: end what was answered for it."""
        self._end_all(
            [s for s in self._subscriptions.values() if s.by_session],
            Refused("session_ended", "the user has logged out"),
        )

    def end(self) -> None:
        """Forget all of them, for the connection has ended. Safe to call twice."""
        for key in list(self._subscriptions):
            self.cancel(key)
            self.line.finished(key)

    def when_settled(self, then: Callable[[bool], None]) -> Wait:
        """Call ``then`` once the client was sent what is known to have changed.

        Args:
            then: is told whether all of it had room.

        Returns:
            The wait, so that it can be revoked. What has still to be heard of keeps no more than
            that alive.
        """
        subscriptions, manager = self._subscriptions, self.live.manager
        begun = frozenset(self._begun)  # what begins later has seen what is to be settled

        def look() -> None:
            if self._renewed or not begun.isdisjoint(self._begun):
                wait.renew(look)
                if self._waits is None:
                    self._waits = WeakKeyDictionary()
                self._waits[wait] = None
            else:
                then(not any(s.is_behind for s in subscriptions.values()))

        wait = Wait(look)
        self.live.when_heard(lambda: manager.settle(wait, subscriptions.values()))
        return wait

    def _forget(self, key: Key) -> Subscription | None:
        subscription = self._subscriptions.pop(key, None)
        if subscription is not None:
            self._exchange(subscription, ())
            self.account.give(subscription.message_bytes)
            subscription.message_bytes = 0
        if not self._subscriptions:
            self._pairs = ("", {})
            if self._ending is not None:
                self._ending.cancel()
                self._ending = None
        return subscription

    def _end_all(self, subscriptions: Iterable[Subscription], why: Refused) -> None:
        for subscription in subscriptions:
            subscription.end(why)
            self.live.manager.leave(subscription)

    def identify(self, subscription: Subscription, cookie: str) -> None:
        """Say who it is that asks, by all that can make a difference to the answer."""
        names = subscription.cookie_names
        pairs = self._pairs_of(cookie, names)
        who: Hashable = self._identity
        if subscription.is_personal:
            who = self._identity, self.line.info.connection_id
        subscription.key = _key(subscription.message, names, pairs, who)

    def _pairs_of(self, cookie: str, names: frozenset[str] | None) -> "_Pairs":
        """The cookies of a header that count: those that the view has never read do not.

        A header may have 64 KiB, and each run asks; it is read once.
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


def too_large_to_subscribe(most: int) -> Refused:
    """Why a message cannot be live that is longer than ``most`` bytes."""
    return Refused("message_too_large", f"a message with subscribe may have {most} bytes")


def _body_bytes(results: Iterable[Snapshot]) -> int:
    return sum(len(result.body) for result in results)


def _message_bytes(message: Request, cookie: str) -> int:
    """What a live request takes besides its answer, with what is found by it."""
    texts = [message.url, message.query, message.token or "", cookie]
    for name, value in message.headers.items():
        texts += (name, value)
    return _OVERHEAD_BYTES + 2 * sum(map(len, texts))  # once in the message, once in its key


def _tags(message: Request) -> str:
    told = [value for name, value in message.headers.items() if name.lower() == "if-none-match"]
    return ", ".join(told)


def _key(
    message: Request,
    names: frozenset[str] | None,
    pairs: tuple[tuple[str, str], ...],
    identity: Hashable,
) -> Hashable:
    headers = tuple(sorted((n.lower(), v) for n, v in message.headers.items()))
    return message.url, message.query, headers, message.token, names, pairs, identity
