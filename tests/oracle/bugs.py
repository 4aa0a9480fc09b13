"""Bugs to plant, by which the oracle itself is tested: each must be found within a few commits.

Owns the names for ``scripts/oracle --bug``. Each is what somebody who writes such a library gets
wrong: the comments name where that happened (live-lessons: CA and CO are cachalot and cacheops).
"""

import dataclasses
import inspect
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any
from unittest import mock

from wsrequest.live.commit_log import CommitLog
from wsrequest.live.manager import LiveQueryManager
from wsrequest.live.sql import parameters as parameters_module
from wsrequest.live.sql.statement import NOTHING
from wsrequest.live.sql.statement_cache import StatementCache
from wsrequest.live.tracking import caches as module_of_caches
from wsrequest.live.tracking import catalog_cache
from wsrequest.live.tracking.cache_calls import Call
from wsrequest.live.tracking.caches import Caches
from wsrequest.live.tracking.connection import ConnectionTracker
from wsrequest.live.tracking.connection_state import ConnectionState
from wsrequest.live.tracking.keys import KeyTracker
from wsrequest.live.tracking.sessions import Sessions, _Contents
from wsrequest.live.tracking.statement_recorder import StatementRecorder
from wsrequest.live.tracking.tracker import installed
from wsrequest.subscriptions import change_feed, subscription_set
from wsrequest.subscriptions import run as run_module
from wsrequest.subscriptions import subscription as subscription_module
from wsrequest.subscriptions.subscription import Subscription
from wsrequest.subscriptions.subscription_set import SubscriptionSet
from wsrequest.types import Headers

__all__ = ["BUGS", "overflowing"]

Plant = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Bug:
    """One of them.

    Attributes:
        plant: it is there for the length of this context.
        urls: where it shows; others are watched too.
        is_rare: it shows when threads meet in a way that they seldom do: some runs of a few
            thousand commits do not find it, so ``scripts/oracle --bug`` alone looks for it.
    """

    plant: Plant
    urls: tuple[str, ...] = ()
    is_rare: bool = False


BUGS: dict[str, Bug] = {}


def bug(*urls: str, is_rare: bool = False) -> Callable[[Plant], Plant]:
    def decorate(plant: Plant) -> Plant:
        BUGS[plant.__name__.replace("_", "-")] = Bug(plant, urls, is_rare)
        return plant

    return decorate


def put(owner: Any, name: str, made: Callable[..., Any]) -> AbstractContextManager[Any]:
    """Put a fault in the place of a function.

    Raises:
        TypeError: it does not take what the function takes. The package keeps going when it fails
            to note a write, so such a fault would be planted and never show.
    """
    parameters = inspect.signature(getattr(owner, name)).parameters.values()
    named = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
    given = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    inspect.signature(made).bind(*given, **named)
    return mock.patch.object(owner, name, made)


def replacing(owner: Any, name: str, make: Callable[[Any], Any]) -> AbstractContextManager[Any]:
    """Put something made of the original in its place."""
    return put(owner, name, make(getattr(owner, name)))


# What was written, and when it is told.


@bug("/notes/", "/template/", "/rest/books/")
def published_before_commit() -> AbstractContextManager[Any]:
    """A run that begins at once reads the old rows, and nothing comes later (CA3, CO1)."""
    return put(ConnectionTracker, "_settle", lambda tracker, *statement: tracker.publish())


@bug("/notes/", "/odd/", "/rest/books/")
def lost_with_a_savepoint() -> AbstractContextManager[Any]:
    """What stood before the savepoint is committed all the same."""

    def make(execute: Any) -> Any:
        def forgetful(tracker: ConnectionTracker, run: Any, sql: Any, *rest: Any) -> Any:
            if str(sql).startswith("ROLLBACK TO"):
                tracker.pending.clear()
            return execute(tracker, run, sql, *rest)

        return forgetful

    return replacing(ConnectionTracker, "_execute", make)


@bug("/odd/")
def temporary_table_outlives_its_end() -> AbstractContextManager[Any]:
    """The table of the project that it hid is written for nobody."""
    return mock.patch.multiple(
        ConnectionState, forget=lambda state: None, _drop=lambda state, *how: None
    )


@bug()
def told_behind_the_hooks() -> AbstractContextManager[Any]:
    """A hook of the user's that raises keeps those behind it from running (CO2)."""

    def commit(tracker: ConnectionTracker, commit: Callable[[], None]) -> None:
        commit()
        changes = tracker.pending.take()
        tracker._connection.run_on_commit.append(
            (set(), lambda: tracker._tracker.publish(changes), False)
        )

    return put(ConnectionTracker, "_commit", commit)


@bug(is_rare=True)
def commit_by_hand_unseen() -> AbstractContextManager[Any]:
    """``set_autocommit(False)``, then ``commit()`` (CA6, CO5)."""

    def make(commit: Any) -> Any:
        def blind(tracker: ConnectionTracker, original: Callable[[], None]) -> None:
            if not tracker._connection.in_atomic_block and not tracker._connection.autocommit:
                if not tracker._connection.savepoint_state:
                    tracker.pending.clear()
            commit(tracker, original)

        return blind

    return replacing(ConnectionTracker, "_commit", make)


