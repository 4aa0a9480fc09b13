"""What one call of a WSGI application came to: Django's response, or what a tool made of it.

Owns what is read of the two: status and headers as ``start_response`` was given them, and the body
of what was returned. Knows nothing of WebSockets.
"""

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http.response import HttpResponseBase
from msgspec import Struct

from wsrequest.http import responses

__all__ = ["Outcome"]


class Outcome(Struct, eq=False):
    """One call of ``WSGIHandler.__call__``.

    Attributes:
        request: that Django made; None when it could not be made, or a tool did not ask Django.
        response: Django's own; None likewise.
        result: what the call returned: ``response``, or what a tool wrapped around it. Whoever
            is done with the outcome closes this, once.
        status: as ``start_response`` was given it.
        headers: likewise.
        context: as the view saw it, with the spans and scopes of all middleware; as the
            response left the middleware, when no view was called.
        body_context: as the response left the middleware; None unless its body is asynchronous.
        is_no_request: whether the request could not be made.
        is_cancelled: whether the view was cancelled because nobody waits for it any more.
    """

    request: WSGIRequest | None = None
    response: HttpResponseBase | None = None
    result: Any = ()
    status: int = 500
    headers: list[tuple[str, str]] = []
    context: Context | None = None
    body_context: Context | None = None
    is_no_request: bool = False
    is_cancelled: bool = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        """Take status and headers (PEP 3333)."""
        self.status, self.headers = int(status[:3]), headers
        return _no_write

    @property
    def is_async(self) -> bool:
        """Whether the body has an async iterator, so that ``response`` is to be iterated."""
        response: Any = self.response
        return response is not None and response.streaming and response.is_async

    @property
    def content(self) -> bytes:
        """The whole body of a response that is not streamed."""
        response: Any = self.response
        if self.result is not response:
            return b"".join(self.result)
        content: bytes = response.content
        return content

    def pieces(self, size: int) -> Iterator[bytes]:
        """The body of a streamed response that is not asynchronous, as ``responses.pieces``."""
        response: Any = self.response
        if self.result is response:
            return responses.pieces(response, size)
        if getattr(response, "file_to_stream", None) is not None:
            response.block_size = size  # FileResponse's own is small
        return _split(self.result, size)

    def close(self) -> None:
        """End the request. As it may raise: a tool's or the application's own error."""
        close = getattr(self.result, "close", None)
        if close is not None:
            close()

    def unwrap(self) -> None:
        """Close what a tool wrapped around a response whose body goes on elsewhere.

        In the thread of the call: agents keep their transaction by thread, and would count the
        next request to this one. The response itself is closed by ``close``, at its end.
        """
        response: Any = self.response
        if self.result is response:
            return
        response.close = _nothing
        try:
            self.close()
        finally:
            del response.close
            self.result = response


def _nothing() -> None:
    pass


def _split(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield from responses.split(chunk, size)


def _no_write(data: bytes) -> object:
    raise NotImplementedError("WSGI's write() is not offered: return the body instead")
