"""A whole connection against the ledger: any order of frames, over turns of the event loop.

Whatever comes, a request with an id is answered exactly once, or the connection is closed with
a code; ids are free again; and at the end nothing is held any more.
"""

import asyncio
import json
from contextlib import AsyncExitStack
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

from tests.unit.ledger import Entry, Ledger
from tests.unit.peer import SECONDS, Peer, connected, make_server, pool_open
from tests.unit.views import STAGES
from wsrequest.connection.connection import RESTART
from wsrequest.connection.dispatcher import SLOW_READER
from wsrequest.protocol.session import Session
from wsrequest.server.context import ConnectionConfig
from wsrequest.types import Frame, Limits

LIMITS = Limits(in_flight=2, waiting=2, body_bytes=2000, message_bytes=4096, part_bytes=64)
MOST = LIMITS.in_flight + LIMITS.waiting
CUT = 2 * MOST + 1  # so many replies may wait for a client that does not read

ids = st.sampled_from([1, 2, "1", ""])  # few, so that they meet
some_ids = st.none() | ids
QUICK = ("/quick/a/", "/aquick/a/", "/fail/a/", "/pieces/a/", "/apieces/a/", "/blob/a/?size=300")
BAD: tuple[Frame, ...] = (
    "oops",
    "[]",
    '{"id":1,"url":"//x"}',
    '{"id":2,"url":5}',
    '{"id":"1","url":"/quick/a/","headers":{"Host":"x"}}',
    '{"id":1,"method":"BREW","url":"/quick/a/"}',
    '{"id":1,"credit":-1}',
    '{"cancel":true}',
    '{"id":2',
    b'{"id":1}',
    b"\xff\n",
    b'{"id":1,"url":"/quick/a/"}\nbody',
    '{"id":1,"x":"' + "x" * 5000 + '"}',
)


