"""Decides which parameter values Python can compare with the same outcome as the database.

It lists the known classes, and checks that the driver passes their values to the database
unchanged. Any other value is ``ANY``, because a driver may turn it into anything.
"""

import sqlite3
import sys
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID

from django.utils.safestring import SafeString

__all__ = ["ANY", "MAX_TEXT", "Passes", "as_it_is", "comparable", "passes_of"]

ANY = object()
"""A value that only the database knows."""

MAX_TEXT = 512
"""A longer text is ``ANY``. It would be kept with its commit, and queries rarely search for it."""

Passes = Callable[[type, type], bool]
"""Whether a driver passes the values of a class on as those of one of its bases."""


def as_it_is(cls: type, base: type) -> bool:
    """Return True: this driver adapts nothing."""
    return True


def comparable(kind: str, value: object, passes: Passes = as_it_is) -> object:
    """Return a value as the database gets it: an exact int, bool, str or UUID, None, or ``ANY``.

    Args:
        kind: of the column, as in ``Names.kinds``.
        value: as the cursor got it.
        passes: of the driver.
    """
    if value is None:
        return None
    cls = type(value)
    if kind == "bool":  # SQLite stores any number there, and every number except 0 is true
        is_truth = cls in (bool, int) and value in (0, 1) and passes(cls, cls)
        return bool(value) if is_truth else ANY
    base = cls if cls in _EXACT else _base_of(cls)
    if base is None or _EXACT[base] != _KINDS.get(kind) or not passes(cls, base):
        return ANY
    if base is int:
        return int.__int__(value)  # type: ignore[arg-type]  # a member of an IntEnum becomes an int
    if base is str:
        text = str.__str__(value)
        # PostgreSQL cuts trailing spaces off a text that is longer than its column.
        return ANY if len(text) > MAX_TEXT or text.endswith(" ") else text
    return value


_EXACT: dict[type, str] = {int: "int", str: "text", UUID: "uuid"}
_KINDS = {"int": "int", "key": "int", "text": "text", "uuid": "uuid"}


def _base_of(cls: type) -> type | None:
    """Return the class to which a driver converts the values of a known class."""
    if cls is SafeString:
        return str
    if not issubclass(cls, Enum) or hasattr(cls, "__conform__"):
        return None
    base: type = cls._member_type_  # type: ignore[attr-defined]  # the data type of the members: ``class Kind(str, Enum)``
    if base is str and cls.encode is str.encode:  # type: ignore[attr-defined]
        return str
    if base is int and (cls.__int__, cls.__index__) == (int.__int__, int.__index__):  # type: ignore[attr-defined]
        return int
    return None


def passes_of(vendor: str, driver: Any) -> Passes:
    """Return the check for one connection of a driver. Adapters may be registered at any time.

    Args:
        vendor: of the database, as Django calls it.
        driver: the driver's connection, or None.
    """
    if vendor == "sqlite":
        return _passes_sqlite
    if vendor == "postgresql":
        adapters = getattr(driver, "adapters", None)
        if adapters is not None:
            return partial(_passes_psycopg, adapters)
        psycopg2 = sys.modules.get("psycopg2.extensions")
        if psycopg2 is not None and isinstance(driver, psycopg2.connection):
            return _passes_psycopg2
    return _passes_nothing


def _passes_sqlite(cls: type, base: type) -> bool:
    return (cls, sqlite3.PrepareProtocol) not in sqlite3.adapters


def _passes_psycopg(adapters: Any, cls: type, base: type) -> bool:
    from psycopg.adapt import PyFormat  # it is installed, since this connection is one of psycopg's

    try:
        dumper = adapters.get_dumper(base, PyFormat.AUTO)
        if cls is not base and adapters.get_dumper(cls, PyFormat.AUTO) is not dumper:
            return False
    except Exception:  # no dumper: the driver reports it when it runs the statement
        return False
    return str(dumper.__module__).startswith("psycopg")


def _passes_psycopg2(cls: type, base: type) -> bool:
    extensions: Any = sys.modules["psycopg2.extensions"]
    for each in cls.__mro__:
        adapter = extensions.adapters.get((each, extensions.ISQLQuote))
        if adapter is not None:
            return each is base and str(adapter.__module__).startswith("psycopg2")
    return False


def _passes_nothing(cls: type, base: type) -> bool:
    return False
