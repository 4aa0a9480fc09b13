"""Clients for a soak: they connect, ask for a bit of everything, check each answer, and go.

Owns the mix. How long it runs and what is measured meanwhile is ``soaking``'s.
"""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.project.views.streams import content

__all__ = ["SOAK", "visit"]

ANSWER_SECONDS = 60.0  # a laden machine is slow, and that is no error


class Talk:
    """One connection, and the frames that came for others than who waits now."""

    def __init__(self, socket: ClientConnection, dice: random.Random) -> None:
        self.socket, self.dice = socket, dice
        self._ids = count(1)
        self._kept: dict[Any, list[tuple[dict[str, Any], bytes]]] = {}

    async def say(self, body: bytes | None = None, **head: Any) -> None:
        text = json.dumps(head)
        await self.socket.send(text if body is None else text.encode() + b"\n" + body)

    async def ask(self, url: str, *, body: bytes | None = None, **head: Any) -> int:
        """Send a request; return its id."""
        id = next(self._ids)
        await self.say(body, id=id, url=url, **head)
        return id

    async def hear(self, id: Any) -> tuple[dict[str, Any], bytes]:
        """Wait for the next frame of an id: its head and what is behind it."""
        while not self._kept.get(id):
            raw = await asyncio.wait_for(self.socket.recv(), ANSWER_SECONDS)
            text, _, body = (raw.encode() if isinstance(raw, str) else raw).partition(b"\n")
            head = json.loads(text)
            if "ping" in head:
                await self.say(pong=head["ping"])
            else:
                self._kept.setdefault(head.get("id"), []).append((head, body))
        frame = self._kept[id].pop(0)
        if not self._kept[id]:
            del self._kept[id]
        return frame

    async def answer(self, id: Any, status: int = 200) -> Any:
        """Wait for a whole answer; return its data."""
        head, _ = await self.hear(id)
        assert head["status"] == status, head
        return head.get("data")

    async def body(self, id: int) -> bytes:
        """Wait for an answer in parts, giving credit as they come."""
        pieces, more = [], True
        while more:
            head, body = await self.hear(id)
            assert "error" not in head, head
            pieces.append(body)
            more = head.get("more", False)
            if more and body:
                await self.say(id=id, credit=len(body))
        return b"".join(pieces)

    def end(self) -> None:
        assert not self._kept, self._kept


async def sync_view(talk: Talk) -> None:
    name = str(talk.dice.random())
    data = await talk.answer(await talk.ask(f"/class/{name}/", method="PUT"))
    assert data == {"method": "PUT", "kwargs": {"name": name}}


async def async_view(talk: Talk) -> None:
    data = await talk.answer(await talk.ask("/sleep/async/?seconds=0.005"))
    assert data == {"slept": 0.005}


async def burst(talk: Talk) -> None:
    """Some at once, taken in another order."""
    ids = {await talk.ask(f"/class/{n}/"): str(n) for n in range(10)}
    for id, name in talk.dice.sample(sorted(ids.items()), len(ids)):
        assert (await talk.answer(id))["kwargs"] == {"name": name}


async def json_body(talk: Talk) -> None:
    sent = {"x": "ü" * talk.dice.randrange(2000), "y": [None, 1.5]}
    data = await talk.answer(await talk.ask("/echo/", method="POST", data=sent))
    assert data["sha256"] == hashlib.sha256(json.dumps(sent).encode()).hexdigest()


async def database(talk: Talk) -> None:
    await talk.answer(await talk.ask("/rows/?text=nothing"))


async def session(talk: Talk) -> None:
    await talk.answer(await talk.ask(f"/cookies/?a={talk.dice.randrange(100)}"))


async def stream(talk: Talk) -> None:
    pieces = talk.dice.randrange(40)
    expected = b"".join(b"piece %d\n" % n for n in range(pieces))
    for url in (f"/stream/?count={pieces}", f"/stream/async/?count={pieces}"):
        assert await talk.body(await talk.ask(url, credit=100)) == expected
        data = await talk.answer(await talk.ask(url))
        assert (data or "") == expected.decode()


