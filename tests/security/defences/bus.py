"""What arrives from other processes, and what leaves for them."""

from tests.security.defences.defence import SRC, UNIT, Defence

__all__ = ["BUS"]

_BROKER = UNIT + "bus/test_broker.py::"
_OPEN = UNIT + "bus/test_open.py::"

BUS = (
    Defence(
        (26,),
        "no password of the bus stands in a message",
        SRC + "bus/open.py",
        (('    return f"{scheme}//{name}:***@{rest}"\n', "    return url\n"),),
        (_OPEN + "test_redacted", _OPEN + "test_faults_and_messages_never_show_a_password"),
    ),
    Defence(
        (26,),
        "no password in the query of the bus's URL stands in a message",
        SRC + "bus/open.py",
        (('    url = _SECRET_OPTION.sub(r"\\1***", url)\n', ""),),
        (_OPEN + "test_redacted", _OPEN + "test_faults_and_messages_never_show_a_password"),
    ),
    Defence(
        (26,),
        "no password of the bus stands in Django's error reports",
        SRC + "conf.py",
        (("        return repr(redacted(str(self)))", "        return super().__repr__()"),),
        (
            UNIT + "test_conf.py::test_reports_of_errors_show_no_password",
            "tests/acceptance/test_commands.py"
            "::test_settings_are_shown_without_the_password_of_the_bus",
        ),
    ),
    Defence(
        (1, 11),
        "a NATS server without TLS gets no password if TLS was demanded",
        SRC + "bus/nats.py",
        (
            (
                'if options.is_tls and not self.client._server_info.get("tls_required"):',
                "if False:",
            ),
        ),
        ("tests/contract/test_nats.py::test_server_without_tls_gets_no_password",),
    ),
    Defence(
        (24,),
        "messages that a bus does not take do not pile up without end",
        SRC + "bus/publisher.py",
        (
            (
                "if len(self._queue) >= _MAX_MESSAGES or self._queue_bytes + weight > _MAX_BYTES:",
                "if False:",
            ),
        ),
        (_BROKER + "test_queue_is_bounded_while_the_broker_is_down",),
    ),
    Defence(
        (24,),
        "responses do not wait without end for a log that cannot be heard",
        SRC + "bus/broker.py",
        (
            (
                "        if not self.is_connected:\n            self._marks.end",
                "        if False:\n            self._marks.end",
            ),
        ),
        (_BROKER + "test_nothing_waits_for_the_log_while_cut_off",),
    ),
    Defence(
        (23,),
        "a process that does not hear itself through the bus is cut off",
        SRC + "bus/broker.py",
        (("is_connected = now - self._echoes.heard_at < _CUT_OFF_SECONDS", "is_connected = True"),),
        (
            _BROKER + "test_silent_broker_is_noticed_within_five_seconds",
            _BROKER + "test_late_heartbeat_does_not_hide_a_silence",
        ),
    ),
    Defence(
        (24,),
        "a connection to the bus that is opened again and again does not run all views each time",
        SRC + "bus/broker.py",
        (
            (
                "        if self.is_connected:\n            # Whatever",
                "        if True:\n            # Whatever",
            ),
        ),
        (_BROKER + "test_reader_that_is_cut_off_is_notified_of_a_loss_only_when_it_hears_again",),
    ),
)
