"""One view for all of the Web Platform Tests: their files, ``.headers``, pipes and Python handlers.

The tests come with the server that they are written for, wptserve. Its handlers run here as they
are, each in a thread; what they write to the connection becomes a Django response.
"""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator
from http.client import HTTPMessage
from io import BytesIO
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from tests.browser.wpt.wrappers import REPORT, wrapped

for _folder in ("wptserve", *(f"third_party/{name}" for name in
                ("h2/src", "hpack/src", "hyperframe/src", "pywebsocket3", "six"))):  # fmt: skip
    sys.path.insert(0, str(settings.ROOT / "tools" / _folder))

from wptserve import handlers  # noqa: E402  # of the tests
from wptserve import request as wpt_requests  # noqa: E402
from wptserve.response import Response  # noqa: E402
from wptserve.stash import Stash  # noqa: E402
from wptserve.utils import HTTPException  # noqa: E402

__all__ = ["serve"]

_QUICK_SECONDS = 0.05  # an answer that is whole by then is no stream
_MOST_AHEAD_BYTES = 2**20
# Of the server that sends the response, not of the handler.
_LEFT_OUT = frozenset(("server", "date", "connection", "transfer-encoding"))


class _Config(dict[str, Any]):
    """What the tests' templates know of hosts and ports."""

    all_domains: ClassVar = {
        "": dict.fromkeys(("", "www", "www1", "www2"), "localhost"),
        "alt": dict.fromkeys(("", "www", "www1", "www2"), "127.0.0.1"),
    }
    # Nobody speaks TLS here: what needs it fails with each fetch.
    ports: ClassVar = {
        f"{scheme}{suffix}": settings.PORTS
        for scheme in ("http", "https", "h2", "ws", "wss")
        for suffix in ("", "-local", "-public")
    }
    logging: ClassVar = {"suppress_handler_traceback": True}


_CONFIG = _Config(browser_host="localhost", ports=_Config.ports, logging=_Config.logging)

_stash = Stash("/")  # it keeps what all others of this process share


class _Server:
    """What a handler finds as ``request.server``."""

    config = _CONFIG

    def __init__(self, request: Any) -> None:
        self.stash = Stash.__new__(Stash)
        self.stash.default_path = request.url_parts.path
        self.stash.data = _stash.data


wpt_requests.Server = _Server  # theirs wants a process of its own


class _Headers(HTTPMessage):
    def getallmatchingheaders(self, name: str) -> list[str]:
        return []  # Django has joined them


class _Connection:
    """What a handler writes to: the head first, then the body. Used in two threads."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._written = bytearray()
        self.is_ended = self.is_closed = False

    def write(self, data: bytes) -> int:
        while len(self._written) > _MOST_AHEAD_BYTES and not self.is_closed:
            time.sleep(0.01)
        if self.is_closed:
            raise BrokenPipeError
        self._loop.call_soon_threadsafe(self._take, bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end)

    def _take(self, data: bytes) -> None:
        self._written += data
        self._changed.set()

    def _end(self) -> None:
        self.is_ended = True
        self._changed.set()

    async def head(self) -> bytes:
        while b"\r\n\r\n" not in self._written and not self.is_ended:
            await self._change()
        head, _, rest = bytes(self._written).partition(b"\r\n\r\n")
        self._written[:] = rest
        return head

    async def whole(self) -> bytes | None:
        """The body, if it is all there soon."""
        try:
            async with asyncio.timeout(_QUICK_SECONDS):
                while not self.is_ended:
                    await self._change()
        except TimeoutError:
            return None
        return bytes(self._written)

    async def body(self) -> AsyncIterator[bytes]:
        try:
            while True:
                if self._written:
                    part = bytes(self._written)
                    self._written.clear()
                    yield part
                elif self.is_ended:
                    return
                else:
                    await self._change()
        finally:
            self.is_closed = True

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


@csrf_exempt
async def serve(request: HttpRequest) -> HttpResponseBase:
    """A file of the tests, what a Python handler among them answers, or a page that wraps one."""
    path, query = request.path, request.META.get("QUERY_STRING", "")
    if path == "/resources/testharness.js":
        source = (settings.ROOT / path[1:]).read_text()
        return HttpResponse(settings.PRELUDE + source, content_type="text/javascript")
    if path == "/resources/testharnessreport.js":
        return HttpResponse(REPORT, content_type="text/javascript")
    page = wrapped(settings.ROOT, path, f"?{query}" if query else "")
    if page is not None:
        return HttpResponse(page[0], content_type=page[1])
    connection = _Connection()
    handled = _request(request, query, connection)
    threading.Thread(target=_run, args=(handled, connection), daemon=True).start()
    try:
        head = await connection.head()
        body = await connection.whole()
    except asyncio.CancelledError:
        connection.is_closed = True
        raise
    response: HttpResponseBase = (
        StreamingHttpResponse(connection.body()) if body is None else HttpResponse(body)
    )
    _set_head(response, head)
    return response


def _request(request: HttpRequest, query: str, connection: _Connection) -> Any:
    headers = _Headers()
    for name, value in request.headers.items():
        if value or name not in ("Content-Length", "Content-Type"):
            headers[name] = value
    target = quote(request.path, safe="/:@!$&'()*+,;=~%") + (f"?{query}" if query else "")
    body = request.body
    if body:
        del headers["Content-Length"]
        headers["Content-Length"] = str(len(body))
    return SimpleNamespace(
        headers=headers,
        path=target,
        command=request.method,
        rfile=BytesIO(body),
        wfile=connection,
        client_address=("127.0.0.1", 0),
        protocol_version="HTTP/1.1",
        raw_requestline=f"{request.method} {target} HTTP/1.1".encode(),
        version_string=lambda: "wptserve",
        date_time_string=lambda: "",
        close_connection=False,
        server=SimpleNamespace(
            router=SimpleNamespace(doc_root=str(settings.ROOT)),
            scheme="http",
            server_address=("localhost", int(request.get_port())),
        ),
    )


def _run(handled: Any, connection: _Connection) -> None:
    """Run the handler of a request, as wptserve does."""
    try:
        request = wpt_requests.Request(handled)
        response = Response(handled, request)
        path = request.url_parts.path
        handler = (
            handlers.python_script_handler
            if path.endswith(".py")
            else handlers.as_is_handler
            if path.endswith(".asis")
            else handlers.file_handler
        )
        try:
            handler(request, response)
        except HTTPException as error:
            response.set_error(error.code, error)
        except Exception as error:
            response.set_error(500, error)
        if not response.writer.content_written:
            response.write()
    except OSError:
        pass  # nobody waits for it any more
    finally:
        connection.end()


def _set_head(response: HttpResponseBase, head: bytes) -> None:
    first, *lines = head.decode("latin1").split("\r\n")
    _, status, *reason = first.split(" ", 2)
    response.status_code = int(status)
    response.reason_phrase = "".join(reason)
    del response["Content-Type"]
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if name.lower() in _LEFT_OUT:
            continue
        if name.lower() == "set-cookie" and response.has_header(name):
            response.cookies.load(value)
        elif response.has_header(name):
            response[name] = f"{response[name]}, {value}"
        else:
            response[name] = value
