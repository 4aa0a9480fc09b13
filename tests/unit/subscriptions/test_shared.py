"""Public responses that readers share: what their run has, and who gets it."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from tests.unit import live_views
from tests.unit.fixtures import _project as _project
from tests.unit.live_views import DATABASE, commit, live_service, value
from tests.unit.peer import ORIGIN, Peer, connected, pool_open
from tests.unit.views import STAGES, begin
from wsrequest.subscriptions.shared import SharedKey, ShareKey, Site, site_of

pytestmark = pytest.mark.asyncio


def page(request: HttpRequest, name: str) -> HttpResponse:
    """A page that says public whatever it looks at."""
    begin(request, name)
    found = value(name)
    meta = request.META
    if "HTTP_X_RAISE" in meta:
        raise ValueError("it raises for one reader only")
    if request.GET.get("needs_token") and "HTTP_AUTHORIZATION" not in meta:
        return HttpResponse("no", status=401, content_type="text/plain")
    if request.GET.get("needs_address"):
        assert meta["REMOTE_ADDR"]
    body = {"value": found, "host": request.get_host(), "scheme": request.scheme}
    if request.GET.get("tells"):
        body |= {key: str(told) for key, told in meta.items() if not key.startswith("wsgi.")}
    member = request.GET.get("connection")
    if member and found:
        body["connection"] = getattr(request.websocket, member)  # type: ignore[attr-defined]
    body["evil"] = meta.get("HTTP_X_EVIL", "")
    body["language"] = meta.get("HTTP_ACCEPT_LANGUAGE", "")
    request.tenant = meta.get("HTTP_X_TENANT", "")  # type: ignore[attr-defined]  # as a middleware
    response = JsonResponse(body)
    if "private" not in request.GET:
        response["Cache-Control"] = "public"
    response["Vary"] = "Accept-Language"
    return response


urlpatterns = [path("page/<str:name>/", page), *live_views.urlpatterns]


@pytest.fixture(autouse=True)
def _views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.subscriptions.test_shared"
    settings.ALLOWED_HOSTS = ["testserver", "a.example", "b.example"]


Peers = list[Peer]


@asynccontextmanager
async def readers(
    *people: dict[str, Any], share_key: ShareKey | None = None, **kwargs: Any
) -> AsyncIterator[Peers]:
    """Connections, each with what its handshake shall be."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pool_open(4))
        server = await stack.enter_async_context(live_service(pool, share_key=share_key, **kwargs))
        yield [await stack.enter_async_context(connected(server, **given)) for given in people]


async def goes_on(peer: Peer, url: str = "/page/a/", **message: Any) -> None:
    peer.say(id=1, url=url, subscribe=True, **message)
    assert (await peer.first(1)).version


async def newest(peer: Peer, number: int) -> dict[str, Any]:
    """Wait until a reader is shown a number; return all of that."""

    def find() -> Any:
        found = [json.loads(m.body) for m in peer.of(1) if m.body and m.status == 200]
        return [body for body in found if body["value"] == number]

    return dict((await peer.until(find))[0])


def is_shared() -> bool:
    return any(isinstance(key, SharedKey) for key in DATABASE[0].manager._queries)


async def test_a_header_of_one_reader_decides_for_nobody_else() -> None:
    """Without a commit the victim's answer had turned into the attacker's."""
    async with readers({}, {}) as (attacker, victim):
        await goes_on(attacker, headers={"X-Evil": "yes"})
        await goes_on(victim)
        for number in (1, 2):
            commit(a=number)
            assert (await newest(victim, number))["evil"] == ""
        assert not [m for m in victim.of(1) if b"yes" in (m.body or b"")]
        assert is_shared()


async def test_a_view_that_raises_for_one_reader_fails_for_nobody_else() -> None:
    async with readers({}, {}) as (attacker, victim):
        await goes_on(attacker)
        await goes_on(victim)
        commit(a=1)
        await newest(victim, 1)
        attacker.say(id=2, url="/page/a/", subscribe=True, headers={"X-Raise": "yes"})
        assert (await attacker.first(2)).status == 500
        commit(a=2)
        await newest(victim, 2)
        assert [m.status for m in victim.of(1)] == [200, 200, 200]


async def test_a_page_that_needs_a_token_is_shared_by_nobody_and_costs_one_run_each() -> None:
    """It had cost 102 runs for 101 readers at each commit."""
    async with readers({}, {}, {}) as peers:
        for number, peer in enumerate(peers):
            await goes_on(peer, "/page/a/?needs_token=1", token=f"t{number}")
        counts = []
        for number in (1, 2, 3):
            before = STAGES["a"].count
            commit(a=number)
            for peer in peers:
                await newest(peer, number)
            counts.append(STAGES["a"].count - before)
        assert counts == [4, 3, 3] and not is_shared()
        assert all(m.status == 200 for peer in peers for m in peer.of(1))


async def test_a_view_that_fails_for_nobody_in_particular_is_run_for_each() -> None:
    async with readers({}, {}) as peers:
        for peer in peers:
            await goes_on(peer, "/page/a/?needs_address=1")
        commit(a=1)
        for peer in peers:
            await newest(peer, 1)
            assert [m.status for m in peer.of(1)] == [200, 200]


async def test_a_shared_run_bears_nothing_of_a_reader() -> None:
    mine = {"cookie": "who=ann", "origin": ORIGIN, "headers": {"user-agent": "mine", "x-a": "b"}}
    async with readers(mine) as (peer,):
        await goes_on(peer, "/page/a/?tells=1", token="t", headers={"X-Evil": "1"})
        commit(a=1)
        told = await newest(peer, 1)
        assert is_shared()
        server = {"SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SCRIPT_NAME"}
        request = {"PATH_INFO", "QUERY_STRING", "REQUEST_METHOD", "HTTP_HOST", "REMOTE_ADDR"}
        bodies = {"value", "host", "scheme", "evil", "language"}
        assert told.keys() - server - request - bodies <= {"REQUEST_URI", "RAW_URI"}
        assert (told["REMOTE_ADDR"], told["HTTP_HOST"]) == ("", "testserver")


