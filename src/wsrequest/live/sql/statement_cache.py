"""Caches the analysis of SQL texts, so that each text is parsed once.

The cache is bounded by its bytes, not by the number of texts: a text of ``bulk_create`` is long and
rarely returns. It can be used from any thread. ``writes_nothing`` recognizes texts that need no
parsing at all: a SELECT outside of every live run.
"""

import re
from hashlib import blake2b
from sys import getsizeof

from wsrequest.live.forks import ForkLock
from wsrequest.live.sql.analyzer import parse
from wsrequest.live.sql.predicates import Constant, Written
from wsrequest.live.sql.statement import Names, Statement

__all__ = ["MAX_BYTES", "StatementCache", "shared_cache", "writes_nothing"]

MAX_BYTES = 4 * 2**20
"""The limit for all texts that a process caches, and their analysis."""

_LONG = 512  # characters. A longer text is represented by its digest
_ENTRY_BYTES = 1000  # a key, a statement, and their slots

_Key = tuple[str | bytes, str, Names, frozenset[str]]


class StatementCache:
    """The most recently used texts, with their analysis. From any thread.

    Args:
        max_bytes: about how much the cache may hold.

    Attributes:
        parse_count: how many texts were parsed, for tests and measurements.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._half = max_bytes // 2
        self._lock = ForkLock()
        # An entry in use moves to the young half. When that is full, the old half is dropped.
        self._recent: dict[_Key, Statement] = {}
        self._old: dict[_Key, Statement] = {}
        self._weight = 0
        self.parse_count = 0

    def parse(
        self, sql: str, vendor: str, names: Names, temporary: frozenset[str] = frozenset()
    ) -> Statement:
        """Return what a text does. See ``analyzer.parse``."""
        key = (sql if len(sql) <= _LONG else _digest(sql)), vendor, names, temporary
        statement = self._recent.get(key)
        if statement is None:
            statement = self._old.get(key)
            if statement is None:
                self.parse_count += 1
                statement = parse(sql, vendor, names, temporary)
            self._store(key, statement)
        return statement

    def _store(self, key: _Key, statement: Statement) -> None:
        weight = _ENTRY_BYTES + getsizeof(key[0]) + _weight(statement)
        with self._lock:
            self._weight += weight
            if self._weight > self._half:
                self._old, self._recent, self._weight = self._recent, {}, weight
            self._recent[key] = statement


def _digest(sql: str) -> bytes:
    return blake2b(sql.encode("utf-8", "surrogatepass"), digest_size=20).digest()


def _weight(statement: Statement) -> int:
    """Return about how many bytes a statement holds."""
    weight = 0
    for _, conditions in statement.narrowed:
        weight += sum(300 + 16 * len(condition.values) for condition in conditions)
    if statement.written is not None:
        weight += _weight_of_written(statement.written)
    if statement.prepared is not None:
        weight += _ENTRY_BYTES
    return weight


def _weight_of_written(written: Written) -> int:
    weight = sum(300 + 16 * len(condition.values) for condition in written.found)
    for row in written.rows:
        weight += 60 + 130 * len(row)
        weight += 64 * sum(isinstance(value, Constant) for _, value in row)
    return weight


# A SELECT can write through INTO or through a function. After a semicolon another statement begins.
_INTO = re.compile(r"\binto\b")


def writes_nothing(sql: str, names: Names) -> bool:
    """Whether a look is enough to know that a text only reads: it begins with SELECT."""
    folded = sql.casefold()
    if not folded.startswith("select ") or ";" in folded:
        return False
    if "into" in folded and _INTO.search(folded):
        return False
    if "tval" in folded or "lo_" in folded or "lowrite" in folded:  # see functions.WRITTEN_BY
        return False
    if "set_config" in folded:  # for example the search path
        return False
    return not names.functions or not any(name in folded for name in names.functions)


shared_cache = StatementCache()
"""The cache of this process."""
