"""Finds out which of Django's aliases are the same database.

It compares what DATABASES says: the place of a file, or the address of a server. It cannot know
that two names of a host are the same. Check W018 covers that case.
"""

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from django.db import connections

__all__ = ["Neighbours", "are_likely_copies", "is_mysql", "place_of"]

_LOCAL_HOSTS = frozenset({"", "localhost", "127.0.0.1", "::1"})
_PORTS = {"postgresql": "5432", "mysql": "3306", "oracle": "1521"}
# Matched within the engine's path: GIS and engines of other packages have their own names.
_KINDS = {"sqlite": "sqlite", "spatialite": "sqlite", "mysql": "mysql", "oracle": "oracle"}
_KINDS |= {"postgresql": "postgresql", "postgis": "postgresql", "psycopg": "postgresql"}

Place = tuple[str, ...]


def place_of(parameters: Mapping[str, Any]) -> Place | None:
    """Return the place of a database. None if no other alias can share it.

    The places of two aliases are equal if both are the same database.

    Args:
        parameters: an entry of Django's DATABASES, with its defaults.
    """
    name, kind = str(parameters.get("NAME") or ""), _kind(parameters)
    if kind == "sqlite":
        return _file(name)
    options = parameters.get("OPTIONS") or {}
    service = str(options.get("service", "")) if isinstance(options, Mapping) else ""
    if not (name or service):
        return None
    return kind, name, service, _host(parameters), _port(parameters, kind)


class Neighbours:
    """The project's other databases on a server of MySQL. A statement can name their tables.

    Args:
        parameters: of a connection to one of the databases.
        primary: returns what the database of an alias is known by.
    """

    def __init__(self, parameters: Mapping[str, Any], primary: Callable[[str], str]) -> None:
        self._place, self._primary = place_of(parameters), primary
        self._aliases: tuple[str, ...] = ()
        self._names: dict[str, str] = {}

    def named(self, qualifiers: frozenset[str]) -> set[str]:
        """Return what the databases among these folded names are known by."""
        if self._aliases != tuple(connections.settings):
            self._aliases = tuple(connections.settings)
            self._names = {
                place[1].casefold(): self._primary(alias)
                for alias in self._aliases
                if (place := place_of(connections.settings[alias])) is not None
                and place != self._place
                and _server(place) == _server(self._place)
            }
        return {self._names[name] for name in qualifiers & self._names.keys()}


def _server(place: Place | None) -> Place:
    return () if place is None else (place[0], *place[2:])


def is_mysql(alias: str) -> bool:
    """Whether an alias is a database of MySQL or MariaDB."""
    return _kind(connections.settings[alias]) == "mysql"


def are_likely_copies(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two databases have the same name on two servers, like a primary and its replica."""
    places = place_of(one), place_of(other)
    if None in places or places[0] == places[1]:
        return False
    first, second = (place or () for place in places)
    return first[0] != "sqlite" and first[:3] == second[:3]


def _kind(parameters: Mapping[str, Any]) -> str:
    engine = str(parameters.get("ENGINE") or "")
    return next((kind for word, kind in _KINDS.items() if word in engine), engine)


def _file(name: str) -> Place | None:
    if not name.startswith("file:"):
        return None if name in ("", ":memory:") else ("sqlite", _real_path(name))
    path, _, options = name.removeprefix("file:").partition("?")
    if "mode=memory" in options or path in ("", ":memory:"):
        return ("sqlite", name) if "cache=shared" in options else None
    return "sqlite", _real_path(unquote(path))


@lru_cache(64)
def _real_path(path: str) -> str:
    return os.path.realpath(path)


def _host(parameters: Mapping[str, Any]) -> str:
    host = str(parameters.get("HOST") or "").casefold()
    return "" if host in _LOCAL_HOSTS or host.startswith("/") else host


def _port(parameters: Mapping[str, Any], kind: str) -> str:
    return str(parameters.get("PORT") or _PORTS.get(kind, ""))
