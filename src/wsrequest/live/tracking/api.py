"""The functions that views and tasks call to declare what SQL does not show.

They name further dependencies, report changes, and leave out effects in a rerun. Outside of a run,
and in a process that tracks nothing, they do nothing.
"""

from collections.abc import Callable, Coroutine
from decimal import Decimal
from functools import wraps
from numbers import Real
from typing import Any, ParamSpec, TypeVar, overload

from asgiref.sync import iscoroutinefunction
from django.db import DEFAULT_DB_ALIAS, connections, models, router

from wsrequest.live.tracking.reads import current, running
from wsrequest.live.tracking.schema import folded
from wsrequest.live.tracking.tracker import installed
from wsrequest.live.tracking.transaction_writes import MAX_KEYS
from wsrequest.types import Commit, TableChange

__all__ = ["depends_on", "invalidate", "is_rerun", "skip_on_rerun"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def depends_on(
    *tables: str | type[models.Model],
    key: str | None = None,
    seconds: float | Decimal | None = None,
    using: str | None = None,
) -> None:
    """Declare that the current response depends on more than the statements that were run.

    Args:
        tables: models, or names of tables. A write to one of them triggers a rerun.
        key: a name of the project's own choice. ``invalidate(key)`` triggers a rerun.
        seconds: run again after this time, for what changes with the clock or cannot be detected.
        using: the alias of the tables' database. The default is the one from which Django reads a
            model, and "default" for a name.

    Raises:
        TypeError: ``seconds`` is not a real number, or is True or False.
        ValueError: ``seconds`` is not above zero.
    """
    if seconds is not None:
        seconds = _above_zero(seconds)
    reads, tracker = current(), installed()
    if reads is None or tracker is None:
        return
    for table in tables:
        alias, name = using or DEFAULT_DB_ALIAS, table
        if not isinstance(name, str):
            alias, name = using or router.db_for_read(name), name._meta.db_table
        reads.add(tracker.primary(alias), folded(name))
    if key is not None:
        reads.add_key("", key, MAX_KEYS)
    if seconds is not None:
        reads.seconds = seconds if reads.seconds is None else min(reads.seconds, seconds)


def invalidate(*keys: str, using: str = DEFAULT_DB_ALIAS) -> None:
    """Report a change of what requests depend on by ``depends_on(key=…)``.

    Within a transaction of the database ``using``, the change is published after the commit, and
    not at all after a rollback. Outside of one it is published at once.
    """
    tracker = installed()
    if tracker is None or not keys:
        return
    connection: Any = connections[using]
    connection_tracker = tracker.connection_tracker(using)
    if (
        connection_tracker is None or connection.connection is None
    ):  # never opened, so there is no transaction
        tracker.publish(Commit(tuple(TableChange("", key) for key in keys), running()))
    else:
        connection_tracker.add_keys(keys)


def is_rerun() -> bool:
    """Whether the calling code is part of a rerun: a live request that the server runs again.

    ``request.websocket.is_rerun`` has the same value where there is a request. Like ``depends_on``,
    it does not reach threads that the view starts by itself.
    """
    reads = current()
    return reads is not None and reads.is_rerun


@overload
def skip_on_rerun(
    function: Callable[_P, Coroutine[Any, Any, _R]],
) -> Callable[_P, Coroutine[Any, Any, _R | None]]: ...


@overload
def skip_on_rerun(function: Callable[_P, _R]) -> Callable[_P, _R | None]: ...


def skip_on_rerun(function: Callable[_P, Any]) -> Callable[_P, Any]:
    """Decorate a function, sync or async, that must not run in a rerun.

    In a rerun the function is not called, and None is returned. Use it for effects that only the
    sender of a request may cause and that wsrequest cannot see or undo: a counter of visits, a
    last-seen time, a row of an audit log, or a signal receiver.
    """
    if iscoroutinefunction(function):

        @wraps(function)
        async def askip(*args: _P.args, **kwargs: _P.kwargs) -> Any:
            return None if is_rerun() else await function(*args, **kwargs)

        return askip

    @wraps(function)
    def skip(*args: _P.args, **kwargs: _P.kwargs) -> Any:
        return None if is_rerun() else function(*args, **kwargs)

    return skip


def _above_zero(seconds: object) -> float:
    # A Decimal is not a Real, because it does not mix with floats. A bool is one by inheritance
    # only.
    if isinstance(seconds, bool) or not isinstance(seconds, Real | Decimal):
        raise TypeError(f"seconds must be a number, not {seconds!r}")
    if not float(seconds) > 0:
        raise ValueError("seconds must be above zero")
    return float(seconds)
