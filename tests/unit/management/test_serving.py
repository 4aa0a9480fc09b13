"""uvicorn's configuration, as both commands make it."""

import os

import pytest
from websockets import http11

from wsrequest.management.serving import make_config


async def application(*_: object) -> None:
    """Is never called."""


def test_long_headers_are_taken_by_workers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http11, "MAX_LINE_LENGTH", 8192)
    monkeypatch.setenv("WEBSOCKETS_MAX_LINE_LENGTH", "")
    monkeypatch.delenv("WEBSOCKETS_MAX_LINE_LENGTH")
    make_config(application)
    assert http11.MAX_LINE_LENGTH == 65_536
    assert os.environ["WEBSOCKETS_MAX_LINE_LENGTH"] == "65536"


def test_a_limit_that_was_set_by_hand_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http11, "MAX_LINE_LENGTH", 9000)
    monkeypatch.setenv("WEBSOCKETS_MAX_LINE_LENGTH", "9000")
    make_config(application)
    assert http11.MAX_LINE_LENGTH == 9000
    assert os.environ["WEBSOCKETS_MAX_LINE_LENGTH"] == "9000"
