"""Processes that fork, with Python's hooks or without, and threads that cannot be started."""

import logging
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from tests.unit.bus.faulty import NUMBERS, Broker
from wsrequest.bus.broker import BrokerBus


def test_lookup_of_a_host_imports_nothing_in_the_sending_thread() -> None:
    """A child that was forked during an import can never finish that import."""
    program = (
        "import sys, wsrequest.bus.publisher, socket\n"
        "before = set(sys.modules)\n"
        "socket.getaddrinfo('127.0.0.1', 80)\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout == "[]\n"


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No thread can be started until it is undone."""

    def start(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    return monkeypatch


def test_process_that_was_forked_without_python_s_hooks_is_another_publisher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the workers of uWSGI. With one epoch, their messages would pass for repeated ones."""
    bus = BrokerBus(Broker(), "channel", [b"secret"])
    before = bus._publisher.epoch
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    bus.publish(NUMBERS, 1)
    assert bus._publisher.epoch != before
    assert bus.flush(10)
    bus.close()


def test_process_that_cannot_receive_says_so(no_threads: pytest.MonkeyPatch) -> None:
    bus = BrokerBus(Broker(), "channel", [b"secret"])
    with pytest.raises(RuntimeError, match="thread"):
        bus.subscribe(NUMBERS, lambda *_: None, lambda: None, post=lambda call: None)
    no_threads.undo()
    bus.subscribe(NUMBERS, lambda *_: None, lambda: None, post=lambda call: None)
    assert bus._thread is not None
    bus.close()


def test_message_waits_while_no_thread_can_be_started(
    no_threads: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bus = BrokerBus(Broker(), "channel", [b"secret"])
    with caplog.at_level(logging.ERROR, "wsrequest.bus"):
        bus.publish(NUMBERS, 1)
        bus.publish(NUMBERS, 2)
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "the thread that sends messages cannot be started"
    ]
    assert not bus.flush(0)
    no_threads.undo()
    bus.publish(NUMBERS, 3)
    assert bus.flush(10)
    bus.close()


def test_published_messages_are_counted_with_the_time_that_they_waited() -> None:
    bus = BrokerBus(Broker(), "channel", [b"secret"])
    assert bus.published() == (0, 0.0, 0, 0)
    for number in range(5):
        bus.publish(NUMBERS, number)
    assert bus.flush(10)
    published = bus.published()
    assert (published.sent_count, published.waiting_count, published.dropped_count) == (5, 0, 0)
    assert published.sent_seconds > 0
    bus.close()


def test_messages_that_wait_and_those_that_were_dropped_are_counted(
    no_threads: pytest.MonkeyPatch,
) -> None:
    bus = BrokerBus(Broker(), "channel", [b"secret"])
    bus.publish(NUMBERS, 1)
    assert bus.published().waiting_count == 1
    no_threads.setattr("wsrequest.bus.publisher._MAX_MESSAGES", 3)
    for number in range(3):
        bus.publish(NUMBERS, number)
    assert (bus.published().waiting_count, bus.published().dropped_count) == (1, 3)
    no_threads.undo()
    bus.publish(NUMBERS, 5)
    assert bus.flush(10)
    bus.close()
