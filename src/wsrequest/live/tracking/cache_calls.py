"""Describes calls of cache methods: which keys they are for, and how long they keep a value.

It lists the operations by name, those of Django and those that other packages add, with the
positions of their arguments. It looks at arguments only, and never raises because of them: a call
that it cannot read is for any key.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT

__all__ = ["SETS_EXPIRY", "OPERATIONS", "REPORTS_CHANGE", "Call", "Operation"]

_UNKNOWN_SECONDS = 60.0  # for a timeout that is not a number


@dataclass(frozen=True, slots=True)
class Operation:
    """What a method does, and the positions of its arguments after ``self``.

    Attributes:
        reads, writes: whether it does so. With both, it returns what it found or made.
        names: the keyword names of the first argument. Empty: the call is for any key.
        many: the first argument holds several keys, or is a dict of them.
        version, timeout: positions. None if the method has no such argument.
    """

    reads: bool = False
    writes: bool = False
    names: tuple[str, ...] = ("key", "name")
    many: bool = False
    version: int | None = None
    timeout: int | None = None


_ANY: tuple[str, ...] = ()
OPERATIONS: dict[str, Operation] = {
    # Of Django's API.
    "get": Operation(reads=True, version=2),
    "has_key": Operation(reads=True, version=1),
    "get_many": Operation(reads=True, names=("keys",), many=True, version=1),
    "get_or_set": Operation(reads=True, writes=True, timeout=2, version=3),
    "set": Operation(writes=True, timeout=2, version=3),
    "add": Operation(writes=True, timeout=2, version=3),
    "touch": Operation(writes=True, timeout=1, version=2),
    "delete": Operation(writes=True, version=1),
    "incr": Operation(reads=True, writes=True, version=2),
    "decr": Operation(reads=True, writes=True, version=2),
    "set_many": Operation(writes=True, names=("data",), many=True, timeout=1, version=2),
    "delete_many": Operation(writes=True, names=("keys",), many=True, version=1),
    "clear": Operation(writes=True, names=_ANY),
    # They move a key to another version, so that they write more than one.
    "incr_version": Operation(reads=True, writes=True, names=_ANY),
    "decr_version": Operation(reads=True, writes=True, names=_ANY),
    # What Django's own backends discard when they are full.
    "_cull": Operation(writes=True, names=_ANY),
    # Of other packages.
    "delete_pattern": Operation(writes=True, names=_ANY),
    "keys": Operation(reads=True, names=_ANY),
    "iter_keys": Operation(reads=True, names=_ANY),
    "ttl": Operation(reads=True, version=1),
    "pttl": Operation(reads=True, version=1),
    "persist": Operation(writes=True, version=1),
    "expire": Operation(writes=True, version=2),
    "pexpire": Operation(writes=True, version=2),
    "expire_at": Operation(writes=True, version=2),
    "pexpire_at": Operation(writes=True, version=2),
    "pop": Operation(reads=True, writes=True, version=2),
    "evict": Operation(writes=True, names=_ANY),
    "cull": Operation(writes=True, names=_ANY),
    **dict.fromkeys(
        "scard sismember smismember smembers srandmember sscan sscan_iter hlen hkeys hexists hget "
        "hgetall zcard zcount zrange zrangebyscore zrevrange zrevrangebyscore zrank zrevrank "
        "zscore".split(),
        Operation(reads=True),
    ),
    **dict.fromkeys(
        "sadd spop srem hset hdel hincrby zadd zincrby zpopmax zpopmin zrem zremrangebyscore "
        "zremrangebyrank".split(),
        Operation(reads=True, writes=True),
    ),
    **dict.fromkeys("sdiff sinter sunion".split(), Operation(reads=True, names=_ANY)),
    **dict.fromkeys(
        "sdiffstore sinterstore sunionstore smove".split(), Operation(writes=True, names=_ANY)
    ),
}
SETS_EXPIRY = frozenset({"set", "add", "get_or_set", "set_many", "touch"})  # for a time
REPORTS_CHANGE = frozenset({"add", "touch", "delete"})  # they return False if nothing changed


class Call:
    """One call of a method of a cache.

    Args:
        name: of the operation.
        cache: the instance.
        args, kwargs: of the call, without ``self``.

    Attributes:
        args, kwargs: the same, with keys that can be iterated twice.
    """

    __slots__ = ("args", "cache", "kwargs", "name", "operation")

    def __init__(
        self, name: str, cache: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.name, self.operation, self.cache = name, OPERATIONS[name], cache
        if self.operation.many:
            args = (*map(_listed, args[:1]), *args[1:])
            found = {word: _listed(kwargs[word]) for word in self.operation.names if word in kwargs}
            kwargs = {**kwargs, **found}
        self.args, self.kwargs = args, kwargs

    def keys(self) -> list[tuple[str, str]] | None:
        """Return each key as it was given and as the store knows it. None for any key."""
        try:
            version = self._argument(self.operation.version, "version", None)
            first = self._first()
            given = first if self.operation.many else (first,)
            return [(str(key), str(self.cache.make_key(key, version=version))) for key in given]
        except Exception:  # the call itself will fail, or understands more than this code
            return None

    @property
    def seconds(self) -> float | None:
        """How long it keeps a value. None without a limit."""
        given = self._argument(self.operation.timeout, "timeout", DEFAULT_TIMEOUT)
        if given is DEFAULT_TIMEOUT:
            given = getattr(self.cache, "default_timeout", _UNKNOWN_SECONDS)
        if given is None:
            return None
        try:
            return float(given)
        except (TypeError, ValueError):
            return _UNKNOWN_SECONDS

    def _first(self) -> Any:
        if self.args and self.operation.names:
            return self.args[0]
        return next(self.kwargs[name] for name in self.operation.names if name in self.kwargs)

    def _argument(self, position: int | None, name: str, default: Any) -> Any:
        if position is not None and len(self.args) > position:
            return self.args[position]
        return self.kwargs.get(name, default)


def _listed(keys: Any) -> Any:
    """Return keys that can be iterated twice."""
    is_passing = isinstance(keys, Iterable) and not isinstance(keys, Collection)
    return list(keys) if is_passing else keys
