"""The end of a session, as other processes learn of it."""

import os

import pytest

from wsrequest.bus.logouts import LOGOUTS, Logout, session_digest


def test_session_key_does_not_leave_the_process() -> None:
    logout = Logout.of("the-key", "c1")
    encoded = LOGOUTS.encode(logout)
    assert b"the-key" not in encoded
    assert LOGOUTS.decode(encoded) == logout
    assert logout.session == session_digest("the-key") != session_digest("another")


def test_process_knows_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    logout = Logout.of("the-key", None)
    assert logout.is_own()
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a forked process
    assert not logout.is_own()


@pytest.mark.parametrize("encoded", [b"", b"x", b"\x93\xa1s\xc0"])
def test_other_bytes_are_a_value_error(encoded: bytes) -> None:
    with pytest.raises(ValueError):
        LOGOUTS.decode(encoded)
