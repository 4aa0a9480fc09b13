"""A row run by HTTP, and the same row run by the socket.

Owns how a call becomes an HTTP request or a message, the cookies of the HTTP client, and the
form in which the two kinds of answer can be compared.
"""

import http.client
import json
import re
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as open_socket
from websockets.typing import Origin, Subprotocol

from tests.acceptance.client import Client
from tests.acceptance.servers import Server, wait_until
from tests.parity.rows import Call, Row

HOST = "testserver"
SECONDS = 4.0


@dataclass(frozen=True)
class Answer:
    """What a client sees. ``failed`` says how an answer ended that did not come whole."""

    status: int | None
    reason: str | None
    headers: list[tuple[str, str]]
    body: bytes
    failed: str | None = None
    ticket: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a row: an answer for each call, and the recording of the server."""

    answers: list[Answer]
    events: list[list[str]]
    seen: list[dict[str, Any]]
    ports: frozenset[str]


def control(server: Server, verb: str, row: Row | None = None) -> Any:
    body = None
    if row is not None:
        body = json.dumps({"settings": dict(row.settings), "stack": row.stack}).encode()
    return server.http("POST", f"/.parity/{verb}", body).json()


def run(row: Row, server: Server, transport: "type[HTTP] | type[Socket]") -> Outcome:
    """Run a row on a server and return what came of it."""
    control(server, "begin", row)
    client, answers = transport(server, row), []
    try:
        for one in row.calls:
            answers.append(client.call(one))
            # Django's ASGI handler ends a request after its answer; the next is to find it over.
            recorded = wait_until(lambda: control(server, "end"))
    finally:
        client.close()
    ports = frozenset({str(server.port), client.local_port})
    return Outcome(answers, recorded["events"], recorded["seen"], ports)


class HTTP:
    """An HTTP client that sends what it is told, and nothing else but Host and cookies."""

    def __init__(self, server: Server, row: Row) -> None:
        self._row = row
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
        self._connection.connect()
        self.local_port = str(self._connection.sock.getsockname()[1])
        pairs = [pair.partition("=") for pair in row.handshake.get("Cookie", "").split("; ")]
        self._cookies = {name: f"{equals}{value}" for name, equals, value in pairs if name}

    def call(self, call: Call) -> Answer:
        """Make one request."""
        connection, headers = (
            self._connection,
            {"Host": HOST, **self._row.handshake, **self._row.by_http},
        )
        for name, value in call.http_headers().items():
            for other in [other for other in headers if other.lower() == name.lower()]:
                del headers[other]
            headers[name] = value
        if self._row.origin and self._sends_origin(call):
            headers["Origin"] = self._row.origin
        if self._cookies:
            headers["Cookie"] = "; ".join(map("".join, self._cookies.items()))
        connection.putrequest(
            call.method.upper(), call.target(), skip_host=True, skip_accept_encoding=True
        )
        for name, value in (*headers.items(), *self._row.repeated):
            connection.putheader(name, value.encode("latin1"))
        connection.endheaders(call.content())
        return self._read()

    def _sends_origin(self, call: Call) -> bool:
        own = self._row.origin == f"http://{HOST}"
        return not (own and call.method.upper() in ("GET", "HEAD"))

    def _read(self) -> Answer:
        failed = None
        try:
            response = self._connection.getresponse()
        except http.client.HTTPException as error:
            return Answer(None, None, [], b"", type(error).__name__)
        try:
            body = response.read()
        except http.client.IncompleteRead as error:
            body, failed = error.partial, "cut short"
        headers = [(name, value) for name, value in response.getheaders()]
        for name, value in headers:
            if name.lower() == "set-cookie":
                self._keep(value)
        return Answer(response.status, response.reason, headers, body, failed)

    def _keep(self, cookie: str) -> None:
        pair, _, attributes = cookie.partition(";")
        name, _, value = pair.partition("=")
        self._cookies.pop(name, None)
        if "max-age=0" not in attributes.lower():
            self._cookies[name] = f"={value}"

    def close(self) -> None:
        self._connection.close()


class Socket:
    """A connection to the socket, with the handshake of the row."""

    def __init__(self, server: Server, row: Row) -> None:
        raw = socket.create_connection(("127.0.0.1", server.port), SECONDS)
        self.local_port = str(raw.getsockname()[1])
        self._client: Client | None = None
        self._refused: Answer | None = None
        handshake = dict(row.handshake)
        host = handshake.pop("Host", HOST)
        handshake.pop("Connection", None)  # it says Upgrade
        self._stack = ExitStack()
        try:
            connected = self._stack.enter_context(
                open_socket(
                    f"ws://{host}/ws/",
                    sock=raw,
                    origin=Origin(row.origin) if row.origin else None,
                    subprotocols=[Subprotocol("wsrequest.v1")],
                    additional_headers=[*handshake.items(), *row.repeated],
                    user_agent_header=None,
                    compression=None,
                    proxy=None,
                    max_size=None,
                    close_timeout=2,
                )
            )
        except InvalidStatus as refused:
            response = refused.response
            self._refused = Answer(response.status_code, None, [], b"", "handshake refused")
        else:
            self._client = Client(connected)
            self._client.hello = self._client.receive().head["hello"]

    def call(self, call: Call) -> Answer:
        """Send one message and wait for its answer."""
        if self._client is None:
            assert self._refused is not None
            return self._refused
        members, content = call.message(), call.body if isinstance(call.body, bytes) else None
        if call.credit:
            members["credit"] = 1_000_000
        if call.parts == 1:
            id = self._client.send(
                members.pop("method"), members.pop("url"), bytes=content, **members
            )
        else:
            assert content is not None
            size = -(-len(content) // call.parts)
            id = self._client.upload(
                members.pop("method"), members.pop("url"), content, part_bytes=size, **members
            )
        answer = self._client.answer(id)
        head = answer.first.head
        if "headers" not in head:
            return Answer(head["status"], None, [], b"", f"refused: {head['error']['code']}")
        headers = [
            (name, value)
            for name, found in head["headers"].items()
            for value in (found if isinstance(found, list) else [found])
        ]
        failed = "cut short" if answer.error else None
        body = answer.bytes
        if answer.first.body is None and "data" in head:
            body = self._data(answer.first.raw, head)
        return Answer(head["status"], None, headers, body, failed, "cookies" in head)

    def _data(self, raw: str | bytes, head: dict[str, Any]) -> bytes:
        """The value of ``data``, which stands last, as the very text that came."""
        assert isinstance(raw, str)
        media_type = " ".join(
            value for name, value in head["headers"].items() if name.lower() == "content-type"
        )
        if re.match(r"[\w.+/-]*json\b", media_type.partition(";")[0]):
            return raw[raw.index(',"data":') + len(',"data":') : -1].encode()
        text: str = head["data"]
        return text.encode()

    def close(self) -> None:
        self._stack.close()
