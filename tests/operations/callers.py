"""Clients that ask without a pause, in one event loop, and keep an account of it.

Owns what became of each request, so that a test can compare it with the rows that the
project wrote; each is known by the text of its row. They end as PROTOCOL.md 7 has it: after
``shutting_down`` they ask for nothing more.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.acceptance.servers import Server

PAUSE_SECONDS = 0.01  # between the parts of an upload
PARTS = 4

URLS = {
    "sync": "/load/write/",
    "async": "/load/write/async/",
    "stream": "/load/stream/",
    "upload": "/load/upload/",
}


@dataclass
class Account:
    """What the callers asked for, each request by its text, and what they heard."""

    asked: set[str] = field(default_factory=set)
    answered: dict[str, int] = field(default_factory=dict)  # to the end, with this status
    refused: dict[str, str] = field(default_factory=dict)  # with this code
    close_codes: list[int | None] = field(default_factory=list)  # one for each that has gone
    faults: list[str] = field(default_factory=list)  # what no server may do

    def unanswered(self) -> set[str]:
        return self.asked - set(self.answered) - set(self.refused)


class Caller:
    """One connection, with one request of each kind in flight until it is closed."""

    def __init__(self, name: str, socket: ClientConnection, account: Account) -> None:
        self.name, self.socket, self.account = name, socket, account
        self._ended: dict[str, asyncio.Future[None]] = {}
        self._is_over = False  # the server has said that it restarts

    async def run(self) -> None:
        tasks = [asyncio.create_task(self._ask(kind)) for kind in URLS]
        try:
            async for raw in self.socket:
                head = raw if isinstance(raw, str) else raw.partition(b"\n")[0]
                self._hear(json.loads(head))
        except ConnectionClosed:
            pass
        self.account.close_codes.append(self.socket.close_code)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _hear(self, head: dict[str, Any]) -> None:
        id, account = head.get("id"), self.account
        if "hello" in head or "credit" in head:
            return
        if id not in self._ended or self._ended[id].done():
            account.faults.append(f"a frame of no unfinished request: {head}")
        elif "error" in head:
            account.answered.pop(id, None)
            code = account.refused[id] = head["error"]["code"]
            self._is_over |= code == "shutting_down"
            if not head["error"]["temporary"]:
                account.faults.append(f"refused for good: {head}")
            self._ended[id].set_result(None)
        else:
            if "status" in head:
                account.answered[id] = head["status"]
            if not head.get("more"):
                self._ended[id].set_result(None)

    async def _ask(self, kind: str) -> None:
        n = 0
        while not self._is_over:
            n += 1
            id = f"{self.name} {kind} {n}"
            ended = self._ended[id] = asyncio.get_running_loop().create_future()
            self.account.asked.add(id)
            await self._send(kind, id)
            await ended

    async def _send(self, kind: str, id: str) -> None:
        url = f"{URLS[kind]}?text={id.replace(' ', '+')}"
        head: dict[str, Any] = {"id": id, "method": "POST", "url": url}
        if kind != "upload":
            if kind == "stream":
                head["credit"] = 1000
            await self.socket.send(json.dumps(head))
            return
        for n in range(PARTS):
            more = {"more": True} if n < PARTS - 1 else {}
            part = json.dumps({**head, **more}).encode() + b"\n" + id.encode()
            await self.socket.send(part)
            head = {"id": id}
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def calling(server: Server, count: int) -> AsyncIterator[Account]:
    """Keep ``count`` connections busy; leave the block when the server has closed them all."""
    account = Account()
    sockets = [
        await connect(
            f"ws://{server.host}/ws/",
            subprotocols=[Subprotocol("wsrequest.v1")],
            compression=None,
            proxy=None,
        )
        for _ in range(count)
    ]
    callers = [Caller(f"{n}", socket, account) for n, socket in enumerate(sockets)]
    runs = [asyncio.create_task(caller.run()) for caller in callers]
    try:
        yield account
        await asyncio.gather(*runs)
    finally:
        for run in runs:
            run.cancel()
        for socket in sockets:
            await socket.close()
