"""What the tests of 2014 import from Django and Django has no more."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, re_path

__all__ = ["patterns"]


def patterns(prefix: str, *entries: tuple[str, Callable[..., Any]]) -> list[URLPattern]:
    """Make a URLconf of (regular expression, view) pairs.

    Args:
        prefix: stood before views that were named by strings; here views are callables.
        entries: the pairs.
    """
    if prefix:
        raise ValueError(f"views are callables, so there is nothing to put {prefix!r} before")
    return [re_path(expression, view) for expression, view in entries]