class ConnectionMachine(RuleBasedStateMachine):
    """``held`` are the requests whose views wait until they are let go, by their stage."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.ledger = Ledger(LIMITS)
        self.held: dict[str, Entry] = {}
        self.names = 0
        self.is_over = False
        self.burst: list[Frame] = []

    @initialize(greeted=st.booleans())
    def open(self, greeted: bool) -> None:
        self.peer: Peer = self.runner.run(self._open(greeted))

    async def _open(self, greeted: bool) -> Peer:
        STAGES.clear()  # of the example before
        self.pool = await self.stack.enter_async_context(pool_open(threads=4))
        peer = await self.stack.enter_async_context(
            connected(make_server(self.pool), greeted=greeted, config=ConnectionConfig(LIMITS))
        )
        if greeted:
            await peer.until(lambda: peer.messages)
            peer.messages.clear()
        await peer.becomes(lambda: peer.connection._task)
        return peer

    def say(self, frame: Frame) -> Entry | None:
        """Have the connection given a frame, together with the others up to the next ``settle``."""
        self.burst.append(frame)
        return self.ledger.take(frame)

    def write(self, **members: Any) -> str:
        return json.dumps({key: value for key, value in members.items() if value is not None})

    # What a client may do.

    @precondition(lambda self: not self.is_over)
    @rule(id=some_ids, url=st.sampled_from(QUICK), credit=st.none() | st.integers(0, 100))
    def request(self, id: Any, url: str, credit: int | None) -> None:
        self.settle_if_much_waits()
        self.say(self.write(id=id, url=url, credit=None if id is None else credit))

    @precondition(lambda self: not self.is_over)
    @rule(id=some_ids)
    def request_that_is_held(self, id: Any) -> None:
        self.settle_if_much_waits()
        self.names += 1
        name = f"n{self.names}"
        entry = self.say(self.write(id=id, url=f"/hold/{name}/"))
        if entry is not None:
            entry.is_held = True
            self.held[name] = entry

    @precondition(lambda self: not self.is_over)
    @rule(id=ids, body=st.binary(max_size=900), more=st.booleans())
    def request_with_a_body(self, id: Any, body: bytes, more: bool) -> None:
        self.settle_if_much_waits()
        head = self.write(id=id, method="POST", url="/echo/a/", more=more or None)
        self.say(head.encode() + b"\n" + body)

    @precondition(lambda self: not self.is_over)
    @rule(id=ids, body=st.binary(max_size=900), more=st.booleans())
    def part(self, id: Any, body: bytes, more: bool) -> None:
        self.settle_if_much_waits()
        self.say(self.write(id=id, more=more or None).encode() + b"\n" + body)

    @precondition(lambda self: not self.is_over)
    @rule(id=ids)
    def cancel(self, id: Any) -> None:
        entry = self.ledger.find(id)
        if entry is not None and entry.is_held:
            self.settle()  # whether it had begun would else be a race
        self.say(self.write(id=id, cancel=True))

    @precondition(lambda self: not self.is_over)
    @rule(id=ids, count=st.integers(0, 2**53 - 1))
    def credit(self, id: Any, count: int) -> None:
        self.say(self.write(id=id, credit=count))

    @precondition(lambda self: not self.is_over)
    @rule(frame=st.sampled_from(BAD) | st.binary(max_size=20) | st.text(max_size=20))
    def nonsense(self, frame: Frame) -> None:
        self.settle()  # it may finish a request that is held
        self.say(frame)

    @precondition(lambda self: not self.is_over)
    @rule(value=st.integers())
    def ping(self, value: int) -> None:
        self.settle_if_much_waits()
        self.say(self.write(ping=value))

    # What the views do, and the loop.

    @precondition(lambda self: self.held and not self.is_over)
    @rule(data=st.data())
    def let_go(self, data: st.DataObject) -> None:
        self.settle()
        name = data.draw(st.sampled_from(sorted(self.held)))
        self.held.pop(name).is_held = False
        STAGES[name].go.set()
        self.settle()

    @precondition(lambda self: not self.is_over)
    @rule()
    def settle(self) -> None:
        self.runner.run(self._settle())

    def settle_if_much_waits(self) -> None:
        """A burst of more replies than may wait is a rule of its own."""
        if len(self.burst) >= MOST:
            self.settle()

    async def _settle(self) -> None:
        """Wait for all that can come now: held views keep their place, and what is behind waits."""
        for frame in self.burst:  # no turn of the loop between them
            self.peer.connection.dispatcher.receive(frame)
        self.burst.clear()
        self._give_credit()
        while ends := [entry for entry in self._running() if not entry.is_held]:
            for entry in ends:
                self.ledger.unfinished.remove(entry)
                self.ledger.owed["answer", entry.id] += 1
            self._give_credit()
        await self.peer.becomes(self._is_settled)

    def _give_credit(self) -> None:
        for entry in self._running():
            if entry.credit is not None:
                self.peer.connection.dispatcher.receive(self.write(id=entry.id, credit=2**20))

    def _running(self) -> list[Entry]:
        """The requests that have a place: the first ones."""
        room = LIMITS.in_flight - self._lost()
        return [entry for entry in self.ledger.unfinished if not entry.is_uploading][:room]

    def _lost(self) -> int:
        """How many places are taken by views that run on although nobody waits for them."""
        return sum(
            STAGES[name].begun.is_set() and entry not in self.ledger.unfinished
            for name, entry in self.held.items()
        )

    def _is_settled(self) -> bool:
        for message in self.peer.messages:
            self.ledger.came(message)
        self.peer.messages.clear()
        places = self._running()
        held = [name for name, entry in self.held.items() if entry in places]
        running = len(list(self.peer.connection.dispatcher._running))
        return (
            not self.ledger.owed
            and all(STAGES[name].begun.is_set() for name in held)
            and running == len(held) + self._lost()
        )

    # Ends.

    @precondition(lambda self: not self.is_over)
    @rule()
    def ask_without_reading(self) -> None:
        self.settle()
        self.is_over = True
        assert self.runner.run(self._ask_without_reading()) == SLOW_READER

    async def _ask_without_reading(self) -> int:
        self.peer.reads.clear()
        for _ in range(CUT + 2):  # one may be on its way already
            self.peer.connection.dispatcher.receive('{"ping":1}')
        code, _ = await self.peer.is_closed()
        return code

    @precondition(lambda self: not self.is_over)
    @rule()
    def restart(self) -> None:
        """What is in flight is answered first; what comes now is refused."""
        self.settle()
        self.is_over = True
        assert self.runner.run(self._restart()) == RESTART

    async def _restart(self) -> int:
        draining = asyncio.create_task(self.peer.connection.drain())
        await asyncio.sleep(0)
        for entry in list(self.ledger.unfinished):
            if entry.is_uploading:
                self.peer.connection.dispatcher.receive(self.write(id=entry.id, cancel=True))
                self.ledger.unfinished.remove(entry)
            else:
                entry.is_held = False
                self.ledger.owed["answer", entry.id] += 1
                if entry.credit is not None:
                    self.peer.connection.dispatcher.receive(self.write(id=entry.id, credit=2**20))
        for name in self.held:
            STAGES[name].go.set()
        await asyncio.wait_for(draining, SECONDS)
        for message in self.peer.messages:
            self.ledger.came(message)
        assert not self.ledger.owed
        code, _ = await self.peer.is_closed()
        return code

    @precondition(lambda self: self.is_over)
    @rule()
    def stay_closed(self) -> None:
        assert self.peer.closed is not None and self.peer.task.done()

    @invariant()
    def session_agrees(self) -> None:
        if not self.is_over and hasattr(self, "peer"):
            session = self.peer.connection.dispatcher._session
            assert session.body_bytes <= LIMITS.body_bytes
            assert len(session) <= MOST

    def teardown(self) -> None:
        try:
            if hasattr(self, "peer"):
                if not self.is_over:
                    self.settle()
                    session = self.peer.connection.dispatcher._session
                    assert len(session) == len(self.ledger.unfinished)
                    assert session.body_bytes == self.ledger.body_bytes
                for name in self.held:
                    STAGES[name].go.set()
                self.runner.run(self.stack.aclose())  # which waits for the threads
                self.check_that_nothing_is_held()
        finally:
            self.runner.close()

    def check_that_nothing_is_held(self) -> None:
        connection = self.peer.connection
        assert not connection.dispatcher._session
        assert not connection.dispatcher._session.body_bytes
        assert not connection.dispatcher._tasks
        assert not connection.dispatcher._send_queue.waiting_bytes
        assert not list(connection.dispatcher._running) and not self.pool._blocked


@pytest.mark.once
def test_connection_is_its_ledger() -> None:
    run_state_machine_as_test(
        ConnectionMachine,
        settings=settings(max_examples=60, stateful_step_count=30, deadline=None),
    )


def test_connection_that_forgets_to_free_an_id_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine itself is tested with a planted fault."""
    monkeypatch.setattr(Session, "finish", lambda self, key: False)
    found = (AssertionError, KeyError, TimeoutError, ExceptionGroup)
    with pytest.raises(found):
        run_state_machine_as_test(
            ConnectionMachine,
            settings=settings(
                max_examples=20, stateful_step_count=10, deadline=None, phases=[Phase.generate]
            ),
        )
