"""The parts that a process has once."""

import logging

import pytest
from django.test import override_settings

from wsrequest import apps
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
