"""Which code is part of a run that no client has sent, and what such a run leaves out.

Owns ``is_rerun`` and ``skip_on_rerun``, which projects call: for effects that only the sender of a
request may cause, and that wsrequest cannot see or take back.
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
    """Whether the calling code is part of a live request that the server runs again.

    ``request.websocket.is_rerun`` says the same where there is a request. Like ``depends_on``, it
    does not reach threads that the view starts by itself.
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
    """Decorate a function, sync or async, that only the sender of a request may cause to run.

    While the server runs a live request again, the function is not called and None is returned.
    It fits a counter of visits, a last-seen stamp, a row of an audit log, a receiver of a signal.
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
