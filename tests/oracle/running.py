"""Runs a program against the project's ASGI application, and says where it did not hold.

Owns the threads that write, the sockets that watch, and the comparison: once nothing is written any
more, every live body must be what a fresh GET of the same client gives.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, connections

from tests.oracle.client import SECONDS, LiveRequest, Socket, registry_of, served
from tests.oracle.programs import SOCKETS, THREADS, Program, Round
from tests.oracle.world import cookie_of, fill
from tests.oracle.writes import USERS
from tests.oracle.writes import run as run_transaction
from wsrequest.asgi import Application
from wsrequest.protocol.messages import Refusal, Response

__all__ = ["Divergence", "Outcome", "run"]

_MOST_STATEMENTS = 60  # in a report
_TRIES = 4  # to settle
_LIVES_OF_A_SOCKET = 10


@dataclass
class Divergence:
    """What did not hold.

    Attributes:
        what: in a sentence.
        url: of the live request.
        live: what the client holds.
        fresh: what a GET gives.
        version: of what it holds.
        statements: the last that wrote, the oldest first.
    """

    what: str
    url: str = ""
    live: str = ""
    fresh: str = ""
    version: int = 0
    statements: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = [self.what]
        if self.url:
            told += [f"  url   {self.url}", f"  live  {self.live}", f"  fresh {self.fresh}"]
            told += [f"  version {self.version}"]
        return "\n".join([*told, *(f"    {statement}" for statement in self.statements)])


@dataclass
class Outcome:
    """How a program ended.

    Attributes:
        commits: transactions that were committed.
        versions: that clients were sent.
        compared: live bodies with fresh ones.
        ended: live requests that an answer ended.
        divergence: the first; None where all held.
    """

    commits: int = 0
    versions: int = 0
    compared: int = 0
    ended: int = 0
    divergence: Divergence | None = None


def run(program: Program) -> Outcome:
    """Run a program in the world at hand, from its first rows on."""
    fill()
    cookies = {name: cookie_of(name) for name in USERS}
    # asyncio's own checks, which -X dev switches on, take as long as all the rest.
    return asyncio.run(_Run(cookies).run(program), debug=False)


class _Run:
    def __init__(self, cookies: dict[str, str]) -> None:
        self._cookies = cookies
        self._application: Application
        self._sockets: list[Socket] = []
        self._statements: deque[str] = deque(maxlen=_MOST_STATEMENTS)
        self._executors = [ThreadPoolExecutor(1, "oracle") for _ in range(THREADS)]
        self._done = 0
        self._progress = asyncio.Event()
        self._outcome = Outcome()

    async def run(self, program: Program) -> Outcome:
        async with served() as self._application:
            self._sockets = [self._connect(None) for _ in range(SOCKETS)]
            try:
                for steps in program:
                    await self._round(steps)
                    if self._outcome.divergence is not None:
                        self._outcome.divergence.statements = list(self._statements)
                        break
            finally:
                for socket in self._sockets:
                    await socket.close()
                for executor in self._executors:
                    executor.submit(connections.close_all)
                    executor.shutdown()
            if len(registry_of(self._application)):
                self._diverges(Divergence("groups are left that nobody is subscribed to"))
        return self._outcome

    def _diverges(self, divergence: Divergence) -> None:
        if self._outcome.divergence is None:
            self._outcome.divergence = divergence

    # One round.

    async def _round(self, steps: Round) -> None:
        self._done = 0
        loop = asyncio.get_running_loop()
        mine = [step for step in steps if step[0] not in ("commit", "change")]
        theirs: list[list[Any]] = [[] for _ in range(THREADS)]
        before, count = [], 0  # how many transactions a client's step waits for
        for step in steps:
            if step[0] == "commit":
                theirs[step[1]].append(step)
                count += 1
            elif step[0] != "change":
                before.append(count)
        writing = [
            loop.run_in_executor(executor, self._write, todo, loop.call_soon_threadsafe)
            for executor, todo in zip(self._executors, theirs, strict=True)
            if todo
        ]
        for step, least in zip(mine, before, strict=True):
            while self._done < least:
                self._progress.clear()
                await self._progress.wait()
            await self._client_step(step)
        await asyncio.gather(*writing)
        await self._compare()
        for _, number, *transaction in (step for step in steps if step[0] == "change"):
            await self._change(self._sockets[number], transaction)

    async def _change(self, socket: Socket, transaction: list[Any]) -> None:
        """An answer that is settled comes behind all that it changed (PROTOCOL.md 4.8)."""
        if socket.is_closed:
            return
        try:
            held = await socket.change(transaction)
        except ConnectionError:
            return
        held = [live for live in held if live.is_live]
        await asyncio.gather(*(self._compare_one(socket, live) for live in held))

    def _write(self, steps: Round, post: Callable[..., Any]) -> None:
        """In one of the threads."""
        with connection.execute_wrapper(self._note):
            for _, _, mode, operations in steps:
                post(self._advance, run_transaction(mode, operations))

    def _advance(self, is_committed: bool) -> None:
        self._done += 1
        self._outcome.commits += is_committed
        self._progress.set()

    def _note(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if str(sql)[:6].upper() != "SELECT":
            self._statements.append(f"{sql} {params!r}"[:300])
        return execute(sql, params, many, context)

    # Clients.

    def _connect(self, user: str | None) -> Socket:
        cookie = self._cookies[user] if user else ""
        return Socket(self._application, cookie, user or "-")

    async def _client_step(self, step: list[Any]) -> None:
        kind, number, *rest = step
        socket = self._sockets[number]
        if kind == "connect" or socket.is_closed:
            self._look(socket)
            held = list(socket.lives.values())
            await socket.close()
            socket = self._sockets[number] = self._connect(rest[0] if kind == "connect" else None)
            for live in held[-3:]:
                if live.is_live:
                    await self._asked(socket, socket.subscribe(live.url, live.patch, live))
        elif kind == "subscribe":
            url, patch, language = rest
            lives = [live for live in socket.lives.values() if live.end is None]
            if len(lives) >= _LIVES_OF_A_SOCKET:
                socket.cancel(lives[0])
            headers = {"Accept-Language": language}
            await self._asked(socket, socket.subscribe(url, patch, **headers))
        elif kind in ("cancel", "resume"):
            lives = [live for live in socket.lives.values() if live.is_live]
            if lives:
                live = lives[rest[0] % len(lives)]
                socket.cancel(live)
                if kind == "resume":
                    headers = {n: v for n, v in live.headers.items() if n != "If-None-Match"}
                    await self._asked(
                        socket, socket.subscribe(live.url, live.patch, live, **headers)
                    )
        elif kind == "log_in":
            socket.viewers.add(rest[0])
            await self._asked(socket, socket.ask(f"/log-in/?user={rest[0]}"))
        elif kind == "log_out":
            await self._asked(socket, socket.ask("/log-out/"))
        elif kind == "hold":
            socket.reads.clear()
        else:
            socket.reads.set()

    async def _asked(self, socket: Socket, answer: "asyncio.Future[Any]") -> None:
        answer.add_done_callback(_retrieve)
        if socket.reads.is_set():  # else it would never come
            await asyncio.wait([answer], timeout=SECONDS)
            if not answer.done():
                self._diverges(Divergence("a request was not answered"))

    def _look(self, socket: Socket) -> None:
        if socket.faults:
            self._diverges(Divergence("; ".join(socket.faults)))
        self._outcome.versions += sum(live.versions for live in socket.lives.values())

    # The comparison.

    async def _compare(self) -> None:
        for socket in self._sockets:
            socket.reads.set()
        await asyncio.gather(*map(self._settle, self._sockets))
        comparing = []
        for socket in self._sockets:
            self._look(socket)
            for live in list(socket.lives.values()):
                live.versions = 0
                if live.end is not None:
                    self._outcome.ended += 1
                    del socket.lives[live.number]
                elif not socket.is_closed:
                    comparing.append(self._compare_one(socket, live))
        await asyncio.gather(*comparing)

    async def _settle(self, socket: Socket) -> None:
        for _ in range(_TRIES):
            try:
                if socket.is_closed or await socket.settled():
                    return
            except ConnectionError:
                return  # by a logout on another socket of its session
            except TimeoutError:
                break
        self._diverges(Divergence("what was committed is not shown, however long one waits"))

    async def _compare_one(self, socket: Socket, live: LiveRequest) -> None:
        try:
            fresh = await socket.fresh(live)
        except ConnectionError:
            return
        self._outcome.compared += 1
        if isinstance(fresh, Refusal):
            what, body = f"a fresh GET is refused: {fresh.code}", b""
        else:
            body = fresh.body or b""
            if not live.version:
                what = "it was never answered"
            elif fresh.status != live.status:
                what = f"it shows a {live.status}, a fresh GET gives {fresh.status}"
            elif not live.shows(body):
                what = "it does not show what a fresh GET gives"
            else:
                return
        shown = body.decode("utf-8", "replace")
        self._diverges(Divergence(what, live.url, live.shown(), shown, live.version))


def _retrieve(answer: "asyncio.Future[Response | Refusal]") -> None:
    if not answer.cancelled():
        answer.exception()
