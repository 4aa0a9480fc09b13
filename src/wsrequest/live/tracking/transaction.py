"""What a connection wrote and has not told yet.

Owns how the writes of one transaction are joined into ``Commit``. Pure.
"""

from collections.abc import Iterable

from wsrequest.live.sql.parameters import MAX_ROWS
from wsrequest.types import Commit, Row, TableChange

__all__ = ["MAX_KEYS", "TransactionWrites"]

MAX_KEYS = 1000  # of one database of keys; more of them are any key


class TransactionWrites:
    """The writes of one transaction; those of a savepoint that was rolled back stay among them.

    Attributes:
        tables: database and table, or key, to the rows that were written; None for any. Always the
            same dict: who asks with each request whether it is empty can keep it.
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
            database: that stands for what they are keys of.
            keys: their names; None for any of them.
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

    def take(self) -> Commit:
        """Return everything, and forget it."""
        found = self.look()
        self.clear()
        return found

    def look(self) -> Commit:
        """Return everything, and keep it."""
        changes = tuple(
            TableChange(database, table, None if rows is None else tuple(rows))
            for (database, table), rows in self.tables.items()
        )
        return Commit(changes, self._run)

    def clear(self) -> None:
        """Forget everything."""
        self.tables.clear()
        self._key_counts.clear()
        self._run, self._has_run = None, False
