"""Turns parameter values into the rows that a read or a write is about.

A value that Python cannot compare is left out, which means that it may be any value. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import cast

from wsrequest.live.sql.predicates import Condition, Constant, Value, Written
from wsrequest.live.sql.values import ANY, Passes, as_it_is, comparable
from wsrequest.types import Row

__all__ = ["MAX_ROWS", "equals_of", "returned", "rows_of"]

# Above this, the whole table counts as changed: comparing more rows costs more than it saves.
MAX_ROWS = 500

_Equals = tuple[tuple[str, frozenset[object]], ...]


def equals_of(
    conditions: Sequence[Condition],
    kinds: Mapping[str, str],
    params: Sequence[object],
    passes: Passes = as_it_is,
) -> _Equals:
    """Return the columns that a read restricts to values, as in ``ReadPredicate.equals``."""
    restricted: dict[str, frozenset[object]] = {}
    for condition in conditions:
        kind = kinds.get(condition.column, "")
        values = [comparable(kind, _of(value, params), passes) for value in condition.values]
        if ANY in values or None in values:  # = NULL is never true, IN (…, NULL) may be
            continue
        before = restricted.get(condition.column)
        now = frozenset(values)
        restricted[condition.column] = now if before is None else before & now
    return tuple(sorted((column, values) for column, values in restricted.items() if values))


def rows_of(
    written: Written,
    kinds: Mapping[str, str],
    params: object,
    many: bool,
    passes: Passes = as_it_is,
) -> tuple[Row, ...] | None:
    """Return every row that a statement writes, before and after the change. None for any row.

    Args:
        written: what the statement writes.
        kinds: of the table's columns.
        params: as the cursor got them. For ``many``, a list of them.
        many: the statement runs once for each item of ``params``.
        passes: of the driver.
    """
    runs = params if many else [params]
    if not isinstance(runs, list | tuple) or len(runs) > MAX_ROWS:
        return None
    rows: list[Row] = []
    for run in runs:
        if not isinstance(run, list | tuple):
            return None
        for row in _images(written, kinds, run, passes):
            if row is None or len(rows) == MAX_ROWS:
                return None
            rows.append(row)
    return tuple(rows)


def returned(row: Row, columns: Sequence[str], kinds: Mapping[str, str], values: object) -> Row:
    """Return an inserted row with the values that RETURNING gave back, which is usually the key.

    Args:
        row: as inserted.
        columns: of RETURNING.
        kinds: of the table's columns.
        values: of these columns. Anything but a tuple of that length adds nothing.
    """
    if not isinstance(values, tuple) or len(values) != len(columns):
        return row
    values_by_column = {
        column: comparable(kinds[column], value)
        for column, value in zip(columns, values, strict=True)
        if column in kinds
    }
    return {
        **row,
        **{column: value for column, value in values_by_column.items() if value is not ANY},
    }


def _images(
    written: Written, kinds: Mapping[str, str], params: Sequence[object], passes: Passes
) -> Iterator[Row | None]:
    """Yield the rows of one run, or None for any row."""
    if not written.found:
        for given in written.rows:
            if written.is_lists:
                yield from _unnested(given, kinds, params, passes)
            else:
                yield _row(given, kinds, params, passes)
        return
    held = equals_of(written.found, kinds, params, passes)
    count = 1
    for _, values in held:
        count *= len(values)
    if not held or count > MAX_ROWS:
        yield None
        return
    for image in product(*(values for _, values in held)):
        before = {column: value for (column, _), value in zip(held, image, strict=True)}
        yield before
        for given in written.rows:
            changed = {column for column, _ in given}
            kept = {column: value for column, value in before.items() if column not in changed}
            yield {**kept, **_row(given, kinds, params, passes)}


def _of(value: Value, params: Sequence[object]) -> object:
    return value.value if isinstance(value, Constant) else params[value]


def _row(
    given: Sequence[tuple[str, Value | None]],
    kinds: Mapping[str, str],
    params: Sequence[object],
    passes: Passes,
) -> Row:
    row = {}
    for column, written in given:
        if column in kinds and written is not None:
            value = comparable(kinds[column], _of(written, params), passes)
            # SQLite generates a key where NULL is given for one.
            if value is not ANY and not (value is None and kinds[column] == "key"):
                row[column] = value
    return row


def _unnested(
    given: Sequence[tuple[str, Value | None]],
    kinds: Mapping[str, str],
    params: Sequence[object],
    passes: Passes,
) -> Iterator[Row | None]:
    columns = [
        (column, _of(value, params))
        for column, value in given
        if value is not None and column in kinds
    ]
    lengths = {len(values) if isinstance(values, list) else -1 for _, values in columns}
    if len(lengths) != 1 or -1 in lengths:
        yield None
        return
    lists = [cast(list[object], values) for _, values in columns]
    for values in zip(*lists, strict=True):
        numbered = [(column, at) for at, (column, _) in enumerate(columns)]
        yield _row(numbered, kinds, values, passes)
