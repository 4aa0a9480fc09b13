"""A run that no client sent has no effects on its identity."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count as count_up
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.file import SessionStore as FileStore

from tests.unit.fixtures import _project as _project
from tests.unit.live_views import DATABASE, commit
from tests.unit.peer import ORIGIN, Peer, connected
from tests.unit.rerun_views import KEYS, STAMPS, TASKS, session_store
from tests.unit.subscriptions.test_subscription import goes_on, nth, quiet, service_open
from tests.unit.views import SECONDS, STAGES
from wsrequest.live.normalizing import Normalizer
from wsrequest.protocol.messages import Response
from wsrequest.server import connections
from wsrequest.server.context import ConnectionConfig
from wsrequest.subscriptions.shared import SharedKey
from wsrequest.types import Limits

pytestmark = pytest.mark.asyncio

_numbers = count_up()
BACKENDS = "django.contrib.sessions.backends."
STORAGES = "django.contrib.messages.storage."


@pytest.fixture(autouse=True)
def _rerun_project(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.rerun_views"
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    STAMPS.clear()


def begun(**data: Any) -> str:
    """Begin a session; return its key."""
    session = session_store()
    session.update(data)
    session.save()
    return str(session.session_key)


def held(key: str) -> dict[str, Any]:
    return dict(session_store(key).load())


@asynccontextmanager
async def identity(key: str | None = None) -> AsyncIterator[Peer]:
    cookie = "" if key is None else f"sessionid={key}"
    async with service_open() as server, connected(server, cookie=cookie) as peer:
        yield peer


async def shown(peer: Peer, id: Any, count: int) -> Any:
    return json.loads((await nth(peer, id, count)).body)


async def asked(peer: Peer, url: str) -> Any:
    """The answer to an ordinary request."""
    id = f"asked {next(_numbers)}"
    peer.say(id=id, url=url)
    return json.loads(await peer.body(id))


@pytest.mark.parametrize("view", ["token", "token_by_key"])
@pytest.mark.parametrize("engine", ["cache", "file"])
async def test_a_token_that_is_shown_once_waits_for_the_visitor(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str, view: str
) -> None:
    monkeypatch.setattr(FileStore, "_storage_path", str(tmp_path), raising=False)
    settings.SESSION_ENGINE = f"{BACKENDS}{engine}"
    key = begun(user="ann")
    async with identity(key) as peer:
        await goes_on(peer, url=f"/{view}/a/")
        session = session_store(key)
        session["token"] = "secret"
        session.save()
        for count in (2, 3):
            commit(a=count)
            assert await shown(peer, 1, count) == {"value": count, "token": "secret"}
        assert held(key) == {"user": "ann", "token": "secret"}
        assert (await asked(peer, f"/{view}/b/"))["token"] == "secret"
        assert (await asked(peer, f"/{view}/b/"))["token"] is None


@pytest.mark.parametrize(
    "storage", ["session.SessionStorage", "cookie.CookieStorage", "fallback.FallbackStorage"]
)
async def test_messages_wait_for_the_visitor(settings: Any, storage: str) -> None:
    settings.MESSAGE_STORAGE = STORAGES + storage
    async with identity(begun(user="ann")) as peer:
        await goes_on(peer, url="/flashes/a/")
        await asked(peer, "/flashes/b/?add=1")
        for number in (1, 2):
            commit(a=number)
            await peer.until(lambda n=number: [m for m in peer.of(1) if _value(m) == n])  # type: ignore[misc]
            await quiet(peer)
            assert json.loads(peer.of(1)[-1].body)["messages"] == ["flash"]
        assert (await asked(peer, "/flashes/c/"))["messages"] == ["flash"]
        assert (await asked(peer, "/flashes/c/"))["messages"] == []


def _value(message: Any) -> Any:
    return json.loads(message.body)["value"]


async def test_a_task_that_a_run_starts_saves_the_sessions_of_others(settings: Any) -> None:
    settings.SESSION_ENGINE = f"{BACKENDS}cache"
    key = begun(user="ann")
    async with identity() as peer:
        await goes_on(peer, url="/background/a/")
        commit(a=1)
        await shown(peer, 1, 2)
        KEYS.put_nowait(key)
        await asyncio.wait_for(TASKS.pop(), SECONDS)
    assert held(key) == {"user": "ann", "saved": True}


async def test_a_run_never_prolongs_a_session(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    key = begun(user="ann")
    saved: list[Any] = []
    store = type(session_store())
    before = store.save

    def save(self: Any, must_create: bool = False) -> None:
        saved.append(self.session_key)
        before(self, must_create)

    async with identity(key) as peer:
        monkeypatch.setattr(store, "save", save)
        await goes_on(peer, url="/token/a/")
        assert saved == [key]
        cookies = peer.connection.identity.cookies.header("/")
        for number in (1, 2, 3):
            commit(a=number)
            await nth(peer, 1, number + 1)
        assert saved == [key] and peer.connection.identity.cookies.header("/") == cookies


async def test_a_logout_in_a_run_logs_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(connections, "close_sockets", lambda key, **_: closed.append(key))
    monkeypatch.setattr("wsrequest.apps.close_sockets", connections.close_sockets)
    key = begun(user="ann")
    async with identity(key) as peer:
        await goes_on(peer, url="/leave/a/")
        commit(a=1)
        assert await shown(peer, 1, 2) == {"value": 1}
        assert held(key) == {"user": "ann"} and not closed
        await asked(peer, "/leave/a/")
        assert held(key) == {} and set(closed) == {key}


@pytest.mark.parametrize("view", ["stamping", "astamping"])
async def test_what_only_the_sender_may_cause_is_skipped(view: str) -> None:
    async with identity() as peer:
        first = await goes_on(peer, url=f"/{view}/a/")
        assert json.loads(first.body or b"") == {"value": 0, "stamp": "a", "rerun": False}
        commit(a=1)
        assert await shown(peer, 1, 2) == {"value": 1, "stamp": None, "rerun": True}
        assert STAMPS == ["a"]
        assert (await asked(peer, f"/{view}/b/"))["stamp"] == "b"


async def resumes(peer: Peer, other: Peer | None = None, id: Any = 1, **message: Any) -> Response:
    """Subscribe, and take it up again, on another connection if there is one."""
    first = await goes_on(peer, id="before", **message)
    assert first.rerun
    if other is None:
        peer.say(id="before", cancel=True)
        await peer.obeyed()
    return await goes_on(other or peer, id=id, **message, rerun=first.rerun)


FACTS = {"live": False, "rerun": False, "resumed": False}


async def test_a_request_knows_whether_it_is_live_and_whether_it_was_sent() -> None:
    async with identity() as peer:
        first = await goes_on(peer, url="/facts/a/")
        assert json.loads(first.body or b"") == {**FACTS, "value": 0, "live": True}
        commit(a=1)
        expected = {**FACTS, "value": 1, "live": True, "rerun": True}
        assert await shown(peer, 1, 2) == expected
        assert await asked(peer, "/facts/b/") == {**FACTS, "value": 0}
        resumed = await resumes(peer, id=2, url="/facts/b/")
        assert json.loads(resumed.body or b"") == {
            **FACTS, "value": 0, "live": True, "resumed": True
        }  # fmt: skip
        commit(b=1)
        assert await shown(peer, 2, 2) == {**expected, "value": 1}


def put(key: str, **data: Any) -> None:
    session = session_store(key)
    session.update(data)
    session.save()


async def test_what_the_client_takes_up_again_has_no_effects_on_the_visitor() -> None:
    key = begun(token="secret")
    async with identity(key) as peer:
        first = await goes_on(peer, url="/token/a/")
        assert json.loads(first.body or b"")["token"] == "secret" and not held(key)
    put(key, token="another")
    async with identity(key) as peer:
        again = await goes_on(peer, url="/token/a/", rerun=first.rerun)
        assert json.loads(again.body or b"")["token"] == "another" and held(key)
    async with identity(key) as peer:  # and again
        third = await goes_on(peer, url="/token/a/", rerun=again.rerun)
        assert json.loads(third.body or b"")["token"] == "another" and held(key)
        assert (await asked(peer, "/token/a/"))["token"] == "another" and not held(key)


@pytest.mark.parametrize("claim", [True, "", "x", ":", "a:b:c", "é\u2028", "x" * 10_000])
async def test_the_word_of_a_client_proves_nothing(claim: Any) -> None:
    key = begun(token="secret")
    async with identity(key) as peer:
        first = await goes_on(peer, url="/token/a/", rerun=claim)
        assert json.loads(first.body or b"")["token"] == "secret" and not held(key)
        assert STAGES["a"].count == 1


ANOTHER_QUESTION: list[dict[str, Any]] = [
    {"url": "/guess/a/?code=0042"},
    {"data": {"code": "0042"}},
    {"headers": {"X-Code": "0042"}},
    {"token": "0042"},
    {"headers": {"Authorization": "Basic 0042"}},
    # Of one request, or other on each way to the server: in a message they are its client's.
    {"headers": {"DPoP": "0042"}},
    {"headers": {"Idempotency-Key": "0042"}},
    {"headers": {"Pragma": "0042"}},
    {"headers": {"traceparent": "0042"}},
]


@pytest.mark.parametrize("question", ANOTHER_QUESTION, ids=str)
async def test_a_proof_asks_no_other_question(question: dict[str, Any]) -> None:
    """Each was one guess of as many as there are, of which the session counted the first."""
    key = begun(name="ann")
    async with identity(key) as peer:
        first = await goes_on(peer, url="/guess/a/")
        assert held(key)["tries"] == 1
        again = await goes_on(peer, id=2, **{"url": "/guess/a/", **question}, rerun=first.rerun)
        assert json.loads(again.body or b"")["right"] and held(key)["tries"] == 2
        same = await goes_on(peer, id=3, url="/guess/a/", rerun=first.rerun)
        assert json.loads(same.body or b"")["right"] is False and held(key)["tries"] == 2


async def test_a_handshake_asks_no_other_question_by_a_proof() -> None:
    key = begun(name="ann")
    async with service_open() as server:
        async with connected(server, cookie=f"sessionid={key}") as peer:
            first = await goes_on(peer, url="/guess/a/")
        extra = {"x-code": "0042"}
        async with connected(server, cookie=f"sessionid={key}", headers=extra) as peer:
            again = await goes_on(peer, url="/guess/a/", rerun=first.rerun)
        assert json.loads(again.body or b"")["right"] and held(key)["tries"] == 2


@pytest.mark.parametrize("view", ["guess", "guess_in_stream"])
async def test_a_cookie_asks_no_other_question_by_a_proof(view: str) -> None:
    key = begun(name="ann")
    async with service_open() as server:
        async with connected(server, cookie=f"sessionid={key}; code=1") as peer:
            first = await goes_on(peer, url=f"/{view}/a/")
        assert held(key)["tries"] == 1
        async with connected(server, cookie=f"sessionid={key}; code=0042") as peer:
            again = await goes_on(peer, url=f"/{view}/a/", rerun=first.rerun)
            assert json.loads(again.body or b"")["right"] and held(key)["tries"] == 2
            third = await goes_on(peer, id=2, url=f"/{view}/a/", rerun=again.rerun)
            assert json.loads(third.body or b"")["right"] and held(key)["tries"] == 2


async def test_a_proof_is_of_one_session() -> None:
    one, two = begun(name="ann"), begun(name="bob")
    async with identity(one) as peer:
        first = await goes_on(peer, url="/guess/a/")
    async with identity(two) as peer:
        await goes_on(peer, url="/guess/a/", rerun=first.rerun)
    assert held(one)["tries"] == held(two)["tries"] == 1


async def test_a_proof_is_good_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    key = begun(name="ann")
    async with identity(key) as peer:
        first = await goes_on(peer, url="/guess/a/")
        now = time.time()
        monkeypatch.setattr("django.core.signing.time.time", lambda: now + 86_300)
        await goes_on(peer, id=2, url="/guess/a/", rerun=first.rerun)
        assert held(key)["tries"] == 1
        monkeypatch.setattr("django.core.signing.time.time", lambda: now + 86_500)
        await goes_on(peer, id=3, url="/guess/a/", rerun=first.rerun)
        assert held(key)["tries"] == 2


async def test_what_differs_by_the_way_to_the_server_leaves_a_proof_good() -> None:
    key = begun(name="ann")
    cookie = f"sessionid={key}"
    before = {"x-forwarded-for": "198.51.100.1", "cf-ray": "1", "accept": "*/*"}
    after = {"x-forwarded-for": "198.51.100.2", "cf-ray": "2", "sec-fetch-mode": "cors"}
    async with service_open() as server:
        async with connected(server, cookie=cookie, headers=before) as peer:
            first = await goes_on(peer, url="/guess/a/")
        async with connected(server, cookie=f"{cookie}; _ga=1; messages=x", headers=after) as peer:
            await goes_on(peer, url="/guess/a/", rerun=first.rerun)
        assert held(key)["tries"] == 1


async def test_a_public_answer_that_is_run_again_is_not_shared_by_its_first_run() -> None:
    """The first run of the two had no effects and so set no cookie."""
    async with service_open() as server:
        async with connected(server, cookie="code=1") as peer:
            first = await goes_on(peer, url="/public_guess/a/")
        async with connected(server, cookie="code=2") as peer:
            await goes_on(peer, url="/public_guess/a/", rerun=first.rerun)
            key = next(iter(DATABASE[0].manager._queries))
            assert not isinstance(key, SharedKey)


async def test_what_guards_against_the_client_does_not_take_its_word() -> None:
    async with identity() as peer:
        first = await resumes(peer, url="/stamping/a/")
        assert json.loads(first.body or b"")["rerun"] is False and STAMPS == ["a", "a"]


@pytest.mark.parametrize("origin", [ORIGIN, None])
async def test_no_cookie_of_such_a_run_is_kept(origin: str | None) -> None:
    async with service_open() as server, connected(server, origin=origin) as peer:
        first = await resumes(peer, url="/facts/a/?sets=1")
        peer.connection.identity.cookies.update(["seen=; Max-Age=0; Path=/"], "/")
        assert first.cookies is None and "Set-Cookie" not in first.headers
        commit(a=1)
        second = await nth(peer, 1, 2)
        assert second.cookies is None and "Set-Cookie" not in second.headers
        assert peer.connection.identity.cookies.header("/") == ""
        await goes_on(peer, id=2, url="/facts/b/?sets=1")
        assert peer.connection.identity.cookies.header("/") == "seen=0"


# A form whose token needs a secret that the visitor does not have.


def secret_of(peer: Peer) -> str:
    return peer.connection.identity.cookies.get("csrftoken") or ""


def can_be_sent(peer: Peer, body: bytes) -> bool:
    """Whether Django would take the form of a page from this connection."""
    token = body.partition(b'value="')[2].partition(b'"')[0]
    return bool(token) and Normalizer(secret_of(peer)).has_token(token)


@pytest.fixture
def _csrf(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.csrf.CsrfViewMiddleware"]


@pytest.mark.usefixtures("_csrf")
async def test_a_form_that_appears_can_be_sent() -> None:
    async with service_open() as server:
        async with connected(server) as one, connected(server) as two:
            for peer in (one, two):
                first = await goes_on(peer, url="/form/a/?later=1")
                assert b"form" not in (first.body or b"form") and not secret_of(peer)
            commit(a=1)
            for peer in (one, two):
                await peer.until(lambda p=peer: can_be_sent(p, p.of(1)[-1].body))  # type: ignore[misc]
                versions = [message.version for message in peer.of(1)]
                assert versions == sorted(set(versions)) and len(versions) == 2
            assert secret_of(one) != secret_of(two)
            await quiet(one)
            count = STAGES["a"].count
            commit(a=2)
            for peer in (one, two):
                third = await nth(peer, 1, 3)
                assert can_be_sent(peer, third.body) and b"<p>2</p>" in third.body
            assert STAGES["a"].count == count + 2  # each as itself, and once


@pytest.mark.usefixtures("_csrf")
@pytest.mark.parametrize("view", ["form", "aform"])
async def test_a_form_that_is_taken_up_again_can_be_sent(view: str) -> None:
    config = ConnectionConfig(Limits(), csrf_cookie="csrftoken")
    async with service_open() as server, connected(server, config=config) as peer:
        for name in ("a", "b"):
            await goes_on(peer, id=name, url=f"/{view}/{name}/")
        await quiet(peer)
        proofs = {name: peer.of(name)[0].rerun for name in ("a", "b")}
        async with connected(server) as other:
            count = STAGES["a"].count
            first = await goes_on(other, url=f"/{view}/a/", rerun=proofs["a"])
            assert can_be_sent(other, first.body or b"")
            await quiet(other)
            assert STAGES["a"].count == count + 3  # with effects, and with its cookie
        async with connected(server, cookie=f"csrftoken={'s' * 32}", config=config) as other:
            count = STAGES["b"].count
            first = await goes_on(other, url=f"/{view}/b/", rerun=proofs["b"])
            assert can_be_sent(other, first.body or b"") and STAGES["b"].count == count + 1


@pytest.mark.usefixtures("_csrf")
@pytest.mark.parametrize("engine", ["cache", "signed_cookies"])
async def test_a_secret_in_the_session_is_the_visitors(settings: Any, engine: str) -> None:
    settings.CSRF_USE_SESSIONS, settings.SESSION_ENGINE = True, f"{BACKENDS}{engine}"
    async with identity() as peer:
        await goes_on(peer, url="/form/a/")
        await quiet(peer)
        count = STAGES["a"].count
        for number in (1, 2):
            commit(a=number)
            await peer.until(lambda n=number: b"<p>%d</p>" % n in peer.of(1)[-1].body)  # type: ignore[misc]
        assert STAGES["a"].count == count + 2  # no run had to be replaced


@pytest.mark.usefixtures("_csrf")
@pytest.mark.parametrize("ask", ["before", "meanwhile"])
async def test_nothing_is_settled_before_a_request_that_is_begun_again(ask: str) -> None:
    async with identity() as peer:
        await goes_on(peer, url="/form/a/?later=1&held=1")
        commit(a=1)
        if ask == "meanwhile":
            await peer.becomes(lambda: STAGES["a"].count == 3)  # the rerun, and what replaces it
        peer.say(id=9, url="/facts/b/", settled=True)
        await peer.becomes(lambda: STAGES["a"].count == 3 and STAGES["b"].count == 1)
        await peer.obeyed()
        assert not peer.of(9)
        STAGES["a"].go.set()
        assert (await peer.last(9)).settled is True
        answers = [message.id for message in peer.messages if message in peer.of(1) + peer.of(9)]
        assert answers == [1, 1, 9]


@pytest.mark.usefixtures("_csrf")
@pytest.mark.parametrize("end", ["request", "answer", "connection"])
async def test_waiting_for_a_request_that_is_begun_again_can_be_cancelled(end: str) -> None:
    async with identity() as peer:
        await goes_on(peer, url="/form/a/?later=1&held=1")
        commit(a=1)
        await peer.becomes(lambda: STAGES["a"].count == 3)
        peer.say(id=9, url="/facts/b/", settled=True)
        await peer.becomes(lambda: STAGES["b"].count == 1)
        if end != "connection":
            peer.say(id=1 if end == "request" else 9, cancel=True)
            await peer.obeyed()
        if end == "request":
            assert (await peer.last(9)).settled is True
        STAGES["a"].go.set()
        if end == "answer":
            await nth(peer, 1, 2)
            assert not peer.of(9)


@pytest.mark.usefixtures("_csrf")
async def test_a_request_that_is_begun_again_can_be_cancelled() -> None:
    async with identity() as peer:
        await goes_on(peer, url="/form/a/?later=1")
        commit(a=1)
        await nth(peer, 1, 2)
        peer.say(id=1, cancel=True)
        await peer.obeyed()
        await peer.becomes(DATABASE[0].is_empty)  # a run that had begun may still end
        assert not peer.connection.dispatcher._session
