"""A client of the project's socket without a network, and what it holds of each live request.

Owns what must hold at any moment: versions that rise, and bodies made for whoever asked. Whether
a body is current is only known once nothing is written any more, so that is ``running``'s.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from typing import Any

from tests.patches import apply_json_patch
from wsrequest.asgi import Application
from wsrequest.live.manager import LiveQueryManager
from wsrequest.protocol.messages import Refusal, Response
from wsrequest.protocol.server_codec import decode_server
from wsrequest.server.endpoint import not_found

__all__ = ["SECONDS", "SETTLE_SECONDS", "LiveRequest", "Socket", "registry_of", "served"]

SECONDS = 30.0  # far more than anything takes that goes well
SETTLE_SECONDS = 45.0  # the same, with views that fail and are tried again

Answer = Response | Refusal


class LiveRequest:
    """What a client holds of one live request.

    Args:
        number: its id on the wire.
        url: its path and query.
        patch: the kind of patches that it takes.
        headers: of its request.

    Attributes:
        version: of what it holds; 0 before the first answer.
        versions: how many it was sent.
        body: the bytes that came; None where they were put together from patches.
        value: the JSON value, where the body is JSON.
        end: the answer that ended it.
    """

    def __init__(self, number: int, url: str, patch: str | None, headers: dict[str, str]) -> None:
        self.number, self.url, self.patch, self.headers = number, url, patch, headers
        self.version = self.versions = self.status = 0
        self.body: bytes | None = b""
        self.value: Any = None
        self.etag: str | None = None
        self.end: Answer | None = None

    @property
    def is_live(self) -> bool:
        """Whether it goes on."""
        return self.version > 0 and self.end is None

    def resume(self, other: "LiveRequest") -> None:
        """Hold what another request of the same URL held, which the tag in ``headers`` names."""
        self.body, self.value, self.etag = other.body, other.value, other.etag

    def take(self, answer: Answer) -> str | None:
        """Take one frame; returns what is wrong with it."""
        if self.end is not None:
            return "something came behind the end"
        if isinstance(answer, Refusal) or answer.version is None:
            self.end = answer
            return None
        version, self.version = self.version, answer.version
        self.versions += 1
        if version >= answer.version:
            return f"version {answer.version} came behind {version}"
        self.status = answer.status
        if answer.status == 304:
            self.status = 200
            return None if self.etag is not None else "304 for one who holds nothing"
        tag = answer.headers.get("ETag")
        self.etag = tag if isinstance(tag, str) else None
        body = answer.body or b""
        if answer.patch is None:
            self.body, self.value = body, _json(body)
        else:
            self.body, self.value = None, apply_json_patch(self.value, json.loads(body))
        return None

    def shows(self, body: bytes) -> bool:
        """Whether a body is what it holds: to the byte, or as JSON where patches made it."""
        if self.body is not None:
            return self.body == body
        return json.dumps(self.value) == json.dumps(_json(body))

    def shown(self) -> str:
        """What it holds, for a report."""
        return json.dumps(self.value) if self.body is None else self.body.decode("utf-8", "replace")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


class Socket:
    """One connection.

    Args:
        application: the project's.
        cookie: the Cookie header of its handshake.
        viewer: whose that is; "-" for nobody's.

    Attributes:
        viewers: whom the bodies that come may have been made for.
        faults: what must not have happened and did.
        lives: its live requests by their ids, those that have ended too.
        reads: cleared for a client that does not read.
    """

    def __init__(self, application: Application, cookie: str, viewer: str) -> None:
        self.viewers = {viewer, "-"}
        self.faults: list[str] = []
        self.lives: dict[int, LiveRequest] = {}
        self.reads = asyncio.Event()
        self.reads.set()
        self.is_closed = False
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._changes: dict[int, list[LiveRequest]] = {}
        self._last = 0
        headers = [(b"host", b"testserver"), (b"cookie", cookie.encode())]
        scope = {
            **{"type": "websocket", "path": "/ws/", "query_string": b"", "subprotocols": []},
            **{"client": ("203.0.113.7", 1), "headers": headers[: 2 if cookie else 1]},
        }
        self._inbox.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.ensure_future(application(scope, self._inbox.get, self._send))

    async def _send(self, event: dict[str, Any]) -> None:
        if event["type"] == "websocket.close":
            self._ended()
        elif event["type"] == "websocket.send":
            await self.reads.wait()
            answer = decode_server(event.get("text") or event["bytes"])
            if isinstance(answer, Response | Refusal) and isinstance(answer.id, int):
                self._take(answer.id, answer)

    def _take(self, number: int, answer: Answer) -> None:
        live = self.lives.get(number)
        if live is not None:
            fault = live.take(answer)
            viewer = live.value.get("viewer") if isinstance(live.value, dict) else None
            # What it held before may be somebody else's, who was there on another connection.
            if live.is_live and viewer is not None and viewer not in self.viewers:
                fault = f"{sorted(self.viewers)} were shown what is {viewer}'s"
            if fault is not None:
                self.faults.append(f"{live.url}: {fault}")
        if number in self._changes:
            self._changes[number] = [copy(live) for live in self.lives.values()]
        waiting = self._answers.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _ended(self) -> None:
        self.is_closed = True
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("closed"))

    def say(self, **frame: Any) -> None:
        """Send a frame."""
        self._inbox.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    def ask(self, url: str, **frame: Any) -> "asyncio.Future[Answer]":
        """Send a request; returns its first answer, which may be ConnectionError."""
        self._last += 1
        self._answers[self._last] = answer = asyncio.get_running_loop().create_future()
        self.say(id=self._last, url=url, **frame)
        if self.is_closed:
            answer.set_exception(ConnectionError("closed"))
        return answer

    def subscribe(
        self, url: str, patch: str | None = None, held: LiveRequest | None = None, **headers: str
    ) -> "asyncio.Future[Answer]":
        """Begin a live request; ``held`` is what another one of this URL held at its end."""
        if held is not None and held.etag is not None and held.status == 200:
            headers["If-None-Match"] = held.etag
        live = LiveRequest(self._last + 1, url, patch, headers)
        if "If-None-Match" in headers and held is not None:
            live.resume(held)
        self.lives[live.number] = live
        asked = {"patch": patch} if patch else {}
        return self.ask(url, subscribe=True, headers=headers, **asked)

    def cancel(self, live: LiveRequest) -> None:
        """End a live request."""
        self.lives.pop(live.number, None)
        self.say(id=live.number, cancel=True)

    async def change(self, transaction: Any) -> list[LiveRequest]:
        """Have the server run a transaction, and wait until its effect was sent.

        Returns:
            What was held of each live request when the answer came; nothing when it said that
            this took too long.
        """
        answer = self.ask("/change/", method="POST", data=transaction, settled=True)
        number = self._last
        self._changes[number] = []
        told = await asyncio.wait_for(answer, SECONDS)
        held = self._changes.pop(number)
        return held if isinstance(told, Response) and told.settled else []

    async def fresh(self, live: LiveRequest) -> Answer:
        """What the URL of a live request answers now."""
        headers = {n: v for n, v in live.headers.items() if n != "If-None-Match"}
        return await asyncio.wait_for(self.ask(live.url, headers=headers), SECONDS)

    async def settled(self) -> bool:
        """Wait until all that was committed is shown; False where that took too long."""
        answer = await asyncio.wait_for(self.ask("/ready/", settled=True), SECONDS)
        return isinstance(answer, Response) and answer.settled is True

    async def close(self) -> None:
        """Go away. Safe to call twice."""
        self.reads.set()
        if self._task.done():
            return
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self._task, SECONDS)
        self._ended()


@asynccontextmanager
async def served() -> AsyncIterator[Application]:
    """The project's application on this event loop, for the length of a block."""
    application = Application(not_found)
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    send_queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    lifespan = asyncio.ensure_future(application({"type": "lifespan"}, inbox.get, send_queue.put))
    inbox.put_nowait({"type": "lifespan.startup"})
    await send_queue.get()
    try:
        yield application
    finally:
        inbox.put_nowait({"type": "lifespan.shutdown"})
        await lifespan


def registry_of(application: Application) -> LiveQueryManager:
    """The live requests of an application that has been connected to."""
    server = application._wiring._server
    assert server is not None and server.live is not None
    return server.live.manager
