"""Puts something around methods of classes, and takes it away again.

Owns where a method is defined. It is replaced there, so that subclasses which call it by
``super()``, instances made elsewhere, and those that were made before are seen too.
"""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Protocol

__all__ = ["Active", "Around", "Late", "Wrapping"]

Around = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
"""Called with the method, the instance and the arguments, instead of the method."""
Late = Callable[[Any, tuple[Any, ...], dict[str, Any]], None]
"""Called with the instance and the arguments, behind the method."""


class Active(Protocol):
    """Says whether calls are looked at."""

    is_active: bool


class Wrapping:
    """The methods that were replaced. Each is replaced once."""

    def __init__(self) -> None:
        self._replaced: dict[tuple[type, str], tuple[Any, Any]] = {}

    def wrap(
        self,
        cls: type,
        name: str,
        around: Around,
        late: Late | None = None,
        *,
        of: Active,
        below: type = object,
    ) -> None:
        """Put ``around`` around each definition of a method among the bases of a class.

        Args:
            cls: the class.
            name: of the method; one that nobody defines is left out.
            around: what is called instead; awaited when the method is a coroutine function.
            late: what is called behind the method, where calls were looked at only then.
            of: while it is not active, the method is called as it is.
            below: bases from this one on stay as they are.
        """
        for base in cls.__mro__:
            if base is below:
                return
            original = vars(base).get(name)
            held = self._replaced.get((base, name))
            if original is None or (held is not None and held[1] is original):
                continue
            wrapper = _wrapper(original, around, late, of)
            setattr(base, name, wrapper)
            self._replaced[base, name] = original, wrapper

    def undo(self) -> None:
        """Leave the classes as they were. What was put around ours since stays."""
        for (base, name), (original, wrapper) in self._replaced.items():
            if vars(base).get(name) is wrapper:
                setattr(base, name, original)
        self._replaced.clear()


def _wrapper(original: Any, around: Around, late: Late | None, of: Active) -> Any:
    if iscoroutinefunction(original):

        @wraps(original)
        async def awaited(self: Any, *args: Any, **kwargs: Any) -> Any:
            if of.is_active:
                return await around(original, self, args, kwargs)
            result = await original(self, *args, **kwargs)
            if late is not None and of.is_active:
                late(self, args, kwargs)
            return result

        return awaited

    @wraps(original)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        if of.is_active:
            return around(original, self, args, kwargs)
        result = original(self, *args, **kwargs)
        if late is not None and of.is_active:
            late(self, args, kwargs)
        return result

    return called