@pytest.mark.parametrize("more", ["", "&private"])
async def test_who_reads_what_its_connection_has_shares_with_nobody(more: str) -> None:
    """Strangers at one address, equal but for that; a run that reads it comes only later."""
    async with readers({}, {}, {}) as peers:
        for peer in peers:
            await goes_on(peer, f"/page/a/?connection=connection_id{more}")
        for number in (1, 2):
            commit(a=number)
            for peer in peers:
                shown = await newest(peer, number)
                assert shown["connection"] == peer.connection.connection_id


@pytest.mark.parametrize(
    ("member", "expected"), [("subprotocol", ["wsrequest.v1", None]), ("is_rerun", [True, True])]
)
async def test_what_all_readers_have_alike_is_shared(member: str, expected: list[Any]) -> None:
    async with readers({"greeted": True}, {}) as peers:
        for peer in peers:
            await goes_on(peer, f"/page/a/?connection={member}")
        count = STAGES["a"].count
        commit(a=1)
        assert [(await newest(peer, 1))["connection"] for peer in peers] == expected
        if member == "is_rerun":
            assert STAGES["a"].count == count + 1


async def test_readers_share_where_what_vary_names_is_equal() -> None:
    de, en = {"accept-language": "de"}, {"accept-language": "en"}
    async with readers({"headers": de}, {"headers": de}, {"headers": en}) as peers:
        for peer in peers:
            await goes_on(peer)
        before = STAGES["a"].count
        commit(a=1)
        told = [(await newest(peer, 1))["language"] for peer in peers]
        assert told == ["de", "de", "en"] and STAGES["a"].count - before == 2


# Hosts, schemes and what a project adds.


async def test_public_answers_are_not_shared_across_hosts_behind_a_proxy(settings: Any) -> None:
    """By ``USE_X_FORWARDED_HOST`` one tenant was shown another's page."""
    settings.USE_X_FORWARDED_HOST = True
    a, b = ({"headers": {"x-forwarded-host": f"{name}.example"}} for name in "ab")
    async with readers(a, b, a) as peers:
        for peer in peers:
            await goes_on(peer)
        before = STAGES["a"].count
        commit(a=1)
        told = [(await newest(peer, 1))["host"] for peer in peers]
        assert told == ["a.example", "b.example", "a.example"]
        assert STAGES["a"].count - before == 2 and is_shared()


async def test_public_answers_are_not_shared_across_schemes_behind_a_proxy(settings: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    tls, plain = ({"headers": {"x-forwarded-proto": name}} for name in ("https", "http"))
    async with readers(tls, plain) as peers:
        for peer in peers:
            await goes_on(peer)
        commit(a=1)
        assert [(await newest(peer, 1))["scheme"] for peer in peers] == ["https", "http"]


async def test_a_host_that_is_not_allowed_shares_with_nobody(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["elsewhere"]
    async with readers({}, {}) as (peer, _):
        peer.say(id=1, url="/public/a/", subscribe=True)  # it does not ask for its host
        assert (await peer.first(1)).version and not is_shared()


async def test_the_project_tells_apart_who_may_not_share() -> None:
    """A tenant that a middleware made of a header which Vary does not name."""

    def tenant(request: HttpRequest) -> str:
        return str(getattr(request, "tenant", ""))

    one, two = ({"headers": {"x-tenant": name}} for name in ("one", "two"))
    async with readers(one, two, {}, {}, share_key=tenant) as peers:
        for peer in peers:
            await goes_on(peer)
        keys = {key.share_key for key in DATABASE[0].manager._queries if isinstance(key, SharedKey)}
        assert keys == {"one", "two", ""}
        before = STAGES["a"].count
        commit(a=1)
        for peer in peers:
            await newest(peer, 1)
        # Nobody's run is of no tenant, so it stands for those who have none; the others part.
        assert STAGES["a"].count - before == 1 + 2 + 2
        keys = {key.share_key for key in DATABASE[0].manager._queries if isinstance(key, SharedKey)}
        assert keys == {""}


@pytest.mark.parametrize("told", [[], ZeroDivisionError])
async def test_what_cannot_be_told_apart_is_not_shared(
    told: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(request: HttpRequest) -> Any:
        if told:
            raise told
        return told

    async with readers({}, share_key=fails) as (peer,):
        await goes_on(peer)
        assert not is_shared()
        assert [r for r in caplog.records if "WSREQUEST_LIVE_SHARE_KEY" in r.getMessage()]
        assert caplog.records[-1].levelno == logging.ERROR


async def test_a_site_is_as_django_sees_it(settings: Any) -> None:
    settings.USE_X_FORWARDED_HOST = settings.USE_X_FORWARDED_PORT = True
    request = HttpRequest()
    request.META = {
        "HTTP_HOST": "inside", "HTTP_X_FORWARDED_HOST": "a.example", "SERVER_PORT": "80",
        "HTTP_X_FORWARDED_PORT": "8443", "SCRIPT_NAME": "/app",
    }  # fmt: skip
    request._get_scheme = lambda: "http"  # type: ignore[attr-defined]  # as a server says
    assert site_of(request) == Site("http", "a.example", "8443", "/app")
    request.META["HTTP_X_FORWARDED_HOST"] = "evil.example"
    assert site_of(request) is None
