"""Views for the unit tests of live requests, and the database that they read: a dict.

Owns what is noted of a run, in place of the package's own taps, and how commits are heard of. The
views of ``tests.unit.views`` are at their paths here, too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.utils.functional import SimpleLazyObject

from tests.unit import views
from tests.unit.peer import make_server
from tests.unit.views import SECONDS, begin
from wsrequest.live.manager import LiveQueryManager
from wsrequest.live.tracking.reads import current, running
from wsrequest.push.history import HistoryStore
from wsrequest.push.registry import Registry
from wsrequest.server.context import Live, ServerContext
from wsrequest.types import Commit, TableChange
from wsrequest.workers.pool import WorkerPool

TABLES: dict[str, Any] = {}
RUNS: list[Any] = []
"""The registry's runs, in the order in which their views read."""


def value(table: str) -> Any:
    reads = current()
    if reads is not None:
        reads.add("default", table)
        RUNS.append(reads.run)
    return TABLES.get(table, 0)


class Database:
    """Joins the dict and the registry of a service, as the package's taps do."""

    def __init__(self, pool: WorkerPool, **kwargs: Any) -> None:
        share_key, history = kwargs.pop("share_key", None), kwargs.pop("history", (100, 300.0))
        given = {"max_runs": 4, "least_seconds": 0.0, "run_seconds": SECONDS, **kwargs}
        self.pool = pool
        self.manager = LiveQueryManager(pool.loop, **given)
        self.hears = True
        self.push = Registry(pool.loop, HistoryStore(history[0], history[1], 2**20))
        self.live = Live(self.manager, self.when_received, share_key=share_key, push=self.push)

    def when_received(self, then: Callable[[bool], None]) -> None:
        # behind the commits, which come this way, too
        self.pool.post(lambda: then(self.hears))

    def commit(self, **values: Any) -> None:
        """Write; from any thread."""
        run = running()
        TABLES.update(values)
        changes = tuple(TableChange("default", table) for table in values)
        self.pool.post(lambda: self.manager.receive(Commit(changes, run)))

    def is_empty(self) -> bool:
        manager = self.manager
        is_empty = not len(manager) and not len(manager._index) and not manager._log.is_needed
        return is_empty and not len(self.push)


DATABASE: list[Database] = []


@asynccontextmanager
async def live_service(pool: WorkerPool, **kwargs: Any) -> AsyncIterator[ServerContext]:
    """A service whose requests can be subscribed to; fails when one outlives the block."""
    plain = make_server(pool)
    database = Database(pool, **kwargs)
    TABLES.clear()
    RUNS.clear()
    DATABASE[:] = [database]
    yield ServerContext(plain.handler, pool, plain.tickets, live=database.live)
    async with asyncio.timeout(SECONDS):
        while not database.is_empty():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0)
    database.manager.stop()
    database.push.stop()


def commit(**values: Any) -> None:
    DATABASE[0].commit(**values)


# Views that read the table of their name.


