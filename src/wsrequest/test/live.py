"""Live requests of the test clients: a view runs again when the test says so, and not before.

The code that tracks reads and writes is the server's, and so are the rules that compare responses.
But there is no live query manager with its event loop and pauses, so a test needs neither a server
nor time.
"""

import weakref
from collections.abc import Collection, Generator
from time import monotonic
from typing import Any, Self, get_args
from uuid import uuid4

from asgiref.sync import sync_to_async

from wsrequest.conf import conf
from wsrequest.errors import Refused
from wsrequest.live.http_caching import fresh_seconds
from wsrequest.live.normalizing import Normalizer, ignored_of
from wsrequest.live.snapshot import Snapshot
from wsrequest.protocol.messages import EventKind, LiveState, Member
from wsrequest.push.events import session_name, user_name
from wsrequest.push.presence_api import members
from wsrequest.request.handler import seen_user
from wsrequest.request.no_messages import asks_for_page
from wsrequest.request.response import headers_of
from wsrequest.request.secrets import csp_nonce, csrf_secret
from wsrequest.subscriptions.run import check_live
from wsrequest.test.feed import ChangeFeed, abandon, close_abandoned
from wsrequest.test.inbox import ReceivedEvent
from wsrequest.test.runs import LiveRun, aread_whole, read_whole

__all__ = ["AsyncLiveGet", "LiveGet"]


class _Live:
    """What both kinds have in common, which is all but the request itself."""

    def __init__(
        self, client: Any, path: str, data: Any, extra: dict[str, Any], kinds: Collection[str] = ()
    ) -> None:
        if extra.get("follow"):
            raise TypeError("a live request follows no redirects: they end it")
        if unknown := set(kinds) - set(get_args(EventKind)):
            raise ValueError(f"events are of the kinds room, user and session, not {unknown}")
        self._kinds = frozenset(kinds)
        self._client, self._arguments, self._extra = client, (path, data), extra
        self._feed: ChangeFeed | None = None
        self._connection_id = uuid4().hex
        self._versions: list[Any] = []
        self._result: Snapshot | None = None
        self._due: float | None = None  # by the monotonic clock
        self._cookies: dict[str, str] = {}  # those of the last run
        self._names: frozenset[str] | None = frozenset()  # the cookies that count, or None for all
        self._is_by_session = False
        self._is_ended = False
        self._is_failing = False
        self.refusal: Refused | None = None
        """Why no further version can be sent, as a server would report, or None."""

    @property
    def response(self) -> Any:
        """The newest version: a response as ``client.get`` returns it."""
        return self._versions[-1] if self._versions else None

    @property
    def versions(self) -> list[Any]:
        """All that a client would get: the first response, and each that differs from the last."""
        return list(self._versions)

    @property
    def events(self) -> list[ReceivedEvent]:
        """All events that the client has got, in order. Those of an open ``atomic()`` are not sent.

        An asynchronous test awaits ``settle()`` before, in which what was sent arrives.
        """
        return [] if self._feed is None else list(self._feed.inbox.events)

    @property
    def members(self) -> list[Member]:
        """Who is in the rooms that it has joined, in all live requests of the test."""
        rooms = [] if self._feed is None or self._is_ended else self._feed.inbox.rooms
        found = {member.id: member for room in rooms for member in members(room)}
        return [found[id] for id in sorted(found)]

    @property
    def state(self) -> LiveState:
        """Its state, as the browser client's ``subscription.state`` (PROTOCOL.md 4.10).

        ``live`` means that the newest version was current at the last ``settle()``.
        """
        if self._is_ended:
            return LiveState.ENDED
        if self._result is None:
            return LiveState.CONNECTING
        return LiveState.FAILING if self._is_failing else LiveState.LIVE

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will be sent."""
        return self._is_ended

    def close(self) -> None:
        """Cancel the live request. Safe to call twice."""
        self._is_ended = True
        if self._feed is not None:
            self._feed.close()

    def _listen(self) -> None:
        """Receive writes from now on. Call it where the connections of the test are."""
        close_abandoned()
        self._feed = ChangeFeed()
        # A test that fails, or does not close it, must not affect later tests.
        weakref.finalize(self, abandon, self._feed).atexit = False

    def _must_run(self, after_seconds: float) -> bool:
        if self._is_ended or self._feed is None:
            return False
        self._collect()
        cookies = self._sent_cookies()
        if self._is_by_session and not cookies.get(conf.session_cookie_name):
            self._refuse(Refused("session_ended", "the user has logged out"))
            return False
        is_old = self._due is not None and self._due <= monotonic() + after_seconds
        return self._feed.is_dirty or is_old or self._counting(cookies) != self._cookies

    def _collect(self) -> None:
        """Take what was written and sent up to now. Call it where the test's connections are."""
        if self._feed is not None and not self._is_ended:
            if "session" in self._kinds:
                self._feed.inbox.session = self._session()
            self._feed.collect()

    def _session(self) -> str | None:
        key = self._sent_cookies().get(conf.session_cookie_name)
        return session_name(key) if key else None

    def _begin(self) -> LiveRun:
        run = LiveRun(self._connection_id, is_rerun=bool(self._versions))
        if self._feed is not None:
            self._feed.begin(run.reads.run)
        self._cookies = self._sent_cookies()
        return run

    def _fail(self) -> None:
        """Mark the view to run again, since it raised what the client passes on."""
        self._is_failing = True
        if not self._versions:
            self.close()
        elif self._feed is not None:
            self._feed.is_dirty = True

    def _refuse(self, refused: Refused) -> None:
        """Note why there is no response. Raises it if there never was one."""
        self.close()
        self.refusal = refused
        if not self._versions:
            raise refused

    def _take(self, run: LiveRun, response: Any, body: bytes) -> list[Any]:
        """Take a response. Return it if the client gets it. Call it where ``_must_run`` was."""
        feed = self._feed
        assert feed is not None  # it is open
        headers = headers_of(response, show_cookies=False)
        request = run.request
        is_page = request is not None and asks_for_page(request)
        result = Snapshot(
            response.status_code, headers, body, None, self._learn(run), is_page=is_page
        )
        reads = run.reads.result()
        expires = [s for s in (run.reads.expires_seconds, fresh_seconds(headers)) if s is not None]
        if result.is_success and not self._versions:
            check_live(reads, min(expires, default=None), run.joins)
        self._attend(run, is_success=result.is_success)
        self._due = monotonic() + min(expires) if expires else None
        feed.took(reads, is_success=result.is_success)
        feed.collect()
        self._is_failing = not result.is_success
        if not result.is_success and not (result.passes and self._versions):
            self.close()
        elif not result.is_success:
            feed.is_dirty = True
        before, self._result = self._result, result
        if before is not None and before.digest == result.digest:
            return []
        if result.etag is not None:
            response.headers["ETag"] = result.etag
        self._versions.append(response)
        return [response]

    def _attend(self, run: LiveRun, *, is_success: bool) -> None:
        """Get the events of the rooms that a run has joined, and of its user and session."""
        feed, limits = self._feed, conf.limits()
        assert feed is not None  # it is open
        if not (is_success and self._kinds and limits.rooms):
            feed.inbox.leave()
            return
        if "room" in self._kinds and len(run.joins) > limits.rooms:
            raise Refused("too_many_rooms", f"a connection may be in {limits.rooms} rooms")
        user: Any = getattr(run.request, "user", None) if "user" in self._kinds else None
        is_user = getattr(user, "pk", None) is not None and user.is_authenticated
        feed.inbox.enter(
            self._connection_id,
            joins=run.joins if "room" in self._kinds else (),
            user=user_name(user) if is_user else None,
            session=self._session() if "session" in self._kinds else None,
        )

    def _learn(self, run: LiveRun) -> Normalizer | None:
        """Take the identity of a response, and the rules that compare it."""
        request = run.request
        if request is None or run.cookies is None:  # refused before Django saw it
            return None
        secret, user = csrf_secret(request), seen_user(request)
        self._is_by_session = bool(user and user[1])
        self._names = run.cookies.counting(conf.csrf_cookie, uses_token=secret is not None)
        self._cookies = self._counting(self._cookies)
        ignored = ignored_of(tuple(conf.LIVE_IGNORED_CONTENT), conf.LIVE_REWRITER)
        return Normalizer(secret, csp_nonce(request), ignored, request)

    def _sent_cookies(self) -> dict[str, str]:
        return {name: morsel.value for name, morsel in self._client.cookies.items()}

    def _counting(self, cookies: dict[str, str]) -> dict[str, str]:
        names = self._names
        return {n: value for n, value in cookies.items() if names is None or n in names}


