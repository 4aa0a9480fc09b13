"""The parts that a process has once."""

import logging

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import alogout, logout
from django.contrib.sessions.backends.cache import SessionStore
from django.http import HttpRequest
from django.test import override_settings

from wsrequest import apps
from wsrequest import apps as apps_module
from wsrequest.bus.memory import MemoryBus


def test_process_with_an_unusable_bus_is_not_silent(caplog: pytest.LogCaptureFixture) -> None:
    """A WSGI server runs no checks, and would publish nothing."""
    make = apps._live_parts.__wrapped__  # not the parts of this process
    with (
        override_settings(WSREQUEST_BUS="amqp://user:s3cret@host/"),
        caplog.at_level(logging.ERROR, "wsrequest.bus"),
    ):
        parts = make()
    assert isinstance(parts.bus, MemoryBus)
    (record,) = caplog.records
    assert "amqp://user:***@host/" in record.message and "names no bus" in record.message
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("is_async", [False, True])
def test_sockets_are_closed_again_when_the_session_has_been_deleted(
    monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    """Django says that somebody logs out before it deletes the session."""
    session = SessionStore()
    session["a"] = 1
    session.save()
    key = session.session_key
    assert key is not None
    existed: list[bool] = []

    def close(session_key: str, *, except_connection_id: str | None = None) -> None:
        assert session_key == key
        existed.append(SessionStore().exists(session_key))

    monkeypatch.setattr(apps_module, "close_sockets", close)
    request = HttpRequest()
    request.session = session
    if is_async:
        async_to_sync(alogout)(request)
    else:
        logout(request)
    assert existed == [True, False]
    session.save()
    session.flush()  # it is as before
    assert existed == [True, False]
