"""The class of 2014: one message is one request, in any server and without a connection.

Its response is a value that outlives its thread. ``protocol`` checks the members of a message, and
``request`` runs it.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from threading import Lock
from typing import Any, TypedDict, cast
from urllib.parse import unquote_to_bytes

import msgspec
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.core.handlers.wsgi import WSGIRequest, get_path_info
from django.core.signals import setting_changed
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test.client import RequestFactory
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.asyncio import async_unsafe

from wsrequest.conf import conf
from wsrequest.errors import Refused
from wsrequest.protocol.nesting import check_nesting
from wsrequest.protocol.validation import check_method, check_token, check_url, encode_query
from wsrequest.request.environ import split_url
from wsrequest.request.handler import Handler
from wsrequest.request.remote_user import follow_http
from wsrequest.request.response import Outcome, apieces, has_body, is_endless

__all__ = ["ErrorMessage", "WebSocketRequest"]

logger = logging.getLogger("wsrequest.classic")

_INVALID = "Invalid formatted message."
_QUERY_METHODS = ("get", "head")
_PIECE_BYTES = 2**16
# RequestFactory.generic sets these for each request, over what the factory was made with.
_OVERRIDDEN = ("SERVER_PORT", "wsgi.url_scheme")


class ErrorMessage(TypedDict):
    """What a message is answered with that makes no request."""

    error: str
    status_code: int


class _Shape(msgspec.Struct):
    """The answer to a message that makes no request."""

    url: str | None = None
    method: str = "GET"
    token: str | None = None
    data: Any = None


class WebSocketRequest:
    """One message as one request to the project. Validates at once, and runs nothing yet.

    Args:
        message: a JSON object with ``url``, and perhaps ``method``, ``data`` and ``token``.
        factory_defaults: WSGI environ names and values for the request, such as HTTP_HOST,
            REMOTE_ADDR and HTTP_COOKIE of the handshake. They override the message.

    Attributes:
        message: as given.
        factory_defaults: as given.
        error: why the message makes no request, or None.
        json_message: the message as a dict. Empty if it is malformed.
        url: path and query, or None.
        method: in lower case.
        data: any JSON value.
        token: a string, or None.

    Source: docs/classic.md.
    """

    def __init__(
        self,
        message: str | bytes | bytearray | memoryview,
        factory_defaults: Mapping[str, Any] | None = None,
    ) -> None:
        self.message = message
        self.factory_defaults = factory_defaults
        self.error: ErrorMessage | None = None
        self.json_message: dict[str, Any] = {}
        self.validate()

    def get_url(self) -> str | None:
        """The message's url, None without."""
        return self.json_message.get("url")

    def get_method(self) -> str:
        """The message's method in lower case, ``get`` without."""
        method: str = self.json_message.get("method", "GET")
        return method.lower()

    def get_data(self) -> Any:
        """The message's data, an empty dict without."""
        return self.json_message.get("data", {})

    def get_token(self) -> str | None:
        """The message's token, None without."""
        return self.json_message.get("token")

    def set_error(self, error_message: str, status_code: int = 400) -> None:
        """Make the message one that ``get_response`` answers with this error."""
        self.error = {"error": error_message, "status_code": status_code}

    def validate(self) -> None:
        """Read the message into the attributes, and set ``error`` when it makes no request."""
        self.error = None
        is_valid = self.is_valid_message()
        self.url, self.method = self.get_url(), self.get_method()
        self.data, self.token = self.get_data(), self.get_token()
        if not is_valid:
            return
        if not self.url:
            self.set_error("Missing URL")
        elif self.token and "authorization" in conf.trusted_proxy_headers:
            self.set_error("Token not allowed.")
        elif self.get_url_resolver_match() is not None:
            try:
                check_method(self.method)
            except Refused:
                self.set_error("Method not allowed.", 405)

    def is_valid(self) -> bool:
        """Whether ``get_response`` will run the request."""
        return not self.error

    def is_valid_message(self) -> bool:
        """Read ``message`` into ``json_message``. If that fails, set ``error`` and return False.

        Raises:
            TypeError: the message is neither text nor bytes.
        """
        self.json_message = {}
        try:
            self.json_message = _decode(self.message)
        except (ValueError, RecursionError, Refused):
            self.set_error(_INVALID)
            return False
        return True

    def get_url_resolver_match(self) -> ResolverMatch | None:
        """Resolve the url's path with the URLconf. If that fails, set ``error`` and return None."""
        try:
            path, _ = split_url(check_url(self.url or ""))
            path_info = unquote_to_bytes(path).decode("latin1")
            if conf.excluded_paths.covers(path_info):
                self.set_error("Use HTTP.", 421)
                return None
            # Decoded by Django's own function, as the handler will do.
            return resolve(get_path_info({"PATH_INFO": path_info}))
        except (Refused, Resolver404):
            self.set_error("Resource not found.", 404)
            return None

    def get_factory(self) -> RequestFactory:
        """A factory whose ``defaults`` are the token's header and ``factory_defaults``."""
        defaults: dict[str, Any] = {}
        if self.token:
            defaults["HTTP_AUTHORIZATION"] = f"{conf.TOKEN_SCHEME} {self.token}"
        defaults.update(self.factory_defaults or {})
        return RequestFactory(**defaults)

    def get_request(self, factory: RequestFactory) -> WSGIRequest:
        """Build the request: with GET and HEAD ``data`` joins the query, else it is a JSON body.

        Raises:
            Refused: ``data`` was changed after validation to what no query can carry.
            RecursionError: ``data`` nests too deeply to be written where it could just be read.
        """
        path, query = split_url(self.url or "")
        body = b""
        if self.method in _QUERY_METHODS:
            query = "&".join(filter(None, [query, _query(self.data)]))
        else:
            body = json.dumps(self.data).encode()
        extra: dict[str, Any] = {
            name: factory.defaults[name] for name in _OVERRIDDEN if name in factory.defaults
        }
        if not {"HTTP_HOST", "SERVER_NAME"} & factory.defaults.keys():
            extra["SERVER_NAME"] = conf.default_host  # middleware refuses RequestFactory's own
        extra["QUERY_STRING"] = query.encode().decode("latin1")
        request = factory.generic(self.method.upper(), path, body, "application/json", **extra)
        if not request.META["HTTP_COOKIE"]:
            # Nothing here comes from a browser by itself, so nobody can be made to send it unawares
            # (Django's own flag, heeded by DRF and django-ninja). With a cookie its check applies.
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # no stub
        return request

    def get_view(self, resolver_match: ResolverMatch, request: WSGIRequest) -> HttpResponseBase:
        """Call the view alone, without middleware. ``get_response`` does not use this."""
        view: Callable[..., HttpResponseBase] = resolver_match.func
        if iscoroutinefunction(view):
            view = async_to_sync(view)
        return view(request, *resolver_match.args, **resolver_match.kwargs)

    @async_unsafe(
        "WebSocketRequest.get_response() runs views: on an event loop, call it by run_in_executor."
    )
    def get_response(self) -> HttpResponse | ErrorMessage:
        """Run the request through MIDDLEWARE, URLconf and view, in the calling thread.

        Returns:
            A response that is complete and closed: ``content`` can be read at any time and in any
            thread, and ``request_finished`` has been sent. A streamed response has been gathered.
            One without end is answered with status 406. One over
            WSREQUEST_MAX_BUFFERED_RESPONSE_BYTES, or one that fails midway, is answered with 500.
            ``error``, if the message is not valid.

        Raises:
            SynchronousOnlyOperation: called on the thread of a running event loop.
        """
        if not self.is_valid():
            return cast(ErrorMessage, self.error)
        try:
            request = self.get_request(self.get_factory())
        except (Refused, RecursionError):
            self.set_error(_INVALID)
            return cast(ErrorMessage, self.error)
        outcome = _get_handler().handle(request.environ, _Caller(), request=request)
        try:
            return _whole(outcome, self.method.upper())
        finally:
            outcome.close()


