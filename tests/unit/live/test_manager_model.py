"""The manager against a model database: whatever the order of events, it ends in the right state.

After quiescence each subscriber was shown what a run gives now, nobody was ever shown what another
identity may see, versions grew, and nothing is left of those who have left.
"""

from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.unit.live.fakes import FakeSubscriber, Job, World, wrote
from wsrequest.live import commit_log
from wsrequest.live.manager import LiveQueryManager
from wsrequest.live.query import Run
from wsrequest.live.scheduler import RerunScheduler
from wsrequest.live.snapshot import Snapshot
from wsrequest.live.waits import Wait
from wsrequest.types import Commit, ReadPredicate

TABLES = ["pointer", "zero", "one", "visits", "rights"]
URLS = ["followed", "page", "mine", "counted", "fragile"]
PEOPLE = ["ann", "bob"]
DELIVERY = ["now", "now", "later", "later", "never"]

tables = st.sampled_from(TABLES)
urls = st.sampled_from(URLS)
people = st.sampled_from(PEOPLE)


class Database:
    """Values by table, and the views that read them."""

    def __init__(self) -> None:
        self.values: dict[str, int] = dict.fromkeys(TABLES, 0)

    def view(self, url: str, person: str) -> tuple[Snapshot, frozenset[ReadPredicate]]:
        """What a run gives now, and what it reads for that."""
        seen: list[str] = []

        def value(table: str) -> int:
            seen.append(table)
            return self.values[table]

        result = self._answer(url, person, value)
        return result, frozenset(ReadPredicate("default", table) for table in seen)

    def _answer(self, url: str, person: str, value: Any) -> Snapshot:
        shared: Any = None
        if url == "followed":  # what it reads depends on what it read
            shown = value("zero" if value("pointer") % 2 == 0 else "one")
        elif url == "page":  # public, and at times not
            shown, is_public = value("one"), value("rights") % 3 != 1
            shared = "page" if is_public else None
        elif url == "mine":
            if value("rights") % 4 == 3 and person == "bob":
                return Snapshot(403, {}, b"bob may not")
            shown = value("zero")
        elif url == "counted":  # a view that writes, but not what it reads
            shown = value("one")
        else:
            shown = value("visits")
        who = "all" if shared else person
        return Snapshot(200, {}, f"{url} {shown} for {who}".encode(), shared)


class Reading:
    """A run: what it has read, once it has."""

    def __init__(self, run: Run, url: str, person: str, job: Job | None = None) -> None:
        self.run, self.url, self.person, self.job = run, url, person, job
        self.read: tuple[Snapshot, frozenset[ReadPredicate]] | None = None


def in_order(touched: Any) -> Any:
    """The order of a set is that of addresses, and another when an example is run again."""
    return lambda changes: sorted(touched(changes), key=lambda query: str(query.key))


def _key(subscriber: Any) -> tuple[str, str]:
    """What this model makes keys of: a URL and a person."""
    url, person = subscriber.key
    return url, person


class ManagerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(max_runs=2, least_seconds=0.05, run_seconds=5.0)
        self.manager = self.world.manager
        self.manager._index.touched = in_order(self.manager._index.touched)  # type: ignore[method-assign]
        self.database = Database()
        self.undelivered: list[Commit] = []
        self.first: list[Reading] = []
        self.again: list[Reading] = []
        self.live: list[FakeSubscriber] = []
        self.known = 0  # jobs that were looked at
        self.waiting: list[tuple[list[FakeSubscriber], dict[str, int], list[str]]] = []

    @initialize(wanted=st.sets(urls, min_size=1, max_size=3))
    def begin(self, wanted: set[str]) -> None:
        for url in sorted(wanted):
            for person in PEOPLE:
                self.subscribe(url, person)

    # Commits, and their delivery.

    @rule(written=st.sets(tables, min_size=1, max_size=2), delivery=st.sampled_from(DELIVERY))
    def commit(self, written: set[str], delivery: str) -> None:
        self.write(*sorted(written))
        if delivery == "now":
            self.deliver()
        elif delivery == "never":
            self.undelivered.clear()
            self.manager.lost()

    def deliver(self) -> None:
        while self.undelivered:
            self.manager.receive(self.undelivered.pop(0))

    def write(self, *written: str, run: Run | None = None) -> None:
        for table in written:
            self.database.values[table] += 1
        self.undelivered.append(wrote(*written, run=run))

    # Who comes and goes.

    @rule(url=urls, person=people, reads=st.booleans())
    def ask(self, url: str, person: str, reads: bool) -> None:
        reading = Reading(self.manager.begin(), url, person)
        self.first.append(reading)
        if reads:
            self.read(reading)

    @precondition(lambda self: self.first)
    @rule(is_wanted=st.sampled_from([True, True, True, False]))
    def answer_first(self, is_wanted: bool) -> None:
        reading = self.first.pop(0)
        result, reads = self.read(reading)
        if not is_wanted or not result.is_success:
            self.manager.abandon(reading.run)
            return
        subscriber = self.world.subscriber((reading.url, reading.person))
        self.live.append(subscriber)
        self.manager.join(subscriber, reading.run, result, reads)

    @rule(url=urls, person=people)
    def subscribe(self, url: str, person: str) -> None:
        subscriber = self.world.subscriber((url, person))
        run = self.manager.begin()
        result, reads = self.database.view(url, person)
        if result.is_success:
            self.live.append(subscriber)
            self.manager.join(subscriber, run, result, reads)
        else:
            self.manager.abandon(run)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        subscriber = data.draw(st.sampled_from(self.live))
        self.live.remove(subscriber)
        self.manager.leave(subscriber)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), person=people)
    def become(self, data: st.DataObject, person: str) -> None:
        subscriber = data.draw(st.sampled_from(self.live))
        if subscriber.key[1] != person:  # type: ignore[index]
            subscriber.key = (subscriber.key[0], person)  # type: ignore[index]
            subscriber.shown_before = len(subscriber.shown)  # type: ignore[attr-defined]
            self.manager.move(subscriber)

    @precondition(lambda self: self.live)
    @rule()
    def wait_until_settled(self) -> None:
        """What is so now must be shown before it is said to be."""
        self.deliver()
        settled: list[str] = []
        before = dict(self.database.values)
        self.waiting.append((list(self.live), before, settled))
        self.manager.settle(Wait(lambda: settled.append("settled")), list(self.live))

    # Runs.

    def read(self, reading: Reading) -> tuple[Snapshot, frozenset[ReadPredicate]]:
        if reading.read is None:
            reading.read = self.database.view(reading.url, reading.person)
            if reading.url == "counted":
                self.write("visits", run=reading.run)
        return reading.read

    def look(self) -> None:
        """Take up what the manager has begun."""
        for job in self.world.jobs[self.known :]:
            url, person = _key(job.subscriber)
            person = "nobody" if job.is_shared else person
            self.again.append(Reading(job.run, url, person, job))
        self.known = len(self.world.jobs)

    @precondition(lambda self: self.again)
    @rule(data=st.data())
    def read_again(self, data: st.DataObject) -> None:
        self.read(data.draw(st.sampled_from(self.again)))

    @precondition(lambda self: self.again)
    @rule(data=st.data(), end=st.sampled_from(["well", "well", "well", "failure", "nothing"]))
    def answer_again(self, data: st.DataObject, end: str) -> None:
        reading = data.draw(st.sampled_from(self.again))
        if end == "well":
            self.answer(reading)
        else:
            self.again.remove(reading)
            down = Snapshot(503, {}, f"{reading.person} sees an error".encode())
            self.manager.finished(reading.run, down if end == "failure" else None, ())

    def answer(self, reading: Reading) -> None:
        self.again.remove(reading)
        result, reads = self.read(reading)
        self.manager.finished(reading.run, result, reads)

    @rule(seconds=st.sampled_from([0.01, 0.1, 1.0, 6.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    # What always holds.

    @invariant()
    def all_is_well(self) -> None:
        self.look()
        for subscriber in list(self.live):
            self.check(subscriber)
            if subscriber.ends:
                assert subscriber.query is None
                self.live.remove(subscriber)
        manager = self.manager
        assert all(query.subscribers for query in manager._queries.values())
        members = [who for query in manager._queries.values() for who in query.subscribers]
        assert len(members) == len(set(members)) == len(self.live)
        assert set(manager._index._reads) <= set(manager._queries.values())
        assert sum(g.run is not None for g in manager._queries.values()) <= 2
        is_read = bool(self.live or self.first or manager._log.is_needed)
        assert self.world.is_active[-1:] == [is_read] or not (is_read or self.world.is_active)
        for waiting in list(self.waiting):
            if waiting[2]:
                self.waiting.remove(waiting)
                self.check_settled(waiting)

    def check(self, subscriber: FakeSubscriber) -> None:
        versions = [version for version, _ in subscriber.shown]
        assert versions == sorted(set(versions))
        url, person = _key(subscriber)
        since = getattr(subscriber, "shown_before", 0)
        for _, result in subscriber.shown[since:]:
            shown = result.body.decode()
            assert not shown or shown.startswith(url) or shown.startswith(person), shown
            assert not shown or shown.endswith("for all") or person in shown, shown

    def check_settled(self, waiting: Any) -> None:
        """No table that was read for what is shown is older than when it was asked."""
        subscribers, before, _ = waiting
        for subscriber in subscribers:
            if subscriber not in self.live or not subscriber.shown[-1][1].is_success:
                continue
            url, shown = subscriber.body.decode().split()[:2]
            least = {
                "followed": min(before["zero"], before["one"]),
                "page": before["one"],
                "mine": before["zero"],
                "counted": before["one"],
                "fragile": before["visits"],
            }[url]
            assert int(shown) >= least, (url, shown, before)

    # Quiescence.

    def teardown(self) -> None:
        for _ in range(400):
            self.deliver()
            while self.first:
                self.manager.abandon(self.first.pop().run)
            self.all_is_well()
            for reading in list(self.again):
                # A run that had read before is answered with what was so then.
                self.answer(reading)
                self.deliver()
            self.look()
            if not self.again and not self.world.clock.waiting and not self.undelivered:
                break
            self.world.clock.advance(0.5)
        else:
            raise AssertionError("there is no end to it")
        self.all_is_well()
        assert not self.waiting
        for subscriber in self.live:
            result, _ = self.database.view(*subscriber.key)  # type: ignore[misc]
            assert subscriber.body == result.body, subscriber.key
        for subscriber in self.live:
            self.manager.leave(subscriber)
        assert self.world.is_empty() and not len(self.manager._log)
        assert self.world.is_active[-1:] in ([False], [])


def run(examples: int, **kwargs: Any) -> None:
    run_state_machine_as_test(
        ManagerMachine,
        settings=settings(max_examples=examples, stateful_step_count=30, deadline=None, **kwargs),
    )


@pytest.mark.once
def test_manager_ends_with_what_is_so() -> None:
    run(150)


# The machine is itself tested, with planted faults.


def forget_to_look_back(patch: pytest.MonkeyPatch) -> None:
    close = commit_log.CommitLog.close
    patch.setattr(commit_log.CommitLog, "close", lambda *args: close(*args) and False)


def forget_what_changed_while_running(patch: pytest.MonkeyPatch) -> None:
    queue = RerunScheduler.queue

    def plant(self: RerunScheduler, query: Any, *, is_old: bool = False) -> None:
        if query.run is None:
            queue(self, query, is_old=is_old)

    patch.setattr(RerunScheduler, "queue", plant)
    forget_to_look_back(patch)


def take_late_ends(patch: pytest.MonkeyPatch) -> None:
    finished = LiveQueryManager.finished

    def plant(self: LiveQueryManager, run: Run, result: Any, reads: Any, **kwargs: Any) -> None:
        query = run.query
        if run.is_over and result is not None and query is not None and query.subscribers:
            self._version += 1
            query.show(self._loop, self._version, result)
        else:
            finished(self, run, result, reads, **kwargs)

    patch.setattr(LiveQueryManager, "finished", plant)


def share_without_identity(patch: pytest.MonkeyPatch) -> None:
    accept = LiveQueryManager._accept

    def plant(self: LiveQueryManager, query: Any, run: Run, result: Snapshot, *rest: Any) -> None:
        result.shared_key = query.key
        accept(self, query, run, result, *rest)

    patch.setattr(LiveQueryManager, "_accept", plant)
    patch.setattr(
        LiveQueryManager, "_key", lambda self, subscriber, result: ("all", subscriber.key[0])
    )


def share_what_is_private_now(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LiveQueryManager, "_separate", lambda self, query: None)


def drop_what_was_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LiveQueryManager, "lost", lambda self: None)


def keep_the_version_of_another(patch: pytest.MonkeyPatch) -> None:
    move = LiveQueryManager.move

    def plant(self: LiveQueryManager, subscriber: Any) -> None:
        query = self._queries.get(subscriber.key)
        version = self._version
        self._version = query.version - 1 if query else version
        move(self, subscriber)
        self._version = version

    patch.setattr(LiveQueryManager, "move", plant)


@pytest.mark.once
@pytest.mark.parametrize(
    "plant",
    [
        forget_to_look_back,
        forget_what_changed_while_running,
        take_late_ends,
        share_without_identity,
        share_what_is_private_now,
        drop_what_was_lost,
        keep_the_version_of_another,
    ],
)
def test_a_planted_fault_is_found(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, KeyError, IndexError, ExceptionGroup)):
        # Derandomized: what chance finds today it should find tomorrow.
        run(1000, phases=[Phase.generate], database=None, derandomize=True)
