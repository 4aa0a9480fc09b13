"""What is remembered of SQL texts, so that each is read once.

Owns a memory that is bounded by what it holds, not by the number of texts: a text of bulk_create is
long and seldom comes again. From any thread. Owns, too, which texts need not be read at all: a
SELECT that nobody's live run reads.
"""

import re
from hashlib import blake2b
from sys import getsizeof
from threading import Lock

from wsrequest.live.sql.analyzer import Names, Statement, parse
from wsrequest.live.sql.predicates import Constant, Written

__all__ = ["MAX_BYTES", "Memory", "remembered", "writes_nothing"]

MAX_BYTES = 4 * 2**20
"""Of all texts that a process remembers, and what they mean."""

_LONG = 512  # characters; the digest stands for a text of more
_ENTRY_BYTES = 1000  # a key, a statement, and their places

_Key = tuple[str | bytes, str, Names, frozenset[str]]


class Memory:
    """Texts and what they mean, the ones that were used last. From any thread.

    Args:
        max_bytes: of what it holds, about.

    Attributes:
        reads: how many texts were read, for those who count.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._half = max_bytes // 2
        self._lock = Lock()
        # What is used moves to the young; when those are half of all, the old are forgotten.
        self._young: dict[_Key, Statement] = {}
        self._old: dict[_Key, Statement] = {}
        self._weight = 0
        self.reads = 0

    def parse(
        self, sql: str, vendor: str, names: Names, temporary: frozenset[str] = frozenset()
    ) -> Statement:
        """Return what a text does, as ``statements.parse``."""
        key = (sql if len(sql) <= _LONG else _digest(sql)), vendor, names, temporary
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is None:
                self.reads += 1
                found = parse(sql, vendor, names, temporary)
            self._remember(key, found)
        return found

    def _remember(self, key: _Key, statement: Statement) -> None:
        weight = _ENTRY_BYTES + getsizeof(key[0]) + _weight(statement)
        with self._lock:
            self._weight += weight
            if self._weight > self._half:
                self._old, self._young, self._weight = self._young, {}, weight
            self._young[key] = statement


def _digest(sql: str) -> bytes:
    return blake2b(sql.encode("utf-8", "surrogatepass"), digest_size=20).digest()


def _weight(statement: Statement) -> int:
    """Bytes that a statement holds, about."""
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


# A SELECT can write by INTO, or by a function; what follows a semicolon is another statement.
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
    if "set_config" in folded:  # of the search path, say
        return False
    return not names.functions or not any(name in folded for name in names.functions)


remembered = Memory()
"""Of this process."""
