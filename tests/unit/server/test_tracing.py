"""What is said on a span, and that nothing is done where nobody traces."""

import logging
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.unit.fixtures import _project as _project
from tests.unit.peer import connected, make_server, pool_open
from tests.unit.server.http.test_application import answered, ask, running
from wsrequest.request.environ import WebSocketInfo
from wsrequest.server.tracing import span_describer


class Span:
    def __init__(self, is_recording: bool = True) -> None:
        self.attributes: dict[str, object] = {}
        self._is_recording = is_recording

    def is_recording(self) -> bool:
        return self._is_recording

    def set_attribute(self, name: str, value: object) -> None:
        self.attributes[name] = value


@pytest.fixture
def span(monkeypatch: pytest.MonkeyPatch) -> Span:
    trace: Any = ModuleType("opentelemetry.trace")
    span = Span()
    trace.get_current_span = lambda: span
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", trace)
    return span


def task(protocol: str | None, connection_id: str, *, is_rerun: bool = False) -> Any:
    info = WebSocketInfo(connection_id, None).of_live(is_rerun=is_rerun)
    return SimpleNamespace(owner=SimpleNamespace(protocol_name=protocol, info=info))


def describe(task: Any) -> None:
    found = span_describer()
    assert found is not None
    found(task)


def test_nothing_is_described_where_nobody_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    assert span_describer() is None


def test_a_span_has_what_is_known(span: Span) -> None:
    describe(task("websocket", "c1"))
    assert span.attributes == {
        "network.protocol.name": "websocket",
        "wsrequest.connection.id": "c1",
    }


def test_a_shared_rerun_belongs_to_nobody(span: Span) -> None:
    describe(task(None, "", is_rerun=True))
    assert span.attributes == {"wsrequest.rerun": True}


def test_a_span_that_is_not_recorded_is_left_alone(
    span: Span, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span, "_is_recording", False)
    describe(task("websocket", "c1"))
    assert span.attributes == {}


@pytest.mark.asyncio
async def test_plain_http_is_left_as_it_is(
    span: Span, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as application:
        monkeypatch.setattr(logging.getLogger("django"), "propagate", True)
        assert (await answered(ask(application, "/quick/a/")))[0] == 200
    assert span.attributes == {}
    assert caplog.messages == [], caplog.text


def fail(caller: Any) -> None:
    raise ValueError


@pytest.mark.asyncio
async def test_an_error_of_the_tool_is_logged_and_does_not_harm_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with pool_open(1) as pool:
        server = make_server(pool)
        server.handler.before_routing(fail)
        async with connected(server) as peer:
            peer.say(id=1, url="/quick/a/")
            assert (await peer.last(1)).status == 200
    assert "describing a request failed" in caplog.messages
