"""Presence against any faults: when they end, every process soon knows exactly who is there."""

from collections import defaultdict
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.unit.push.simulated import Process, World
from wsrequest.push.presence import SETTLE_SECONDS

ROOMS = ["a", "b"]
MEMBERS = ["1", "2", "3"]
INFOS = [b"{}", b'{"name":"Ada"}', b'{"name":"Bob"}']


class Presences(RuleBasedStateMachine):
    """Joins, leaves and faults in any order."""

    @initialize(seed=st.integers(0, 2**16), count=st.integers(2, 4))
    def begin(self, seed: int, count: int) -> None:
        self.world = World(seed)
        for _ in range(count):
            self._start()

    def _start(self) -> None:
        process = self.world.start()
        for room in ROOMS:
            process.watch(room)

    def _awake(self, pick: int) -> Process | None:
        awake = [each for each in self.world.processes if not each.is_frozen]
        return awake[pick % len(awake)] if awake else None

    @rule(
        pick=st.integers(0, 9),
        room=st.sampled_from(ROOMS),
        member=st.sampled_from(MEMBERS),
        info=st.sampled_from(INFOS),
    )
    def join(self, pick: int, room: str, member: str, info: bytes) -> None:
        process = self._awake(pick)
        if process is not None:
            process.join(room, member, info)

    @rule(pick=st.integers(0, 9), room=st.sampled_from(ROOMS), count=st.integers(2, 600))
    def join_many(self, pick: int, room: str, count: int) -> None:
        process = self._awake(pick)
        if process is not None:
            for number in range(count):
                process.join(room, f"of{count}:{number}", INFOS[number % 3])

    @rule(pick=st.integers(0, 9), share=st.integers(2, 4))
    def leave_many(self, pick: int, share: int) -> None:
        process = self._awake(pick)
        if process is not None:
            for membership in process.memberships[::share]:
                process.leave(*membership)

    @rule(pick=st.integers(0, 9), which=st.integers(0, 9))
    def leave(self, pick: int, which: int) -> None:
        process = self._awake(pick)
        if process is not None and process.memberships:
            process.leave(*process.memberships[which % len(process.memberships)])

    @precondition(lambda self: len(self.world.processes) < 6)
    @rule()
    def start(self) -> None:
        self._start()

    @precondition(lambda self: len(self.world.processes) > 1)
    @rule(pick=st.integers(0, 9), is_kill=st.booleans())
    def end(self, pick: int, is_kill: bool) -> None:
        process = self.world.processes[pick % len(self.world.processes)]
        if is_kill or process.is_frozen:
            self.world.kill(process)
        else:
            self.world.end(process)

    @rule(pick=st.integers(0, 9), is_frozen=st.booleans())
    def freeze(self, pick: int, is_frozen: bool) -> None:
        self.world.processes[pick % len(self.world.processes)].is_frozen = is_frozen

    @rule(pick=st.integers(0, 9), is_cut=st.booleans())
    def cut(self, pick: int, is_cut: bool) -> None:
        process = self.world.processes[pick % len(self.world.processes)]
        (self.world.cut if is_cut else self.world.mend)(process)

    @rule(is_down=st.booleans())
    def restart_bus(self, is_down: bool) -> None:
        for process in self.world.processes:
            (self.world.cut if is_down else self.world.mend)(process)

    @rule(loss=st.sampled_from([0.0, 0.0, 0.2, 0.7]))
    def lose(self, loss: float) -> None:
        self.world.loss = loss

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 3.0, 6.0]))
    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.end_faults()
        self.world.advance(SETTLE_SECONDS)
        for room in ROOMS:
            infos = defaultdict(set)
            for process in self.world.processes:
                for joined, member, info in process.memberships:
                    if joined == room:
                        infos[member].add(info)
            shown = [_members(process, room) for process in self.world.processes]
            for process, members in zip(self.world.processes, shown, strict=True):
                assert members.keys() == infos.keys(), (process.name, room)
                assert members == process.lists[room], "the frames say something else"
            assert all(members == shown[0] for members in shown)
            for name, decoded in shown[0].items():
                assert decoded in [msgspec.json.decode(each) for each in infos[name]]


def _members(process: Process, room: str) -> dict[str, Any]:
    listed = msgspec.json.decode(process.presence.encoded(room) or b"[]")
    found = {each["id"]: each["info"] for each in listed}
    assert len(found) == len(listed), "a member is there twice"
    return found


@pytest.mark.once
def test_all_processes_know_exactly_who_is_there_when_faults_have_ended() -> None:
    run_state_machine_as_test(
        Presences, settings=settings(max_examples=100, stateful_step_count=40, deadline=None)
    )
