"""Reads and writes in one process: whatever changes an answer must touch its reader.

Owns the loop: readers stand in an index by what their last woken run read; a write is committed;
every answer is made anew, and compared with what the index says of the commit. No socket and no
thread, so that one process tries thousands of pairs in a second.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.db import DatabaseError, connection

from wsrequest.live.index import Index
from wsrequest.live.tracking.tracker import ChangeTracker, installed
from wsrequest.types import Commit

__all__ = ["Bench", "Miss", "Reader", "Tally", "bench"]

_MOST_STATEMENTS = 12  # in a report


class Reader(Protocol):
    """Somebody who reads."""

    name: str

    def read(self) -> object:
        """Return the answer as it is now; the same for the same rows."""


@dataclass(frozen=True)
class Miss:
    """An answer that changed, and nobody was told.

    Attributes:
        reader: whose.
        before: the answer that it held.
        after: the answer that it should have.
        statements: the last that were run for the write.
        changes: what was published of them.
    """

    reader: str
    before: object
    after: object
    statements: tuple[str, ...]
    changes: tuple[Commit, ...]

    def __str__(self) -> str:
        told = [f"reader {self.reader}", f"  before {self.before!r}", f"  after  {self.after!r}"]
        told += [f"    {statement}" for statement in self.statements]
        return "\n".join([*told, *(f"  told {each}" for each in self.changes)])


@dataclass
class Tally:
    """What was tried.

    Attributes:
        pairs: of a reader and a commit.
        changed: those in which the answer became another.
        woken: those in which the reader was touched and its answer is the same.
        wasted: the same by kind of reader and kind of write.
        misses: those in which it was not touched, though the answer is another.
    """

    pairs: int = 0
    changed: int = 0
    woken: int = 0
    wasted: Counter[tuple[str, str]] = field(default_factory=Counter)
    misses: list[Miss] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of all pairs, those that were woken for nothing."""
        return self.woken / self.pairs if self.pairs else 0.0

    def __str__(self) -> str:
        return (
            f"{self.pairs} pairs, {self.changed} answers changed, "
            f"{self.share:.1%} woken for nothing, {len(self.misses)} missed"
        )


_Text = tuple[Any, Any]  # with its parameters


class Bench:
    """Readers of the default database, and the commits that they are told of."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.index: Index[Reader] = Index()
        self.tracker = ChangeTracker(self._publish, wanted=self.index.columns)
        self._answers: dict[Reader, object] = {}
        self._seen: dict[Reader, tuple[list[_Text], list[object]]] = {}
        self._changes: list[Commit] = []
        self._statements: deque[str] = deque(maxlen=_MOST_STATEMENTS)

    def _publish(self, changes: Commit) -> None:
        self._changes.append(changes)

    def _note(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        self._statements.append(f"{sql!r} {params!r}")
        return execute(sql, params, many, context)

    def add(self, reader: Reader) -> bool:
        """Let it read; return whether the database let it."""
        answer = self._read(reader)
        if isinstance(answer, DatabaseError):
            self.remove(reader)
        return not isinstance(answer, DatabaseError)

    def replace_one(self, reader: Reader, number: int) -> None:
        """Let a reader take the place of one of those that are here."""
        readers = list(self._answers)
        if readers:
            self.remove(readers[number % len(readers)])
        self.add(reader)

    def remove(self, reader: Reader) -> None:
        """Forget it. Safe to call twice."""
        self.index.remove(reader)
        self._answers.pop(reader, None)
        self._seen.pop(reader, None)

    def _read(self, reader: Reader, is_noted: bool = True) -> object:
        """Let somebody read, and note what for as long as nobody touches it."""
        answer: object
        texts: list[_Text] = []

        def note(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
            texts.append((sql, params))
            return execute(sql, params, many, context)

        with self.tracker.reading() as reads, connection.execute_wrapper(note):
            try:
                answer = reader.read()
            except DatabaseError as error:
                answer = error
        if is_noted:
            self.index.replace(reader, reads.result())
            self._answers[reader] = answer
            self._seen[reader] = texts, self._rows(texts)
        return answer

    def _rows(self, texts: "list[_Text]") -> list[object]:
        """What these texts give now, without the work of Django's that is around them."""
        connection_tracker = self.tracker.connection_tracker("default")
        assert connection_tracker is not None  # it has read something
        was_running, connection_tracker.is_running = connection_tracker.is_running, True
        found: list[object] = []
        try:
            with connection.wrap_database_errors, closing(connection.create_cursor()) as cursor:
                for sql, params in texts:
                    cursor.execute(*((sql,) if params is None else (sql, params)))
                    found.append(cursor.fetchall())
        except DatabaseError as error:
            found.append(type(error))
        finally:
            connection_tracker.is_running = was_running
        return found

    def _answer(self, reader: Reader) -> object:
        """What a reader that was not touched would read: the same while its texts give the same."""
        texts, rows = self._seen[reader]
        if self._rows(texts) == rows:
            return self._answers[reader]
        return self._read(reader, False)

    def write(self, name: str, write: Callable[[], object]) -> None:
        """Commit a write, and hold all readers against what was told of it."""
        self._changes.clear()
        self._statements.clear()
        with connection.execute_wrapper(self._note), suppress(DatabaseError):
            write()
        statements = tuple(self._statements)
        changes = tuple(self._changes)
        touched = set().union(*(self.index.touched(each) for each in changes))
        for reader, before in list(self._answers.items()):
            is_touched = reader in touched
            after = self._read(reader) if is_touched else self._answer(reader)
            is_same = _shown(after) == _shown(before)
            self.tally.pairs += 1
            self.tally.changed += not is_same
            if is_same and is_touched:
                self.tally.woken += 1
                self.tally.wasted[reader.name.split(" ")[0], name] += 1
            elif not is_same and not is_touched:
                self.tally.misses.append(
                    Miss(reader.name, _shown(before), _shown(after), statements, changes)
                )
                self._read(reader)


def _shown(answer: object) -> object:
    return type(answer).__name__ if isinstance(answer, DatabaseError) else answer


@contextmanager
def bench() -> Iterator[Bench]:
    """A bench for the default database as it is now; whatever else watches gives way."""
    other = installed()
    if other is not None:
        other.uninstall()
    made = Bench()
    made.tracker.install()
    try:
        yield made
    finally:
        made.tracker.uninstall()
        if other is not None:
            other.install()
