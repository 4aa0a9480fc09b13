"""Traces one trivial message through the package: which modules it enters, and how often.

Usage: python -m benchmarks.path [--check]

A reader who follows a message reads these modules in this order. The bars keep the path short.
Counted are calls of the package's own functions in both threads, in the order of time; resuming a
coroutine counts, a comprehension does not. The message is a GET of a view without middleware, the
fifth of its connection, so that nothing is set up any more.
"""

import argparse
import asyncio
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

import wsrequest

MAX_MODULES, MAX_CHANGES, MAX_ENTRIES, MAX_CALLS = 20, 35, 3, 97

ROOT = f"{Path(wsrequest.__file__).parent}/"
SECONDS = 10.0  # far more than a message takes


def hello(request: HttpRequest) -> HttpResponse:
    """The view."""
    return HttpResponse("hello")


urlpatterns = [path("hello/", hello)]


class Tracer:
    """Notes calls while it is on. One for the process, since threads are told when they begin."""

    def __init__(self) -> None:
        self.is_on = False
        self.calls: list[tuple[str, str]] = []  # module and function

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """As ``sys.setprofile`` wants it."""
        code = frame.f_code
        if self.is_on and event == "call" and code.co_filename.startswith(ROOT):
            if not code.co_name.startswith("<") or code.co_name == "<lambda>":
                module = code.co_filename.removeprefix(ROOT).removesuffix(".py").replace("/", ".")
                self.calls.append((module, code.co_qualname))


@dataclass(frozen=True)
class MessagePath:
    """What one message passed.

    Attributes:
        calls: module and function, in the order of time.
    """

    calls: list[tuple[str, str]]

    @property
    def entries(self) -> Counter[str]:
        """How often each module was entered from another."""
        return Counter(module for module, _ in groupby(module for module, _ in self.calls))

    @property
    def changes(self) -> int:
        """How often the next call is in another module."""
        return self.entries.total() - 1

    def problems(self) -> list[str]:
        """Return a sentence for each bar that is missed."""
        bars = (
            ("modules", len(self.entries), MAX_MODULES),
            ("changes of module", self.changes, MAX_CHANGES),
            ("calls", len(self.calls), MAX_CALLS),
        )
        problems = [f"{n} {what}, at most {bar}" for what, n, bar in bars if n > bar]
        return problems + [
            f"{module} is entered {n} times, at most {MAX_ENTRIES}"
            for module, n in self.entries.items()
            if n > MAX_ENTRIES
        ]


async def trace() -> MessagePath:
    """Send five messages and trace the last."""
    from wsrequest.asgi import get_asgi_application

    tracer = Tracer()
    threading.setprofile(tracer)
    application = get_asgi_application()
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    scope = {
        "type": "websocket",
        "path": "/ws/",
        "scheme": "ws",
        "headers": [(b"host", b"testserver"), (b"origin", b"http://testserver")],
        "subprotocols": ["wsrequest.v1"],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }

    async def send(event: dict[str, Any]) -> None:
        sent.put_nowait(event)

    serving = asyncio.create_task(application(scope, received.get, send))
    received.put_nowait({"type": "websocket.connect"})
    async with asyncio.timeout(SECONDS):
        for _ in ("accept", "hello"):
            await sent.get()
        for number in range(1, 6):
            if number == 5:
                tracer.is_on = True
                sys.setprofile(tracer)
            text = f'{{"id":{number},"method":"GET","url":"/hello/"}}'
            received.put_nowait({"type": "websocket.receive", "text": text})
            assert '"status":200' in (await sent.get())["text"]
            await asyncio.sleep(0.05)  # what follows its last frame
    tracer.is_on = False
    sys.setprofile(None)
    received.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await serving
    return MessagePath(tracer.calls)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="print only what misses a bar")
    arguments = parser.parse_args()
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={},
        INSTALLED_APPS=["wsrequest"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="path",
        WSREQUEST_THREADS=1,
    )
    django.setup()
    found = asyncio.run(trace())
    if not arguments.check:
        for module, calls in groupby(found.calls, key=lambda call: call[0]):
            print(f"{module:28} {', '.join(function for _, function in calls)}")
    most = ", ".join(f"{module} {n}" for module, n in found.entries.most_common(3))
    print(
        f"{len(found.calls)} calls in {len(found.entries)} modules with {found.changes} changes of "
        f"module; entered most: {most}"
    )
    problems = found.problems()
    for problem in problems:
        print(f"path: {problem}")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
