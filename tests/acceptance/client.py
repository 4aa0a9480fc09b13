"""A small blocking client of PROTOCOL.md over ``websockets.sync``, for the tests only.

It checks nothing on its own: a test sees every frame, also those that the protocol forbids.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_socket
from websockets.typing import Origin, Subprotocol

from tests.acceptance.servers import Server

ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Frame:
    """One frame as it came: its head, and the bytes behind the head of a binary frame."""

    raw: str | bytes
    head: dict[str, Any]
    body: bytes | None

    @classmethod
    def read(cls, raw: str | bytes) -> "Frame":
        if isinstance(raw, str):
            return cls(raw, json.loads(raw), None)
        head, _, body = raw.partition(b"\n")
        return cls(raw, json.loads(head), body)


@dataclass(frozen=True)
class Answer:
    """All frames of one request; ``first`` is a Response or a Refusal."""

    frames: list[Frame]

    @property
    def first(self) -> Frame:
        return self.frames[0]

    @property
    def status(self) -> int:
        return int(self.first.head["status"])

    @property
    def headers(self) -> dict[str, str | list[str]]:
        """The headers of the response under lower-case names."""
        return {name.lower(): value for name, value in self.first.head["headers"].items()}

    @property
    def error(self) -> dict[str, Any] | None:
        """The refusal, of the request or of the rest of its answer; None when there is none."""
        return self.frames[-1].head.get("error")

    @property
    def bytes(self) -> bytes:
        """The body of an answer in binary frames."""
        return b"".join(frame.body or b"" for frame in self.frames)

    @property
    def data(self) -> Any:
        """What stands as ``data`` in an answer of one text frame."""
        assert self.first.body is None, self.first.head
        return self.first.head["data"]


class Client:
    """One connection; ``hello`` is the greeting's content if there was one.

    ``browser`` is what a browser sends back to the path of the socket: the cookie of the handshake,
    or that of its answer.
    """

    def __init__(self, socket: ClientConnection, cookie: str = "") -> None:
        self.socket = socket
        assert socket.response is not None
        made = [v.partition(";")[0] for v in socket.response.headers.get_all("Set-Cookie")]
        self.browser = "; ".join(filter(None, [cookie, *made]))
        self.hello: dict[str, Any] | None = None
        self._ids = count(1)
        self._kept: list[Frame] = []

    def send(
        self, method: str, url: str, *, id: Any = None, bytes: bytes | None = None, **members: Any
    ) -> Any:
        """Send a request, in a binary frame if there are ``bytes``, and return its id."""
        id = next(self._ids) if id is None else id
        head = json.dumps({"id": id, "method": method, "url": url, **members})
        self.socket.send(head if bytes is None else head.encode() + b"\n" + bytes)
        return id

    def send_frame(self, body: bytes | None = None, **members: Any) -> None:
        """Send any other frame: credit, cancel, ping, or a part with a ``body``."""
        head = json.dumps(members)
        self.socket.send(head if body is None else head.encode() + b"\n" + body)

    def receive(self, seconds: float = ANSWER_SECONDS) -> Frame:
        """Return the next frame, whatever it is about."""
        if self._kept:
            return self._kept.pop(0)
        return Frame.read(self.socket.recv(seconds))

    def receive_for(self, id: Any, seconds: float = ANSWER_SECONDS) -> Frame:
        """Return the next frame of one id; frames of others are kept for later."""
        for n, frame in enumerate(self._kept):
            if frame.head.get("id") == id:
                return self._kept.pop(n)
        while (frame := Frame.read(self.socket.recv(seconds))).head.get("id") != id:
            self._kept.append(frame)
        return frame

    def answer(self, id: Any, seconds: float = ANSWER_SECONDS, *, grant: bool = True) -> Answer:
        """Return the whole answer to one id; ``grant`` gives credit for every byte that came."""
        frames = [self.receive_for(id, seconds)]
        while "credit" in frames[0].head:  # for the request's own body, sent in parts
            frames = [self.receive_for(id, seconds)]
        while frames[-1].head.get("more"):
            if grant and frames[-1].body:
                self.send_frame(id=id, credit=len(frames[-1].body))
            frames.append(self.receive_for(id, seconds))
        return Answer(frames)

    def request(self, method: str, url: str, **members: Any) -> Answer:
        """Send one request and wait for its answer."""
        return self.answer(self.send(method, url, **members))

    def get(self, url: str, **members: Any) -> Answer:
        return self.request("GET", url, **members)

    def upload(
        self, method: str, url: str, body: bytes, *, part_bytes: int = 65536, **members: Any
    ) -> Any:
        """Send a request whose body comes in parts, as fast as credit allows; return its id."""
        assert self.hello is not None
        allowed = self.hello["limits"]["window_bytes"] - part_bytes
        id = self.send(method, url, bytes=body[:part_bytes], more=True, **members)
        for start in range(part_bytes, len(body), part_bytes):
            part = body[start : start + part_bytes]
            while allowed < len(part):
                allowed += self.receive_for(id).head["credit"]
            allowed -= len(part)
            self.send_frame(part, id=id, more=True)
        self.send_frame(b"", id=id)
        return id

    def settle(self) -> list[Frame]:
        """Ping, and return the frames that came before the pong."""
        token = f"settle-{next(self._ids)}"
        self.send_frame(ping=token)
        while (frame := Frame.read(self.socket.recv(ANSWER_SECONDS))).head.get("pong") != token:
            self._kept.append(frame)
        frames, self._kept = self._kept, []
        return frames

    def closed(self, seconds: float = ANSWER_SECONDS) -> int | None:
        """Return the code with which the server closes, after the frames that precede it."""
        try:
            while True:
                self._kept.append(Frame.read(self.socket.recv(seconds)))
        except ConnectionClosed as closed:
            return None if closed.rcvd is None else closed.rcvd.code


@contextmanager
def connect(
    server: Server,
    *,
    subprotocol: str | None = "wsrequest.v1",
    origin: str | None = None,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    path: str = "/ws/",
    compression: str | None = None,
    **options: Any,
) -> Iterator[Client]:
    """Open a connection for the length of the block; ``options`` go to ``websockets``."""
    pairs = list((headers or {}).items())
    if cookies:
        pairs.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
    with open_socket(
        f"ws://{server.host}{path}",
        origin=Origin(origin) if origin else None,
        subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
        additional_headers=pairs,
        compression=compression,
        proxy=None,
        max_size=None,
        close_timeout=2,
        **options,
    ) as socket:
        client = Client(socket, dict(pairs).get("Cookie", ""))
        if socket.subprotocol == "wsrequest.v1":
            client.hello = client.receive().head["hello"]
        yield client
