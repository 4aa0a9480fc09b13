"""A connection to PostgreSQL on which no call waits longer than it may, by psycopg's ``pq``.

psycopg's own connections wait as long as the server takes. A bus must notice a server that hangs,
and the replication protocol needs the calls of libpq anyway.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from time import monotonic
from typing import Any

from psycopg import Error as PsycopgError
from psycopg import pq
from psycopg.conninfo import make_conninfo

from wsrequest.bus.engine import Unavailable

__all__ = ["LibpqConnection", "connect", "keywords", "parameters_of"]

_POLLED = {pq.PollingStatus.READING: EVENT_READ, pq.PollingStatus.WRITING: EVENT_WRITE}
_FINE = {pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COPY_BOTH}

Rows = list[tuple[bytes | None, ...]]


def keywords() -> frozenset[str]:
    """Return the names of the connection parameters that libpq knows."""
    return frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())


class LibpqConnection:
    """A connection in autocommit. Used by one thread.

    Args:
        parameters: of libpq.
        seconds: how long connecting may take.

    Raises:
        Unavailable: it cannot be opened in time. The message is the server's or libpq's.
    """

    def __init__(self, parameters: Mapping[str, Any], seconds: float) -> None:
        conninfo = make_conninfo("", **parameters)
        self._pgconn = pgconn = pq.PGconn.connect_start(conninfo.encode())
        deadline = monotonic() + seconds
        try:
            while (status := pq.PollingStatus(pgconn.connect_poll())) in _POLLED:
                self._wait(_POLLED[status], deadline)
            if status != pq.PollingStatus.OK:
                raise Unavailable(pgconn.get_error_message().strip())
            pgconn.nonblocking = 1
        except BaseException:
            pgconn.finish()
            raise

    def _wait(self, events: int, deadline: float) -> None:
        if not self._is_ready(events, deadline - monotonic()):
            raise Unavailable("the server does not answer")

    def _is_ready(self, events: int, seconds: float) -> bool:
        with DefaultSelector() as selector:
            selector.register(self._pgconn.socket, events)
            return bool(selector.select(max(0.0, seconds)))

    def query(
        self, sql: str, values: Sequence[bytes] = (), *, is_binary: bool = False, seconds: float
    ) -> Rows:
        """Run one statement and return its rows, as text.

        Args:
            sql: with ``$1`` for the first value. A replication connection takes no values.
            values: the parameters.
            is_binary: the values are in binary form.
            seconds: how long it may take.

        Raises:
            Unavailable: the statement failed, or takes longer. Close the connection.
        """
        deadline = monotonic() + seconds
        try:
            if values:
                self._pgconn.send_query_params(
                    sql.encode(), values, param_formats=[pq.Format(is_binary)] * len(values)
                )
            else:
                self._pgconn.send_query(sql.encode())
            self._flush(deadline)
            rows: Rows = []
            while (result := self._result(deadline)) is not None:
                if result.status not in _FINE:
                    raise Unavailable(result.get_error_message().strip())
                rows = [
                    tuple(result.get_value(row, column) for column in range(result.nfields))
                    for row in range(result.ntuples)
                ]
                if result.status == pq.ExecStatus.COPY_BOTH:
                    break
        except PsycopgError as error:
            raise Unavailable(str(error)) from error
        return rows

    def begin(self, sql: str) -> None:
        """Send a statement. ``is_done`` says when it has ended."""
        try:
            self._pgconn.send_query(sql.encode())
            self._flush(monotonic() + 1.0)
        except PsycopgError as error:
            raise Unavailable(str(error)) from error

    def is_done(self, seconds: float) -> bool:
        """Wait for the end of the statement that ``begin`` sent.

        Raises:
            Unavailable: it failed.
        """
        deadline = monotonic() + seconds
        try:
            while True:
                self._pgconn.consume_input()
                if not self._pgconn.is_busy():
                    break
                if not self._is_ready(EVENT_READ, deadline - monotonic()):
                    return False
        except PsycopgError as error:
            raise Unavailable(str(error)) from error
        while (result := self._pgconn.get_result()) is not None:
            if result.status not in _FINE:
                raise Unavailable(result.get_error_message().strip())
        return True

    def _result(self, deadline: float) -> Any:
        self._pgconn.consume_input()
        while self._pgconn.is_busy():
            self._wait(EVENT_READ, deadline)
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _flush(self, deadline: float) -> None:
        while self._pgconn.flush():
            self._wait(EVENT_READ | EVENT_WRITE, deadline)
            self._pgconn.consume_input()

    def copied(self, seconds: float) -> bytes | None:
        """Return the next piece of a stream, or None if none arrives in time.

        Raises:
            Unavailable: the stream has ended.
        """
        try:
            length, data = self._pgconn.get_copy_data(1)
            if length == 0 and self._is_ready(EVENT_READ, seconds):
                self._pgconn.consume_input()
                length, data = self._pgconn.get_copy_data(1)
            if length >= 0:
                return bytes(data) if length else None
            result = self._pgconn.get_result()
            message = "" if result is None else result.get_error_message().strip()
            raise Unavailable(message or "the server has ended the stream")
        except PsycopgError as error:
            raise Unavailable(str(error)) from error

    def copy(self, data: bytes) -> None:
        """Send a piece of a stream."""
        try:
            self._pgconn.put_copy_data(data)
            self._flush(monotonic() + 1.0)
        except PsycopgError as error:
            raise Unavailable(str(error)) from error

    def close(self) -> None:
        """Close the connection. Raises nothing."""
        with suppress(Exception):
            self._pgconn.finish()

    @property
    def socket(self) -> int:
        """Its file descriptor."""
        return self._pgconn.socket

    @property
    def pid(self) -> int:
        """The server process, as the other end of the connection says."""
        return self._pgconn.backend_pid

    @staticmethod
    def quoted(name: str) -> str:
        """Return a name in double quotes, as a statement takes it."""
        return '"' + name.replace('"', '""') + '"'

    def notified(self, seconds: float) -> list[bytes]:
        """Return the payloads of the notifications that have arrived, in order.

        Args:
            seconds: how long to wait for the first one. After that, the result may be empty.

        Raises:
            Unavailable: the connection is lost.
        """
        found: list[bytes] = []
        deadline = monotonic() + seconds
        try:
            while True:
                self._pgconn.consume_input()
                while (notification := self._pgconn.notifies()) is not None:
                    found.append(bytes(notification.extra))
                if found or not self._is_ready(EVENT_READ, deadline - monotonic()):
                    return found
        except PsycopgError as error:
            if found:
                return found
            raise Unavailable(str(error)) from error


def connect(parameters: Mapping[str, Any], seconds: float) -> LibpqConnection:
    """Connect to the first host that answers. A host that hangs takes its share of the time only.

    Args:
        parameters: of libpq. ``host``, ``hostaddr`` and ``port`` can be lists with commas.
        seconds: how long it may take.

    Raises:
        Unavailable: no host answers.
    """
    lists = {
        name: str(parameters[name]).split(",")
        for name in ("host", "hostaddr", "port")
        if parameters.get(name)
    }
    count = max([1, *map(len, lists.values())])
    deadline, failures = monotonic() + seconds, []
    for index in range(count):
        one = {name: values[index % len(values)] for name, values in lists.items()}
        try:
            left = (deadline - monotonic()) / (count - index)
            return LibpqConnection({**parameters, **one}, left)
        except Unavailable as error:
            failures.append(" ".join(str(error).split()))
        except PsycopgError as error:  # a parameter is wrong
            failures.append(" ".join(str(error).split()))
    raise Unavailable("; ".join(dict.fromkeys(failures)))


def parameters_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return libpq's parameters of an entry of DATABASES, as Django's backend makes them.

    Options that libpq does not know are Django's or psycopg's.

    Args:
        entry: has at least ENGINE.
    """
    options = {
        name: value
        for name, value in (entry.get("OPTIONS") or {}).items()
        if name in keywords() and value is not None
    }
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST"}
    names["port"] = "PORT"
    named = {ours: str(entry[theirs]) for ours, theirs in names.items() if entry.get(theirs)}
    return {"fallback_application_name": "wsrequest", **options, **named}