class LiveGet(_Live):
    """A live GET of a test client. As a context manager it closes at the end.

    Args:
        client: sends it.
        path: as for ``client.get``.
        data: likewise.
        extra: likewise.
        kinds: the events that the client asks for.

    Attributes:
        refusal: why no further version can be sent, as a server would report.

    Raises:
        Refused: ``not_live`` or ``answer_too_large``, since its response cannot be live.
        ImproperlyConfigured: this project has no live requests.
    """

    def __init__(
        self, client: Any, path: str, data: Any, extra: dict[str, Any], kinds: Collection[str] = ()
    ) -> None:
        super().__init__(client, path, data, extra, kinds)
        self._listen()
        self._run()

    @property
    def events(self) -> list[ReceivedEvent]:
        """All events that the client has got, in order. Those of an open ``atomic()`` are not sent.

        In a ``TestCase``, all that the test has sent counts as committed, except in an ``atomic()``
        of the test that is still open.
        """
        self._collect()
        return super().events

    def settle(self, *, after_seconds: float = 0.0) -> list[Any]:
        """Run the view again if what it read may have changed.

        In a ``TestCase``, all that the test has written counts as committed, except in an
        ``atomic()`` of the test that is still open.

        Args:
            after_seconds: act as if that much time has passed, for responses that expire.

        Returns:
            The versions that the client gets. Empty if the response is the same.
        """
        return self._run() if self._must_run(after_seconds) else []

    def _run(self) -> list[Any]:
        run = self._begin()
        try:
            with run.running():
                response = self._client.get(*self._arguments, **self._extra)
                body = read_whole(response)
            return self._take(run, response, body)
        except Refused as refused:
            self._refuse(refused)
            return []
        except BaseException:
            self._fail()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncLiveGet(_Live):
    """The same for an asynchronous client: await it, or use it as an async context manager."""

    def __await__(self) -> Generator[Any, None, Self]:
        return self._open().__await__()

    async def settle(self, *, after_seconds: float = 0.0) -> list[Any]:
        """See ``LiveGet.settle``."""
        # Where the connections of the test are.
        must_run = await sync_to_async(self._must_run)(after_seconds)
        return await self._run() if must_run else []

    async def _open(self) -> Self:
        if self._feed is None:
            await sync_to_async(self._listen)()
            await self._run()
        return self

    async def _run(self) -> list[Any]:
        run = self._begin()
        try:
            with run.running():
                response = await self._client.get(*self._arguments, **self._extra)
                body = await aread_whole(response)
            return await sync_to_async(self._take)(run, response, body)
        except Refused as refused:
            self._refuse(refused)
            return []
        except BaseException:
            self._fail()
            raise

    async def __aenter__(self) -> Self:
        return await self._open()

    async def __aexit__(self, *exception: object) -> None:
        self.close()
