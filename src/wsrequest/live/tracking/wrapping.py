"""Wraps methods of classes and of instances, and removes the wrappers again.

A method of a class is replaced where it is defined. That also covers subclasses which call it by
``super()``, and instances that were made elsewhere or earlier.
"""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Protocol

__all__ = ["Active", "Around", "InstanceWrapping", "Late", "Wrapping"]

Around = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
"""Called in place of the method, with the method, the instance and the arguments."""
Late = Callable[[Any, tuple[Any, ...], dict[str, Any]], None]
"""Called after the method, with the instance and the arguments."""


class Active(Protocol):
    """Says whether calls are tracked."""

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
        """Wrap each definition of a method among the bases of a class.

        Args:
            cls: the class.
            name: of the method. A method that no base defines is left out.
            around: called in place of the method. Awaited if the method is a coroutine function.
            late: called after the method, if tracking became active only during the call.
            of: while it is not active, the method is called directly.
            below: bases from this one on are left alone.
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
        """Restore the classes. Wrappers that other code put around ours since then stay."""
        for (base, name), (original, wrapper) in self._replaced.items():
            if vars(base).get(name) is wrapper:
                setattr(base, name, original)
        self._replaced.clear()


class InstanceWrapping:
    """The methods of one instance that were wrapped.

    Args:
        instance: any object with a ``__dict__``.
    """

    def __init__(self, instance: Any) -> None:
        self._instance = instance
        self._wrapped: dict[str, Any] = {}

    def wrap(self, name: str, around: Callable[..., Any]) -> None:
        """Call ``around`` in place of a method, with the method and its arguments."""
        original = getattr(self._instance, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return around(original, *args, **kwargs)

        self.put(name, wrapped)

    def put(self, name: str, wrapped: Callable[..., Any]) -> None:
        """Put a wrapper in the place of a method."""
        self._wrapped[name] = wrapped
        setattr(self._instance, name, wrapped)

    def undo(self) -> None:
        """Restore the instance. Wrappers that other code put around ours stay."""
        for name, wrapped in self._wrapped.items():
            if vars(self._instance).get(name) is wrapped:
                delattr(self._instance, name)


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