class _Caller:
    """Runs a request that already exists. An async view gets an event loop of its own."""

    is_dropped = False
    request_attributes: Mapping[str, object] = {}
    prepare = None

    def carry(self, view: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        return async_to_sync(view)


_lock = Lock()
_handler: Handler | None = None


def _get_handler() -> Handler:
    """The handler of this process, made when it is first needed."""
    global _handler
    with _lock:
        if _handler is None:
            setting_changed.connect(_forget_handler)
            _handler = Handler()
            follow_http(_handler)
        return _handler


def _forget_handler(**_: object) -> None:
    """Have a new one made after any change of settings, since middleware may read any of them."""
    global _handler
    with _lock:
        _handler = None


def _decode(message: str | bytes | bytearray | memoryview) -> dict[str, Any]:
    """Read a message. Raise ValueError, RecursionError or Refused if it is malformed."""
    text = message if isinstance(message, str | bytes) else bytes(memoryview(message))
    check_nesting(text)
    members = msgspec.json.decode(text, type=dict[str, Any])
    shape = msgspec.convert(members, _Shape)
    if shape.token is not None:
        check_token(shape.token)
    if shape.method.lower() in _QUERY_METHODS:
        _query(shape.data)
    return members


def _query(data: Any) -> str:
    return encode_query(msgspec.Raw(json.dumps(data).encode()))


def _whole(outcome: Outcome, method: str) -> HttpResponse:
    """Return the response with its body in memory, or without a body if HTTP sends none."""
    response: Any = outcome.response
    if response is None:  # a tool answered in Django's place
        return HttpResponse(outcome.content, status=outcome.status, headers=dict(outcome.headers))
    if not has_body(method, response.status_code):
        return _with_body(response, b"")
    if not response.streaming:
        whole: HttpResponse = response
        return whole
    try:
        return _with_body(response, _gather(outcome))
    except Refused as refused:
        return HttpResponse(refused.detail, status=refused.status, content_type="text/plain")
    except Exception:
        logger.exception("a streamed response failed in its middle")
        return HttpResponse("Internal Server Error", status=500, content_type="text/plain")


def _with_body(response: Any, body: bytes) -> HttpResponse:
    whole = HttpResponse(body, status=response.status_code, reason=response.reason_phrase)
    whole.headers, whole.cookies = response.headers, response.cookies
    return whole


def _gather(outcome: Outcome) -> bytes:
    """Return the body of a streamed response.

    Raises:
        Refused: ``needs_credit`` or ``answer_too_large``, as for a client of the socket that gives
            no credit (PROTOCOL.md 4.3).
    """
    response = outcome.response
    assert response is not None  # it is streaming
    if is_endless(response):
        raise Refused("needs_credit", "this answer is a stream of events, which is never whole")
    body = bytearray()
    limit = conf.MAX_BUFFERED_RESPONSE_BYTES

    def add(piece: bytes) -> None:
        if len(body) + len(piece) > limit:
            raise Refused("answer_too_large", f"this streamed answer is over {limit} bytes")
        body.extend(piece)

    if outcome.body_context is not None:
        # As the response left the middleware, since a tool may have reset by now what it had set.
        outcome.body_context.run(async_to_sync(_feed), response, add)
    else:
        for piece in outcome.pieces(_PIECE_BYTES):
            add(piece)
    return bytes(body)


async def _feed(response: Any, add: Callable[[bytes], None]) -> None:
    async with aclosing(apieces(response, _PIECE_BYTES)) as pieces:
        async for piece in pieces:
            add(piece)
