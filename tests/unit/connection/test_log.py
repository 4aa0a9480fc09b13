"""The log lines of a connection, which stay one line each."""

import logging

import pytest

from tests.unit.peer import base
from wsrequest.connection.log import ConnectionLog
from wsrequest.errors import Refused
from wsrequest.server.refusals import printable

ODD = "a\r\nERROR forged\x1b[31m\x85\u2028"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "wsrequest.connection")
    return caplog


def test_printable_leaves_what_is_printable_and_escapes_the_rest() -> None:
    assert printable("https://bücher.example") == "https://bücher.example"
    assert printable(None) == "none"
    assert printable(ODD).isprintable()


def test_what_a_client_chose_cannot_begin_a_line(lines: pytest.LogCaptureFixture) -> None:
    log = ConnectionLog("c1", base(origin=ODD))
    log.opened(ODD)
    log.is_user(ODD)
    log.refused(Refused("bad_url", ODD))
    log.closed(1000, "by the client")
    assert len(lines.messages) == 4
    assert all(message.isprintable() for message in lines.messages)


def test_a_connection_is_told_of_from_its_opening_to_its_end(
    lines: pytest.LogCaptureFixture,
) -> None:
    log = ConnectionLog("c1", base(origin="http://testserver"))
    log.opened("http://testserver")
    log.is_user(7)
    log.is_user(7)
    log.closed(4003, "the session ended")
    opened, user, closed = lines.messages
    assert opened == "connection c1 opened by 203.0.113.7, origin http://testserver"
    assert user == "connection c1 is user 7"
    assert closed.startswith("connection c1 of 203.0.113.7 closed after ")
    assert closed.endswith(": 4003 the session ended, user 7, 0 refused")


def test_a_flood_of_refusals_is_one_line_and_a_count(lines: pytest.LogCaptureFixture) -> None:
    log = ConnectionLog("c1", base())
    for n in range(500):
        log.refused(Refused("bad_json", "it is not"))
        log.is_user(n)
    log.closed(1000, "by the client")
    told = [record for record in lines.records if record.levelno >= logging.INFO]
    assert len(told) == 1 + 10 + 1
    assert told[-1].getMessage().endswith("user 499, 500 refused")
