"""A browser that opens pages over HTTP and follows them over the socket, for the tests only.

It sends the headers of a navigation and of a handshake as Chromium does, keeps cookies, and takes
the page tag from what it was served.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any

from tests.acceptance.accounts import FORM, cookies_of
from tests.acceptance.client import Client, Frame, connect
from tests.acceptance.servers import Page, Server

_ALWAYS = {"User-Agent": "Tests/1", "Accept-Language": "en"}
_NAVIGATION = {
    **_ALWAYS,
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
_TAG = re.compile(r'<meta name="wsrequest-live" ([^>]*)>')


class Tag:
    """A page tag.

    Args:
        body: of the page.
    """

    def __init__(self, body: bytes) -> None:
        found = _TAG.findall(body.decode())
        assert len(found) == 1, body
        pairs = re.findall(r'([\w-]+)="([^"]*)"', found[0])
        values = {name: unescape(value) for name, value in pairs}
        self.content, self.url = values["content"], values["data-url"]
        self.etag, self.proof = values["data-etag"], values["data-proof"]
        self.messages: list[str] = json.loads(values["data-messages"])


class Browser:
    """One browser, with the cookies that it holds.

    Args:
        server: whose pages it opens.
        socket_server: where its sockets are. The same by default.
    """

    def __init__(self, server: Server, socket_server: Server | None = None) -> None:
        self.server, self.socket_server = server, socket_server or server
        self.cookies: dict[str, str] = {}

    def open(self, url: str, method: str = "GET", **headers: str) -> Page:
        """Navigate to a URL."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._take(self.server.http(method, url, headers=self._headers(names)))

    def submit(self, url: str, **fields: str) -> Page:
        """Send a form, with the token of its page, and follow no redirect."""
        body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
        headers = self._headers({**FORM, "X-CSRFToken": self.cookies["csrftoken"]})
        return self._take(self.server.http("POST", url, body, headers))

    def state(self) -> Any:
        """What the session holds."""
        return self.open("/pages/session/").json()

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        host = {"Host": self.socket_server.host}
        return {**_NAVIGATION, **host, **({"Cookie": cookie} if cookie else {}), **more}

    def _take(self, page: Page) -> Page:
        self.cookies |= cookies_of(page)
        return page

    @contextmanager
    def connected(self, **headers: str) -> Iterator[Client]:
        """Open a socket, as a page does."""
        server = self.socket_server
        with connect(
            server,
            origin=server.origin,
            cookies=self.cookies,
            headers={"Accept-Language": "en", **headers},
            user_agent_header="Tests/1",
        ) as client:
            yield client


def follow(client: Client, tag: Tag, **members: Any) -> tuple[Any, Frame]:
    """Subscribe to a page as its own script does; return the id and the first version."""
    headers = {"Accept": "text/html", **({"If-None-Match": tag.etag} if tag.etag else {})}
    message = {"headers": headers, "rerun": tag.proof, **members}
    id = client.send("GET", tag.url, subscribe=True, **message)
    return id, client.receive_for(id)