async def download(talk: Talk) -> None:
    size = talk.dice.randrange(1, 200_000)
    assert await talk.body(await talk.ask(f"/file/?bytes={size}", credit=30_000)) == content(size)


async def upload(talk: Talk) -> None:
    sent = talk.dice.randbytes(talk.dice.randrange(1, 200_000))
    id = await talk.ask("/piecewise/", method="PUT", body=sent[:50_000], more=True)
    for start in range(50_000, len(sent), 50_000):
        await talk.say(sent[start : start + 50_000], id=id, more=True)
    await talk.say(b"", id=id)
    head, _ = await talk.hear(id)
    while "credit" in head:
        head, _ = await talk.hear(id)
    assert head["data"] == {"length": len(sent), "sha256": hashlib.sha256(sent).hexdigest()}


async def upload_cancelled(talk: Talk) -> None:
    id = await talk.ask("/piecewise/", method="PUT", body=bytes(100_000), more=True)
    await talk.say(id=id, cancel=True)
    head, _ = await talk.hear(id)
    assert head["credit"] == 100_000


async def cancel(talk: Talk) -> None:
    """Views and streams that would never end."""
    ids = [
        await talk.ask("/sleep/async/?seconds=3600"),
        await talk.ask("/events/async/", credit=0),
        await talk.ask("/stream/endless/?name=", credit=0),
    ]
    for id in ids[1:]:
        head, _ = await talk.hear(id)
        assert head["more"]
    for id in ids:
        await talk.say(id=id, cancel=True)


async def view_fails(talk: Talk) -> None:
    await talk.answer(await talk.ask("/fault/raise/"), 500)
    await talk.answer(await talk.ask("/fault/raise/async/"), 500)
    await talk.answer(await talk.ask("/fault/missing/"), 404)


async def stream_fails(talk: Talk) -> None:
    id = await talk.ask("/stream/broken/", credit=1000)
    head, _ = await talk.hear(id)
    while "error" not in head:
        head, _ = await talk.hear(id)
    assert head["error"]["code"] == "internal_error"


async def bad_frame(talk: Talk) -> None:
    await talk.socket.send("{")
    head, _ = await talk.hear(None)
    assert head["error"]["code"] == "bad_json"
    id = await talk.ask("//evil.example/")
    head, _ = await talk.hear(id)
    assert head["error"]["code"] == "bad_url"
    await talk.say(ping="x")
    head, _ = await talk.hear(None)
    assert head == {"pong": "x"}


SOAK: dict[Callable[[Talk], Awaitable[None]], int] = {
    sync_view: 20, async_view: 10, burst: 4, json_body: 10, database: 5, session: 5, stream: 3,
    download: 3, upload: 3, upload_cancelled: 2, cancel: 3, view_fails: 1, stream_fails: 1,
    bad_frame: 4,
}  # fmt: skip
"""What is asked for, and how often relative to the rest."""


async def visit(host: str, dice: random.Random, done: Counter[str]) -> None:
    """One connection: some of the mix, then a goodbye, or none at all.

    Raises:
        AssertionError: an answer was wrong.
    """
    subprotocols = [Subprotocol("wsrequest.v1")] if dice.random() < 0.5 else None
    async with connect(
        f"ws://{host}/ws/", subprotocols=subprotocols, compression=None, proxy=None, max_size=None
    ) as socket:
        talk = Talk(socket, dice)
        if subprotocols:
            assert "hello" in (await talk.hear(None))[0]
        steps = dice.choices(list(SOAK), list(SOAK.values()), k=dice.randrange(1, 40))
        for step in steps:
            await step(talk)
            done[step.__name__] += 1
        talk.end()
        if dice.random() < 0.3:  # in the middle of something, without a word
            await talk.ask("/sleep/async/?seconds=3600")
            await talk.ask("/stream/endless/?name=", credit=2**20)
            await talk.ask("/piecewise/", method="PUT", body=bytes(70_000), more=True)
            socket.transport.abort()
    done["connections"] += 1
