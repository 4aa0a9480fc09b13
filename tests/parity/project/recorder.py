"""One list of everything that happens in a server while it answers a row of the table.

Owns the receivers of signals, the log handler and what is random in Django, which here is not:
two servers that do the same make the same keys, tokens and salts.
"""

import itertools
import logging
import sys
import types
from contextvars import ContextVar
from typing import Any

from django.contrib.auth import signals as auth_signals
from django.core import signals
from django.db.backends.signals import connection_created
from django.db.models import signals as model_signals
from django.template.base import Template
from django.test.signals import template_rendered
from django.test.utils import instrumented_test_render  # type: ignore[attr-defined]
from django.utils import crypto

EVENTS: list[list[str]] = []
SEEN: list[dict[str, Any]] = []
"""What the views saw of their requests."""

began: list[str] = []
"""The sender and the arguments of the last ``request_started``."""

MARK: ContextVar[str] = ContextVar("mark", default="")
"""Set by the outermost middleware, and again by the view, to be seen by both."""

_numbers = itertools.count()


def begin() -> None:
    """Forget the row before."""
    global _numbers
    EVENTS.clear()
    SEEN.clear()
    MARK.set("")  # a WSGI server's thread keeps it from one request to the next
    _numbers = itertools.count()


def note(kind: str, *what: object) -> None:
    """Add an event; ``kind`` is one of middleware, signal, query, log and view."""
    EVENTS.append([kind, " ".join(str(part) for part in what)])


def is_settled() -> bool:
    """Whether each request that was started has been finished."""
    return EVENTS.count(STARTED) == EVENTS.count(FINISHED)


STARTED = ["signal", "request_started"]
FINISHED = ["signal", "request_finished"]


class LogHandler(logging.Handler):
    """Notes each record; those of queries as queries."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "django.db.backends":
            note("query", getattr(record, "alias", ""), getattr(record, "sql", record.getMessage()))
            return
        request = getattr(record, "request", None)
        note(
            "log",
            record.name,
            record.levelname,
            repr(record.getMessage()),
            f"status_code={getattr(record, 'status_code', None)}",
            f"request={getattr(request, 'method', None)} {getattr(request, 'path', None)}",
            f"error={record.exc_info and record.exc_info[0] and record.exc_info[0].__name__}",
        )


def start() -> None:
    """Connect every receiver. Called once in each process."""
    template: Any = Template
    template._render = instrumented_test_render
    module: Any = crypto
    module.secrets = types.SimpleNamespace(
        choice=lambda letters: letters[next(_numbers) * 7 % len(letters)],
        compare_digest=module.secrets.compare_digest,
    )
    for signal, receiver in RECEIVERS:
        signal.connect(receiver, weak=False)


def _started(sender: type, signal: object, **kwargs: Any) -> None:
    began[:] = [sender.__name__, *sorted(kwargs)]
    EVENTS.append(STARTED)


def _finished(**kwargs: Any) -> None:
    EVENTS.append(FINISHED)


def _failed(request: Any = None, **kwargs: Any) -> None:
    note("signal", "got_request_exception", repr(sys.exc_info()[1]), request and request.path)


def _connected(connection: Any, **kwargs: Any) -> None:
    connection.force_debug_cursor = True


def _rendered(template: Any, context: Any, **kwargs: Any) -> None:
    note("signal", "template_rendered", template.name, sorted(context.flatten()))


def _model(name: str) -> Any:
    def receiver(sender: Any, instance: Any, using: str, **kwargs: Any) -> None:
        note("signal", name, sender.__name__, using, kwargs.get("created", ""))

    return receiver


def _user(name: str) -> Any:
    def receiver(request: Any = None, user: Any = None, **kwargs: Any) -> None:
        note("signal", name, user, request and request.path, kwargs.get("credentials", ""))

    return receiver


RECEIVERS: list[tuple[Any, Any]] = [
    (signals.request_started, _started),
    (signals.request_finished, _finished),
    (signals.got_request_exception, _failed),
    (connection_created, _connected),
    (template_rendered, _rendered),
    *((getattr(model_signals, name), _model(name)) for name in ("pre_save", "post_save")),
    *((getattr(model_signals, name), _model(name)) for name in ("pre_delete", "post_delete")),
    *(
        (getattr(auth_signals, name), _user(name))
        for name in ("user_logged_in", "user_logged_out", "user_login_failed")
    ),
]
