"""Collects the writes of one transaction until they are published as a commit. Pure."""

from collections.abc import Iterable

from wsrequest.live.sql.parameters import MAX_ROWS
from wsrequest.types import Commit, Row, TableChange

__all__ = ["MAX_KEYS", "TransactionWrites"]

MAX_KEYS = 1000  # of one database of keys. More of them are any key


class TransactionWrites:
    """The writes of one transaction, including those of savepoints that were rolled back.

    Attributes:
        tables: database and table (or key), with the rows that were written. None for any row.
            Always the same dict, so that code that checks it in each request can keep a reference.
    """

    __slots__ = ("_has_run", "_key_counts", "_run", "tables")

    def __init__(self) -> None:
        self.tables: dict[tuple[str, str | None], list[Row] | None] = {}
        self._key_counts: dict[str, int] = {}
        self._run: object | None = None
        self._has_run = False

    def __bool__(self) -> bool:
        return bool(self.tables)

    def add(
        self, database: str, table: str | None, rows: tuple[Row, ...] | None, run: object | None
    ) -> None:
        """Add a write, as ``TableChange`` describes it, and the run that made it."""
        place = database, table
        before = self.tables.setdefault(place, [])
        if rows is None or before is None or len(before) + len(rows) > MAX_ROWS:
            self.tables[place] = None
        else:
            before += rows
        self._run = run if not self._has_run or self._run is run else None
        self._has_run = True

    def add_keys(self, database: str, keys: Iterable[str | None], run: object | None) -> None:
        """Add writes of keys, and the run that made them.

        Args:
            database: stands for the store of the keys.
            keys: their names. None for any of them.
            run: as ``Commit`` describes it.
        """
        for key in keys:
            count = self._key_counts.get(database, 0)
            if key is not None and (database, key) not in self.tables:
                count = self._key_counts[database] = count + 1
            if count > MAX_KEYS:
                key = None
                if (database, None) not in self.tables:
                    for place in [place for place in self.tables if place[0] == database]:
                        del self.tables[place]
            self.add(database, key, None, run)

    def add_commit(self, commit: Commit) -> None:
        """Add the writes of a commit."""
        for change in commit.changes:
            self.add(change.database, change.table, change.rows, commit.run)

    def take(self) -> Commit:
        """Return all writes, and forget them."""
        found = self.look()
        self.clear()
        return found

    def look(self) -> Commit:
        """Return all writes, and keep them."""
        changes = tuple(
            TableChange(database, table, None if rows is None else tuple(rows))
            for (database, table), rows in self.tables.items()
        )
        return Commit(changes, self._run)

    def clear(self) -> None:
        """Forget all writes."""
        self.tables.clear()
        self._key_counts.clear()
        self._run, self._has_run = None, False
