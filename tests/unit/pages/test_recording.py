"""Which HTTP requests are recorded, and which of them are kept."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from tests.unit.live.fakes import World
from wsrequest.live.page_runs import PageRuns
from wsrequest.pages import recording as module
from wsrequest.pages.recording import PageRecording, begin_recording, complete_and_learn
from wsrequest.request.response import Outcome
from wsrequest.server.context import ConnectionConfig
from wsrequest.types import Limits

TAG = (
    '<meta name="wsrequest-live" content="page" data-url="" data-etag="" data-proof="" '
    'data-messages="[]">'
)
REGION = '<live-region src="/a/"></live-region>'
CONFIG = ConnectionConfig(Limits())


@pytest.fixture(autouse=True)
def _no_patterns() -> Iterator[None]:
    before = dict(module._patterns)
    module._patterns.clear()
    yield
    module._patterns.clear()
    module._patterns.update(before)


def page_runs() -> PageRuns:
    world = World()
    return PageRuns(world.clock, world.manager)  # type: ignore[arg-type]


def scope(path: str = "/notes/1/", method: str = "GET", accept: bytes = b"text/html") -> Any:
    headers = [(b"host", b"testserver"), (b"accept", accept)]
    return {"type": "http", "path": path, "method": method, "headers": headers}


def served(pages: PageRuns, body: str = TAG, path: str = "/notes/1/", **headers: str) -> int:
    """Answer a request with a body, and return how many pages wait then."""
    recording = PageRecording(pages, "csrftoken", "127.0.0.1")
    request: Any = RequestFactory().get(path)
    request.scope = scope(path)
    response = HttpResponse(body, headers=headers)
    outcome = Outcome(request)
    outcome.response = outcome.result = response
    outcome.status = response.status_code
    with recording.reading():
        recording.prepare(request)
        complete_and_learn(outcome, response.content)
    recording.ran(outcome)
    recording.end()
    recording.end()
    return len(pages)


def begins(**members: Any) -> bool:
    server: Any = SimpleNamespace(live=SimpleNamespace(page_runs=page_runs()))
    recording = begin_recording(server, CONFIG, scope(**members))
    if recording is not None:
        recording.end()
    return recording is not None


def test_only_urls_like_those_of_live_pages_are_recorded() -> None:
    assert not begins()
    assert served(page_runs()) == 1
    assert begins() and begins(path="/notes/23/")
    assert not begins(path="/others/1/") and not begins(path="/notes/1/edit/")
    assert not begins(method="POST") and not begins(accept=b"application/json")


def test_urls_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_PATTERNS", 3)
    for name in "abcdefg":
        served(page_runs(), path=f"/{name}/")
        assert len(module._patterns) <= 3
    before = dict(module._patterns)
    served(page_runs(), path=f"/{'x' * 1000}/")
    assert module._patterns == before


@pytest.mark.parametrize(
    "body",
    [
        "<p>no tag",
        TAG.replace('"page"', '"regions"'),
        f'{TAG}<live-region src="/a/"></live-region>',
    ],
)
def test_page_without_a_live_run_of_its_own_is_not_kept(body: str) -> None:
    pages = page_runs()
    assert served(pages, body) == 0
    assert not pages._manager._log.is_needed


@pytest.mark.parametrize("header", ["Set-Cookie", "X-Accel-Redirect"])
def test_page_with_these_headers_is_not_kept(header: str) -> None:
    assert served(page_runs(), **{header: "a=b"}) == 0
