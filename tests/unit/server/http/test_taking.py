"""Requests that the application takes without a coroutine, as from uvicorn's parser."""

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from tests.unit.fixtures import _project as _project
from tests.unit.peer import SECONDS, happens
from tests.unit.server.http.test_application import running
from tests.unit.views import STAGES
from wsrequest.asgi import Application

pytestmark = pytest.mark.asyncio

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="")


class Taken:
    """A request, and what becomes of it."""

    def __init__(self, application: Application, path: str) -> None:
        self.events: list[Any] = []
        self.is_writable = asyncio.Event()
        self.is_writable.set()
        self.started = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.variable = ""
        self.scope = {
            "type": "http", "method": "GET", "path": path, "client": ("203.0.113.7", 40000),
            "headers": [(b"host", b"testserver")],
        }  # fmt: skip
        self.is_taken = application.take_request(
            self.scope, self.receive, self.send, b"", self.start
        )

    async def receive(self) -> Any:
        await asyncio.Event().wait()

    async def send(self, event: Any) -> None:
        await self.is_writable.wait()
        self.events.append(event)

    def start(self, application: Any) -> None:
        self.variable = VARIABLE.get()
        self.started.set()
        self.task = asyncio.ensure_future(application(self.scope, self.receive, self.send))

    async def ends(self) -> list[Any]:
        async with asyncio.timeout(SECONDS):
            await self.started.wait()
            assert self.task is not None
            await self.task
        return self.events


async def test_response_that_cannot_be_written_at_once_gets_a_coroutine() -> None:
    async with running() as application:
        for path in ("/quick/a/", "/aquick/a/", "/pieces/a/", "/apieces/a/"):
            taken = Taken(application, path)
            assert taken.is_taken
            start, *parts = await taken.ends()
            assert start["status"] == 200
            assert not parts[-1].get("more_body")


async def test_coroutine_has_the_context_in_which_the_request_was_taken() -> None:
    async with running() as application:
        VARIABLE.set("of the server")
        taken = Taken(application, "/quick/a/")
        VARIABLE.set("of another request")
        await taken.ends()
        assert taken.variable == "of the server"


async def test_drain_waits_until_a_response_is_sent() -> None:
    async with running() as application:
        taken = Taken(application, "/hold/a/")
        taken.is_writable.clear()
        await happens(STAGES["a"].begun)
        drain = asyncio.create_task(application.drain())
        STAGES["a"].go.set()
        await happens(STAGES["a"].ended)
        await asyncio.sleep(0.1)
        assert not drain.done()
        taken.is_writable.set()
        await asyncio.wait_for(drain, SECONDS)
        assert len(taken.events) == 2


async def test_slow_request_gets_a_coroutine_before_its_response() -> None:
    async with running() as application:
        taken = Taken(application, "/hold/a/")
        await asyncio.wait_for(taken.started.wait(), SECONDS)
        assert not STAGES["a"].ended.is_set()
        STAGES["a"].go.set()
        assert (await taken.ends())[0]["status"] == 200


@pytest.mark.parametrize("path", ["/django/a/", "/ws/"])
async def test_what_the_workers_do_not_answer_is_not_taken(settings: Any, path: str) -> None:
    settings.WSREQUEST_HTTP_DJANGO_PATHS = ["/django/"]
    async with running() as application:
        assert not Taken(application, path).is_taken


@pytest.mark.parametrize("name", ["WSREQUEST_UVICORN_FAST_PATH", "WSREQUEST_HTTP"])
async def test_settings_turn_it_off(settings: Any, name: str) -> None:
    if name == "WSREQUEST_HTTP":
        settings.WSREQUEST_HTTP = "django"
    async with running() as application:
        if name == "WSREQUEST_UVICORN_FAST_PATH":
            settings.WSREQUEST_UVICORN_FAST_PATH = False
        assert not Taken(application, "/quick/a/").is_taken


async def test_process_that_holds_too_much_takes_nothing(settings: Any) -> None:
    settings.WSREQUEST_MAX_PENDING_REQUEST_BYTES = 4096
    async with running() as application:
        assert not Taken(application, "/quick/a/").is_taken
        assert application._wiring.get_server().budget.held_bytes == 0
        assert not STAGES["a"].count