def table(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    response = JsonResponse({"value": value(name), "who": request.COOKIES.get("who")})
    response["Content-Language"] = "en"
    return response


def rows(request: HttpRequest, name: str) -> HttpResponse:
    """Read 300 rows one by one, by two columns, other ones for each name."""
    reads = current()
    assert reads is not None
    for number in range(300):
        key, part = 1000 * int(name) + number, number // 100
        equals = (("id", frozenset({key})), ("part", frozenset({part})))
        reads.add("default", f"rows{part}", equals)
    reads.add("default", "rows", (("id", frozenset({1_000_000 * int(name) + 1})),))
    RUNS.append(reads.run)
    return JsonResponse({"name": name})


def listed(request: HttpRequest, name: str) -> HttpResponse:
    return JsonResponse(value(name) or [], safe=False)


async def atable(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    await asyncio.sleep(0)
    return JsonResponse({"value": value(name)})


def held(request: HttpRequest, name: str) -> HttpResponse:
    """Read, also the cookie ``who``, then hold the thread until the stage may go on."""
    found, _ = value(name), request.COOKIES.get("who")
    stage = begin(request, name)
    if not request.GET.get("first") or request.websocket.is_rerun:  # type: ignore[attr-defined]
        stage.go.wait(SECONDS)
    stage.ended.set()
    return JsonResponse({"value": found})


async def aheld(request: HttpRequest, name: str) -> HttpResponse:
    """Read, then wait on the event loop until it is cancelled, when it runs again."""
    found = value(name)
    stage = begin(request, name)
    if request.websocket.is_rerun:  # type: ignore[attr-defined]
        try:
            await asyncio.Event().wait()
        finally:
            stage.cancelled.set()
    return JsonResponse({"value": found})


def body(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """Read while the body is sent, to its last byte."""

    def walk() -> Iterator[str]:
        yield "value "
        yield str(value(name))

    return StreamingHttpResponse(walk(), content_type="text/plain")


async def abody(request: HttpRequest, name: str) -> StreamingHttpResponse:
    async def walk() -> AsyncIterator[str]:
        yield "value "
        await asyncio.sleep(0)
        yield str(value(name))

    return StreamingHttpResponse(walk(), content_type="text/plain")


def status(request: HttpRequest, name: str) -> HttpResponse:
    """Answer with the status that the table holds."""
    response = HttpResponse(b"told", status=value(name) or 200, content_type="text/plain")
    response["Location"] = "/elsewhere/"
    return response


def turning(request: HttpRequest, name: str) -> HttpResponse | StreamingHttpResponse:
    """A page, that becomes a stream of events."""
    if value(name):
        return StreamingHttpResponse(iter([b"data: 1\n\n"]), content_type="text/event-stream")
    return HttpResponse("page", content_type="text/plain")


def breaking(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """A stream, that fails in its middle once the table holds something."""

    def walk() -> Iterator[bytes]:
        yield b"page"
        if value(name):
            raise ValueError

    return StreamingHttpResponse(walk(), content_type="text/plain")


def tagged(request: HttpRequest, name: str) -> JsonResponse:
    """Its ETag is the one that the table holds, its body another each time."""
    begin(request, name)
    padding = "x" * 200
    return JsonResponse(
        {"padding": padding, "count": views.STAGES[name].count, "value": value(name)},
        headers={"ETag": value(f"{name}_tag") or 'W/"a"'},
    )


def page(request: HttpRequest, name: str) -> HttpResponse:
    """A list of rows in HTML, with ``forms`` one in each row, whose token is masked for itself."""
    begin(request, name)

    def form() -> str:
        return f'<form><input value="{get_token(request)}"></form>'

    has_forms = "forms" in request.GET
    rows = [f"<li>{row}{form() if has_forms else ''}</li>\n" for row in value(name) or ()]
    runs = f"<i>{10 ** views.STAGES[name].count}</i>" if "count" in request.GET else ""
    tag = value(f"{name}_tag")
    body = f"<h1>{len(rows)} rows</h1>{runs}<ul>{''.join(rows)}</ul>"
    return HttpResponse(body, headers={"ETag": tag} if tag else {})


def public(request: HttpRequest, name: str) -> HttpResponse:
    """What everybody may see; without table ``name``, what only one may."""
    begin(request, name)
    who = request.COOKIES.get("who")
    if value(name) == "private":
        return HttpResponse(f"for {who}", content_type="text/plain")
    response = HttpResponse(f"public {value(name)}", content_type="text/plain")
    response["Cache-Control"] = "public"
    if request.GET.get("sets"):
        response.set_cookie("seen", "1")
    if request.GET.get("sets_by_hand"):
        response["Set-Cookie"] = "seen=1"
    return response


def cached(request: HttpRequest, name: str) -> HttpResponse:
    """As a page out of a cache: what it reads besides has nothing to do with it."""
    stage = begin(request, name)
    if request.GET.get("reads"):
        value("session")
    return HttpResponse(
        str(stage.count), content_type="text/plain", headers={"Cache-Control": "max-age=1"}
    )


def of_user(request: HttpRequest, name: str) -> HttpResponse:
    """As a view that asks who is logged in."""
    begin(request, name)
    who = request.COOKIES.get("sessionid")
    if who:
        user = SimpleNamespace(pk=who)
        request.user = request._cached_user = user  # type: ignore[attr-defined, assignment]
    return JsonResponse({"value": value(name), "user": who})


def room(request: HttpRequest, name: str) -> HttpResponse:
    """Join the rooms that its table lists, or answer with the status that is there instead."""
    begin(request, name)
    found = value(name) or [name]
    if isinstance(found, int):
        return HttpResponse(status=found)
    for each in found:
        request.websocket.join(each, member=request.GET.get("member"))  # type: ignore[attr-defined]
    who = request.COOKIES.get("who")
    if who:
        user = SimpleNamespace(pk=who, is_authenticated=True)
        request.user = user  # type: ignore[assignment]
    return JsonResponse({"status": "here"})


def public_room(request: HttpRequest, name: str) -> HttpResponse:
    """The same for everybody, so that one run answers all who may share it."""
    response = room(request, name)
    response["Cache-Control"] = "public"
    return response


def picky_room(request: HttpRequest, name: str) -> HttpResponse:
    """Public, and joins all but one."""
    begin(request, name)
    value(name)
    if request.COOKIES.get("who") != "banned":
        request.websocket.join(name)  # type: ignore[attr-defined]
    response = JsonResponse({"status": "here"})
    response["Cache-Control"] = "public"
    return response


def lazy_room(request: HttpRequest, name: str) -> HttpResponse:
    """Join, with a user whom only those find who look."""
    value(name)
    request.websocket.join(name)  # type: ignore[attr-defined]

    def find() -> Any:
        request._cached_user = SimpleNamespace(  # type: ignore[attr-defined]
            pk=request.COOKIES["sessionid"], is_authenticated=True
        )
        return request._cached_user  # type: ignore[attr-defined]

    request.user = SimpleLazyObject(find)  # type: ignore[assignment]
    return HttpResponse("here", content_type="text/plain")


def token_room(request: HttpRequest, name: str) -> HttpResponse:
    """Join as the user whom the token names."""
    value(name)
    request.websocket.join(name)  # type: ignore[attr-defined]
    who = request.headers["Authorization"].partition(" ")[2]
    request.user = SimpleNamespace(pk=who, is_authenticated=True)  # type: ignore[assignment]
    return HttpResponse("here", content_type="text/plain")


def only_room(request: HttpRequest, name: str) -> HttpResponse:
    """Join, and read nothing."""
    request.websocket.join(name)  # type: ignore[attr-defined]
    return HttpResponse("here", content_type="text/plain")


# Views that write, and those that change who somebody is.


def write(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    commit(**{name: TABLES.get(name, 0) + 1})
    return JsonResponse({"written": name})


def count(request: HttpRequest, name: str) -> HttpResponse:
    """A view that writes what it reads."""
    begin(request, name)
    commit(**{name: value(name) + 1})
    return JsonResponse({"count": TABLES[name]})


def become(request: HttpRequest, name: str) -> HttpResponse:
    """Set the cookie ``who``, and read a table besides."""
    response = JsonResponse({"value": value("any"), "was": request.COOKIES.get("who")})
    response.set_cookie("who", name)
    return response


def become_nobody(request: HttpRequest, name: str) -> HttpResponse:
    """Log out, as Django does."""
    user_logged_out.send(sender=None, request=request, user=None)
    response = HttpResponse("out", content_type="text/plain")
    response.delete_cookie("sessionid")
    return response


VIEWS = (
    table, rows, listed, atable, held, aheld, body, abody, status, turning, breaking, tagged, page,
    public, cached, of_user, write, count, become, become_nobody, room, only_room,
    picky_room, public_room, lazy_room, token_room,
)  # fmt: skip
urlpatterns = [
    *(path(f"{view.__name__}/<str:name>/", view) for view in VIEWS),
    *views.urlpatterns,
]