@bug("/team/1/", "/stream/async/")
def many_unseen() -> AbstractContextManager[Any]:
    """``executemany`` is not looked at."""

    def make(note: Any) -> Any:
        return lambda tracker, statement, params, many, done=None: (
            None if many else note(tracker, statement, params, many, done)
        )

    return replacing(StatementRecorder, "note_writes", make)


@bug(*(f"/equal/?kind={n}" for n in range(4)))
def new_values_only() -> AbstractContextManager[Any]:
    """A row that leaves a list is not in it by its new values."""

    def make(images: Any) -> Any:
        def after(written: Any, kinds: Any, params: Any, passes: Any) -> Any:
            found = list(images(written, kinds, params, passes))
            return found[1::2] if written.found and written.rows and None not in found else found

        return after

    return replacing(parameters_module, "_images", make)


@bug(*(f"/accounts/?kind={kind}&user={user}" for kind in range(2) for user in range(4)))
def members_by_name() -> AbstractContextManager[Any]:
    """A member of an enumeration is compared by its name."""

    def make(comparable: Any) -> Any:
        def by_name(kind: str, value: Any, *rest: Any) -> Any:
            return str(value) if isinstance(value, Enum) else comparable(kind, value, *rest)

        return by_name

    return replacing(parameters_module, "comparable", make)


@bug("/leaves/")
@contextmanager
def cascades_by_models_only() -> Iterator[None]:
    """The database deletes what no model says that it does."""

    def make(read: Any) -> Any:
        return lambda vendor, cursor: dataclasses.replace(
            read(vendor, cursor), deleted_with={}, updated_with={}
        )

    with replacing(catalog_cache, "read_catalog", make):
        tracker = installed()
        assert tracker is not None
        tracker.migrated("default")  # what a program before this one was told
        yield
    tracker.migrated("default")


# What was read.


@bug("/exists/", "/exists/?not=1")
def exists_missed() -> AbstractContextManager[Any]:
    """A walk of queries that does not go into all expressions (CA1e)."""

    def make(parse: Any) -> Any:
        return lambda memory, sql, *rest: parse(memory, _without_exists(sql), *rest)

    return replacing(StatementCache, "parse", make)


def _without_exists(sql: str) -> str:
    while found := re.search(r"EXISTS\s*\(", sql):
        at, depth = found.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[at], 0)
            at += 1
        sql = f"{sql[: found.start()]}1=1{sql[at:]}"
    return sql


@bug("/odd/", "/notebooks/")
def bare_names_missed() -> AbstractContextManager[Any]:
    """SQL that somebody wrote by hand names tables without quotes (CO9)."""

    def make(statement: Any) -> Any:
        def blind(tracker: ConnectionTracker, sql: Any, *how: Any, **named: Any) -> Any:
            is_bare = "oracle_" in str(sql) and '"oracle_' not in str(sql)
            return NOTHING if is_bare else statement(tracker, sql, *how, **named)

        return blind

    return replacing(ConnectionTracker, "_statement", make)


# What is answered from a cache.


@bug("/cached/numbers/?n=0", "/cached/numbers/?n=1", "/cached/tags/")
def cache_keys_unread() -> AbstractContextManager[Any]:
    """A view that the cache answers has read nothing."""
    return put(KeyTracker, "note", lambda *args, **kwargs: None)


@bug("/cached/numbers/?n=0", "/cached/numbers/?n=1")
def many_cache_keys_unseen() -> AbstractContextManager[Any]:
    """Only the operations on one key are looked at."""

    def make(keys: Any) -> Any:
        return lambda call: [] if call.operation.many and call.operation.writes else keys(call)

    return replacing(Call, "keys", make)


@bug("/cached/numbers/?n=0", "/cached/numbers/?n=1")
@contextmanager
def cache_table_told_at_once() -> Iterator[None]:
    """Django's DatabaseCache writes with the transaction, the others at once."""

    def make(wrote: Any) -> Any:
        def early(self: Any, *args: Any) -> None:
            wrote(self, *args)
            time.sleep(0.005)  # so that there is a run before the commit

        return early

    with put(module_of_caches, "_alias", lambda cache: None):
        with replacing(Caches, "_wrote", make):
            yield


@bug("/cached/numbers/?n=0", "/cached/numbers/?n=1")
def cleared_cache_unseen() -> AbstractContextManager[Any]:
    """What names no key writes none."""

    def make(wrote: Any) -> Any:
        return lambda self, store, keys, alias=None: wrote(
            self, store, [key for key in keys if key is not None], alias
        )

    return replacing(KeyTracker, "wrote", make)


@bug("/cached/numbers/?n=0", "/cached/numbers/?n=1")
@contextmanager
def told_before_the_cache_is_written() -> Iterator[None]:
    """A run that begins at once reads the old value, and nothing comes later."""
    wrote = Caches._wrote

    def make(places: Any) -> Any:
        def early(self: Any, call: Call) -> Any:
            found = places(self, call)
            if call.operation.writes:
                wrote(self, call, found, None)
                time.sleep(0.005)  # so that there is a run before it is written
            return found

        return early

    with (
        put(Caches, "_wrote", lambda *args: None),
        replacing(Caches, "_places", make),
    ):
        yield


