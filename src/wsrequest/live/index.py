"""Finds the readers that a commit concerns.

The cost of one commit grows with the sets of columns that the readers of a table narrow by, not
with the number of readers. Whatever is unknown matches. A false match costs an extra run, but a
missed one leaves a view out of date. Callers name columns in reads and rows only where the database
compares values as Python does. Pure: standard library only.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from sys import getsizeof
from types import NoneType
from typing import Generic, TypeVar

from wsrequest.types import Commit, ReadPredicate, Row, TableChange

__all__ = [
    "MAX_COMBINATIONS",
    "MAX_LOOKS",
    "Index",
    "Matcher",
    "combination_count",
    "narrowed",
    "touches",
    "weight_bytes",
]

T = TypeVar("T")

# A reader is stored under each combination of its values. A page of 100 objects that were fetched
# by their keys still narrows. Above this limit, a further column is ignored.
MAX_COMBINATIONS = 100

MAX_LOOKS = 10_000
"""How many times a row is compared with a set of columns, or a partly known row with a place.

A comparison takes about 0.6 us. If all of them would take longer than 10 ms, the change concerns
everyone who reads the table, because the event loop waits for the result.
"""

# The memory that CPython takes for a read, for each of its columns, places and values, in read sets
# and in the index.
_READ_BYTES, _COLUMN_BYTES, _PLACE_BYTES, _VALUE_BYTES = 260, 300, 360, 64

_UNKNOWN = object()
_Equals = tuple[tuple[str, frozenset[object]], ...]
_Values = tuple[object, ...]
# Columns, and the kinds of their values: to a database 5 and "5" may be equal, but not to a dict.
_Scheme = tuple[tuple[str, ...], tuple[type, ...]]


class Index(Generic[T]):
    """The readers, by what they read. For one thread, except for ``columns``.

    A reader is any hashable object. ``len`` counts them.
    """

    def __init__(self) -> None:
        self._reads: dict[T, frozenset[ReadPredicate]] = {}
        self._databases: dict[str, dict[str | None, _Table[T]]] = {}
        # Replaced, never changed, so that other threads may read it.
        self._columns: dict[tuple[str, str | None], frozenset[tuple[str, ...]]] = {}

    def __len__(self) -> int:
        return len(self._reads)

    def add(self, owner: T, reads: Iterable[ReadPredicate]) -> None:
        """Let ``owner`` be found by these reads, in addition to its earlier ones."""
        held = self._reads.get(owner, frozenset())
        # 1 and 1.0 are equal but of two kinds. The second would be in the index, but not in this
        # set.
        new = frozenset(reads) - held
        self._reads[owner] = held | new
        for read in new:
            tables = self._databases.setdefault(read.database, {})
            table = tables.get(read.table)
            if table is None:
                table = tables[read.table] = _Table()
            table.add(owner, _narrowing(read))
            self._note_columns(read, table)

    def remove(self, owner: T) -> None:
        """Remove a reader. Does nothing if it is not registered."""
        for read in self._reads.pop(owner, frozenset()):
            tables = self._databases.get(read.database, {})
            table = tables.get(read.table)
            if table is None:  # emptied by another read of the same owner
                continue
            table.discard(owner, _narrowing(read))
            self._note_columns(read, table)
            if not table.readers and not table.schemes:
                del tables[read.table]
                if not tables:
                    del self._databases[read.database]

    def replace(self, owner: T, reads: Iterable[ReadPredicate]) -> None:
        """Let ``owner`` be found by these reads only.

        The work is that of the difference, plus what the owner still reads in the tables from which
        a read was removed.
        """
        wanted, held = frozenset(reads), self._reads.get(owner, frozenset())
        gone = held - wanted
        if gone:
            stays = held - gone
            self._reads[owner] = gone
            self.remove(owner)
            places = {(read.database, read.table) for read in gone}
            # Two reads of one table may share a place, which was removed with the first of them.
            again = [read for read in stays if (read.database, read.table) in places]
            self._reads[owner] = stays.difference(again)
            self.add(owner, again)
        if self._reads.get(owner) != wanted:  # most runs read what the last one read
            self.add(owner, wanted)

    def touched(self, commit: Commit) -> set[T]:
        """Return the readers that a commit concerns. It agrees with ``touches`` for each reader."""
        readers: set[T] = set()
        for change in commit.changes:
            if change.database == "*":
                return set(self._reads)
            tables = self._databases.get(change.database, {})
            if change.table is None:
                for table in tables.values():
                    table.find_all(readers)
            elif change.rows != ():
                for name in (None, change.table):
                    if name in tables:
                        tables[name].find(change.rows, readers)
        return readers

    def columns(self, database: str, table: str) -> frozenset[tuple[str, ...]]:
        """Return the sets of columns that readers of a table narrow by. From any thread.

        An empty set means that rows need not be known: a change concerns all readers or none.
        """
        return self._columns.get((database, table), frozenset())

    def _note_columns(self, read: ReadPredicate, table: "_Table[T]") -> None:
        place = read.database, read.table
        columns = frozenset(columns for columns, _ in table.schemes)
        if columns:
            self._columns[place] = columns
        else:
            self._columns.pop(place, None)


class _Table(Generic[T]):
    """The readers of one table.

    Attributes:
        readers: those that read the whole table.
        schemes: the others, by columns and kinds, then by values.
    """

    __slots__ = ("readers", "schemes")

    def __init__(self) -> None:
        self.readers: set[T] = set()
        self.schemes: dict[_Scheme, dict[_Values, set[T]]] = {}

    def add(self, owner: T, equals: _Equals) -> None:
        if not equals:
            self.readers.add(owner)
        for scheme, values in _combinations(equals):
            self.schemes.setdefault(scheme, {}).setdefault(values, set()).add(owner)

    def discard(self, owner: T, equals: _Equals) -> None:
        if not equals:
            self.readers.discard(owner)
        for scheme, values in _combinations(equals):
            places = self.schemes.get(scheme, {})
            owners = places.get(values, set())
            owners.discard(owner)
            if not owners and places.pop(values, None) is not None and not places:
                del self.schemes[scheme]

    def find(self, rows: Sequence[Row] | None, readers: set[T]) -> None:
        if rows is None or len(rows) * len(self.schemes) > MAX_LOOKS:
            self.find_all(readers)
            return
        readers |= self.readers
        looks = 0
        for (columns, kinds), places in self.schemes.items():
            for row in rows:
                values = _values_of(row, columns, kinds)
                if values is None:
                    is_any = True
                elif _UNKNOWN not in values:
                    readers |= places.get(values, set())
                    continue
                else:  # a row that is known in part: check every place
                    looks += len(places)
                    is_any = looks > MAX_LOOKS or len(values) == 1
                if is_any:
                    readers.update(*places.values())
                    break
                for place, owners in places.items():
                    if _may_be(values, place):
                        readers |= owners

    def find_all(self, readers: set[T]) -> None:
        readers |= self.readers
        for places in self.schemes.values():
            readers.update(*places.values())


class Matcher:
    """The reads of one reader, for comparison with many commits.

    It is used at the end of a run, for what was written during it.

    Attributes:
        work: how many times a row was compared with a set of columns.
    """

    def __init__(self, reads: Iterable[ReadPredicate]) -> None:
        self.work = 0
        self._databases: set[str] = set()
        self._tables: dict[tuple[str, str | None], _Table[None]] = {}
        for read in reads:
            self._databases.add(read.database)
            place = read.database, read.table
            self._tables.setdefault(place, _Table()).add(None, _narrowing(read))

    def touched(self, commit: Commit) -> bool:
        """Whether a commit concerns the reader. True, too, once that took too much work."""
        return any(map(self._is_touched, commit.changes))

    def reads(self, database: str, table: str | None) -> bool:
        """Whether any write of a table concerns the reader."""
        if database == "*":
            return bool(self._tables)
        if table is None:
            return database in self._databases
        return (database, table) in self._tables or (database, None) in self._tables

    def _is_touched(self, change: TableChange) -> bool:
        rows = change.rows
        if rows is None or change.table is None or change.database == "*":
            return self.reads(change.database, change.table)
        if not rows:
            return False
        if (change.database, None) in self._tables:
            return True
        table = self._tables.get((change.database, change.table))
        if table is None:
            return False
        self.work += len(rows) * len(table.schemes)
        return bool(table.readers) or self.work > MAX_LOOKS or self._is_among(rows, table)

    def _is_among(self, rows: Sequence[Row], table: _Table[None]) -> bool:
        for (columns, kinds), places in table.schemes.items():
            for row in rows:
                values = _values_of(row, columns, kinds)
                if values is None or values in places:
                    return True
                if _UNKNOWN in values:
                    self.work += len(places)
                    is_too_much = self.work > MAX_LOOKS
                    if is_too_much or any(_may_be(values, place) for place in places):
                        return True
        return False


def touches(reads: Iterable[ReadPredicate], commit: Commit) -> bool:
    """Whether a commit concerns a reader with these reads."""
    return Matcher(reads).touched(commit)


def narrowed(read: ReadPredicate) -> ReadPredicate:
    """Return the read with only those of its conditions that the index uses."""
    equals = _narrowing(read)
    return (
        read
        if len(equals) == len(read.equals)
        else ReadPredicate(read.database, read.table, equals)
    )


def weight_bytes(reads: Iterable[ReadPredicate]) -> int:
    """Return about how much memory the reads of one reader take, with its places in the index."""
    total = 0
    for read in reads:
        total += _READ_BYTES + len(read.table or "")
        total += _COLUMN_BYTES * len(read.equals) + _PLACE_BYTES * (combination_count(read) or 1)
        for _, values in read.equals:
            total += sum(map(getsizeof, values)) + _VALUE_BYTES * len(values)
    return total


def combination_count(read: ReadPredicate) -> int:
    """Return in how many places a reader is stored for this read. 0 for one of all rows."""
    equals = _narrowing(read)
    return prod(len(values) for _, values in equals) if equals else 0


def _narrowing(read: ReadPredicate) -> _Equals:
    """Return the conditions of a read that the index uses, within ``MAX_COMBINATIONS``."""
    kept, count = [], 1
    for column, values in sorted(read.equals, key=lambda equal: (len(equal[1]), equal[0])):
        count *= len(values)
        if not 0 < count <= MAX_COMBINATIONS:
            break
        kept.append((column, values))
    return tuple(sorted(kept, key=lambda equal: equal[0]))


def _combinations(equals: _Equals) -> Iterable[tuple[_Scheme, _Values]]:
    """Yield the schemes and values under which a reader is stored. Nothing if it reads all rows."""
    if equals:
        columns = tuple(column for column, _ in equals)
        for values in product(*(values for _, values in equals)):
            yield (columns, tuple(map(_kind, values))), values


def _values_of(
    row: Mapping[str, object], columns: tuple[str, ...], kinds: tuple[type, ...]
) -> _Values | None:
    """Return the values of a row to look up in a scheme, or None if that is impossible.

    A value that only the database knows is ``_UNKNOWN``.
    """
    values: list[object] = []
    for column, kind in zip(columns, kinds, strict=True):
        value = row.get(column, _UNKNOWN)
        # NULL is equal to nothing else, whatever the type of the column.
        is_known = value is None or kind is NoneType or _kind(value) is kind
        values.append(value if is_known else _UNKNOWN)
    result = tuple(values)
    try:
        hash(result)
    except TypeError:
        return None
    return result


def _may_be(values: _Values | None, place: _Values) -> bool:
    """Whether a row that is known in part may have these values."""
    return values is None or all(
        value is _UNKNOWN or value == held for value, held in zip(values, place, strict=True)
    )


def _kind(value: object) -> type:
    """Return the type that stands for all values that Python compares as a database does."""
    if isinstance(value, int):  # True is 1 in most databases
        return int
    return str if isinstance(value, str) else type(value)
