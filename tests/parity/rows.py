"""What a row of the table is: calls that both transports make, and where they may differ.

A call is written once, as a page would give it to ``fetch``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

__all__ = ["Call", "Row", "call", "row"]

UNSET: Any = object()
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, eq=False)
class Call:
    """One request.

    Attributes:
        query: becomes ``data`` of a GET on the wire, and a query string by HTTP.
        data: a JSON body.
        body: a body of text, or of bytes for a binary frame.
        parts: into how many frames a body of bytes is cut.
        credit: whether the answer may come in parts.
    """

    method: str = "GET"
    url: str = "/see/body/"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    data: Any = UNSET
    body: str | bytes | None = None
    token: str | None = None
    parts: int = 1
    credit: bool = False

    def target(self) -> str:
        """The request target, as a browser would write it."""
        target = quote(self.url, safe=PRINTABLE)
        if self.query:
            pairs = urlencode(self.query, doseq=True)
            target += ("&" if "?" in target else "?") + pairs
        return target

    def content(self) -> bytes | None:
        """The bytes of the body, None without one."""
        if self.data is not UNSET:
            return json.dumps(self.data).encode()
        return self.body.encode() if isinstance(self.body, str) else self.body

    def http_headers(self) -> dict[str, str]:
        """The headers that fetch would send for this call, without those of the connection."""
        headers = dict(self.headers)
        if self.token is not None:
            headers["Authorization"] = f"JWT {self.token}"
        if not any(name.lower() == "content-type" for name in headers):
            if self.data is not UNSET:
                headers["Content-Type"] = "application/json"
            elif isinstance(self.body, str):
                headers["Content-Type"] = "text/plain;charset=UTF-8"
        content = self.content()
        if content is not None:
            headers["Content-Length"] = str(len(content))
        elif self.method.upper() in ("POST", "PUT"):
            headers["Content-Length"] = "0"
        return headers

    def message(self) -> dict[str, Any]:
        """The members of the message, but for a body of bytes."""
        members: dict[str, Any] = {"method": self.method, "url": self.url}
        if self.headers:
            members["headers"] = dict(self.headers)
        if self.query:
            members["data"] = dict(self.query)
        if self.data is not UNSET:
            members["data"] = self.data
        if isinstance(self.body, str):
            members["body"] = self.body
        if self.token is not None:
            members["token"] = self.token
        return members


@dataclass(frozen=True, eq=False)
class Row:
    """Calls that one client makes one after the other, on one connection, with its cookies.

    Attributes:
        name: of the row, unique.
        calls: at least one.
        handshake: headers of the client itself, which it sends with every request by HTTP.
        repeated: headers of the client that may occur twice.
        by_http: headers that browsers send by HTTP only.
        origin: the Origin of the page, None for a program that is no browser.
        settings: Django's, changed for this row.
        stack: of middleware, a key of the project's ``STACKS``.
        differs: fields that are known to differ here, names of ``differences.HTTP``.
        asgi_differs: names of ``differences.ASGI``, for Django's ASGI handler as reference.
        worker_differs: names of ``differences.WORKERS`` that are not in ``differs``, too.
        asgi: False where that handler never ends the request, or its server breaks it off.
    """

    name: str
    calls: tuple[Call, ...]
    handshake: Mapping[str, str] = field(default_factory=dict)
    origin: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    stack: str = "full"
    repeated: tuple[tuple[str, str], ...] = ()
    by_http: Mapping[str, str] = field(default_factory=dict)
    differs: frozenset[str] = frozenset()
    asgi_differs: frozenset[str] = frozenset()
    worker_differs: frozenset[str] = frozenset()
    asgi: bool = True


def call(method: str, url: str, **members: Any) -> Call:
    return Call(method, url, **members)


def row(
    name: str,
    *calls: Call | str,
    differs: str = "",
    asgi_differs: str = "",
    worker_differs: str = "",
    **members: Any,
) -> Row:
    """A row; a call given as a string is a GET of that URL."""
    return Row(
        name,
        tuple(Call("GET", one) if isinstance(one, str) else one for one in calls),
        differs=frozenset(differs.split()),
        asgi_differs=frozenset(asgi_differs.split()),
        worker_differs=frozenset(worker_differs.split()),
        **members,
    )