@bug("/cached/basket/")
def sessions_unseen() -> AbstractContextManager[Any]:
    """A session is a value of the request, they think."""
    return put(Sessions, "_publish", lambda *args: None)


@bug("/cached/basket/")
def session_saved_again_unseen() -> AbstractContextManager[Any]:
    """A save counts only when a session is there for the first time."""

    def make(wrote: Any) -> Any:
        def once(self: Any, name: str, content: Any) -> bool:
            is_known = self._get(name)[0] is not None
            return bool(wrote(self, name, content)) and not is_known

        return once

    return replacing(_Contents, "wrote", make)


# When it runs again.


def overflowing() -> AbstractContextManager[Any]:
    """No bug: a queue so short that commits are lost all the time, which is told."""

    def make(init: Any) -> Any:
        class Short:
            def __init__(self, bus: Any) -> None:
                self._bus = bus

            def __getattr__(self, name: str) -> Any:
                return getattr(self._bus, name)

            def subscribe(self, *args: Any, **kwargs: Any) -> Any:
                return self._bus.subscribe(*args, **kwargs, queue_length=1)

        return lambda self, bus, *rest: init(self, Short(bus), *rest)

    return replacing(change_feed.ChangeFeed, "__init__", make)


@bug()
@contextmanager
def overflow_dropped() -> Iterator[None]:
    """Commits that did not fit into the queue are forgotten."""
    with ExitStack() as stack:
        stack.enter_context(overflowing())
        stack.enter_context(put(LiveQueryManager, "lost", lambda manager: None))
        yield


@bug(*(f"/slow/?kind={n}" for n in range(4)))
def stale_completion() -> AbstractContextManager[Any]:
    """What was committed while a view ran is not compared with what it read (CO12)."""

    def make(close: Any) -> Any:
        return lambda log, run, reads: close(log, run, reads) and False

    return replacing(CommitLog, "close", make)


@bug(*(f"/slow/?kind={n}" for n in range(4)))
def run_only_once() -> AbstractContextManager[Any]:
    """What is touched while it waits for its turn is taken for done when another run ends."""

    def make(finished: Any) -> Any:
        def forgetful(manager: LiveQueryManager, run: Any, *args: Any, **kwargs: Any) -> None:
            if run.query is not None:
                run.query.is_dirty = False
            run.position = manager._log.position
            finished(manager, run, *args, **kwargs)

        return forgetful

    return replacing(LiveQueryManager, "finished", make)


@bug(*(f"/slow/?kind={n}" for n in range(4)))
def settled_at_once() -> AbstractContextManager[Any]:
    """An answer says that its effect was sent, and does not wait for that."""
    return put(SubscriptionSet, "when_settled", lambda found, then: then(True))


# Who is shown what.


@bug("/mine/", "/own/")
def wrong_identity() -> AbstractContextManager[Any]:
    """One run for all who ask for the same URL."""

    def make(key: Any) -> Any:
        return lambda message, names, pairs, identity: key(message, None, (), b"")

    return replacing(subscription_set, "_key", make)


def _sharing(change: Callable[[Headers], Headers]) -> AbstractContextManager[Any]:
    def make(shared_key: Any) -> Any:
        return lambda status, headers, meta: shared_key(status, change(headers), meta)

    return replacing(run_module, "shared_key", make)


@bug("/private/")
def private_shared() -> AbstractContextManager[Any]:
    """A word that lets a result be shared counts for more than those that do not."""

    def public(headers: Headers) -> Headers:
        told = str(headers.get("Cache-Control", ""))
        found = {**headers, "Cache-Control": told.replace("private", "")}
        found.pop("Vary", None)
        return found

    return _sharing(public)


@bug("/varied/")
def vary_ignored() -> AbstractContextManager[Any]:
    """One result for all languages."""
    return _sharing(lambda headers: {n: v for n, v in headers.items() if n.lower() != "vary"})


@bug()
def tag_of_anything() -> AbstractContextManager[Any]:
    """Whoever holds something is told that it is current."""
    return put(subscription_module, "tag_matches", lambda told, etag: bool(told))


@bug(is_rare=True)
def slow_reader_forgotten() -> AbstractContextManager[Any]:
    """What had no room is not sent later."""

    def make(show: Any) -> Any:
        def forgetful(subscription: Subscription, version: int, result: Any) -> None:
            show(subscription, version, result)
            subscription.is_behind = False

        return forgetful

    return replacing(Subscription, "show", make)


@bug()
def patch_of_another_version() -> AbstractContextManager[Any]:
    """A patch is made for what was sent before the last."""

    def make(show: Any) -> Any:
        def forgetful(subscription: Subscription, version: int, result: Any) -> None:
            sent = subscription._sent
            show(subscription, version, result)
            if subscription.message.patch is not None and sent is not None:
                subscription._sent = sent

        return forgetful

    return replacing(Subscription, "show", make)
