"""Tells projects whether their code is part of a rerun, and leaves out effects in it.

Use it for effects that only the sender of a request may cause, and that wsrequest cannot see or
undo.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

from asgiref.sync import iscoroutinefunction

from wsrequest.live.tracking.reads import current

__all__ = ["is_rerun", "skip_on_rerun"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


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
