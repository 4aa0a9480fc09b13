"""A client of one server over a real socket, with what it holds of each live request."""

import json
import threading
import time
from contextlib import suppress
from itertools import count

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.oracle.client import Answer, LiveRequest
from wsrequest.protocol.messages import Refusal, Response
from wsrequest.protocol.server_codec import decode_server

__all__ = ["Watcher"]


class Watcher:
    """One connection. A thread of its own reads it.

    Args:
        port: of the server.
        cookie: of the handshake.

    Attributes:
        lives: its live requests by their ids.
        versions: that it was sent.
        is_closed: whether the connection has ended.
    """

    def __init__(self, port: int, cookie: str) -> None:
        self.port, self.cookie = port, cookie
        self.lives: dict[int, LiveRequest] = {}
        self.versions = 0
        self.is_closed = False
        self._ids = count(1)
        self._answers: dict[int, Answer] = {}
        self._come = threading.Condition()
        headers = {"Cookie": cookie} if cookie else {}
        self._socket = connect(
            f"ws://127.0.0.1:{port}/ws/",
            additional_headers=headers,
            compression=None,
            max_size=None,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def subscribe(self, url: str) -> None:
        """Begin a live request."""
        number = next(self._ids)
        with self._come:
            self.lives[number] = LiveRequest(number, url, None, {})
        self._say(id=number, url=url, subscribe=True)

    def fresh(self, url: str, seconds: float) -> Answer | None:
        """Return what a GET gives now. None when no answer comes in time."""
        number = next(self._ids)
        self._say(id=number, url=url)
        with self._come:
            self._come.wait_for(lambda: number in self._answers or self.is_closed, seconds)
            return self._answers.pop(number, None)

    def difference(self, live: LiveRequest, seconds: float) -> str | None:
        """Wait until a live request shows what a GET gives. Returns what is wrong if it does not.

        Nothing may be written while it waits.
        """
        deadline = time.monotonic() + seconds
        while True:
            answer = self.fresh(live.url, seconds)
            with self._come:
                if self.is_closed or live.end is not None:
                    return None
                if isinstance(answer, Response) and live.version:
                    body = answer.body or b""
                    if answer.status == live.status and live.shows(body):
                        return None
                    told = (
                        f"live {live.shown()[:500]}\n  fresh {body.decode(errors='replace')[:500]}"
                    )
                elif isinstance(answer, Refusal) and answer.temporary:
                    told = f"a GET is refused: {answer.code}"
                else:
                    told = "it was not answered"
            if time.monotonic() > deadline:
                return f"{live.url} (version {live.version}):\n  {told}"
            time.sleep(0.05)

    def close(self) -> None:
        """Go away. Safe to call twice."""
        with suppress(ConnectionClosed, OSError):
            self._socket.close()

    def _say(self, **frame: object) -> None:
        with suppress(ConnectionClosed):
            self._socket.send(json.dumps(frame))

    def _read(self) -> None:
        try:
            for frame in self._socket:
                answer = decode_server(frame)
                if isinstance(answer, Response | Refusal) and isinstance(answer.id, int):
                    self._take(answer.id, answer)
        except ConnectionClosed:
            pass
        finally:
            with self._come:
                self.is_closed = True
                self._come.notify_all()

    def _take(self, number: int, answer: Answer) -> None:
        with self._come:
            if (live := self.lives.get(number)) is not None:
                fault = live.take(answer)
                assert fault is None, f"{live.url}: {fault}"
                self.versions += 1
            else:
                self._answers[number] = answer
            self._come.notify_all()
