"""Which values a statement gives to columns: those of the rows it is about, those it writes.

Owns the columns that a WHERE holds to given values, and the columns that INSERT and UPDATE give
values to. Only what is written as ``"table"."column" = %s``, ``IN (%s, …)``, or a bare column for a
truth, in a conjunction outside of parentheses, or in every branch of an OR, counts; everything else
makes the answer less narrow, never wrong. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wsrequest.live.sql.outline import Outline
from wsrequest.live.sql.tokenizer import NAME, NUMBER, PARAM, WORD, Token

__all__ = [
    "MAX_ROWS_OF_A_TEXT",
    "MAX_VALUES",
    "Condition",
    "Constant",
    "Value",
    "Written",
    "conditions",
    "inserted",
    "updated",
]

# A text of more is of any rows: to remember each would take more than it spares.
MAX_ROWS_OF_A_TEXT = 48
MAX_VALUES = 100

_MAX_DEPTH = 32  # of conjunctions in alternatives in conjunctions
_ENDS_OF_WHERE = frozenset(
    "group having order limit offset fetch for window union intersect except minus "
    "returning".split()
)
_SET, _OR_XOR = frozenset({"set"}), frozenset({"or", "xor"})
# SQLite's names of a whole number that is the key, whatever that is called.
_ROWID = frozenset({"rowid", "oid", "_rowid_"})
_CONSTANTS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that stands in the text: a whole number, a truth, or None for NULL."""

    value: int | bool | None


Value = int | Constant
"""Which placeholder holds a value, or the value itself."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A column that is held to one of some values.

    Attributes:
        qualifier: of the column, as it is written and folded; "" where it has none.
        column: folded.
        values: to which it is held.
    """

    qualifier: str
    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What a statement writes into the rows of one table.

    Attributes:
        rows: for each row the columns with their value; None for a value that the database makes.
        found: for UPDATE and DELETE, what holds for the rows before.
        is_lists: the placeholders hold one list for each column, as UNNEST takes them.
        returning: which columns RETURNING gives back, in order; () where that is not plain.
    """

    rows: tuple[tuple[tuple[str, Value | None], ...], ...] = ()
    found: tuple[Condition, ...] = ()
    is_lists: bool = False
    returning: tuple[str, ...] = ()


def conditions(outline: Outline, where: int) -> list[Condition]:
    """Return what holds for every row that passes the WHERE at this token."""
    if not outline.is_sure:
        return []
    end = outline.find(where + 1, len(outline), _ENDS_OF_WHERE)
    return _held(outline, where + 1, end, 0)


def updated(
    outline: Outline, where: int | None, vendor: str
) -> tuple[tuple[str, Value | None], ...] | None:
    """Return what SET gives to columns; None where it gives to something that is not one."""
    if not outline.is_sure:
        return None
    begin = outline.find(0, len(outline), _SET)
    if begin == len(outline):
        return None
    given: list[tuple[str, Value | None]] = []
    for first, end in outline.split(begin + 1, len(outline) if where is None else where, ","):
        if end - first < 3 or outline.text(first + 1) != "=" or not _is_name(outline, first):
            return None
        given.append((outline.tokens[first].text, _value(outline, first + 2, end)))
    return tuple(given) if _are_plain([column for column, _ in given], vendor) else None


def inserted(outline: Outline, target: int, vendor: str) -> Written | None:
    """Return the rows of ``INSERT INTO t (a, b) VALUES (…), (…)``, or of its UNNEST form.

    Args:
        target: the token that names the table.

    None where other rows may be written, by ON CONFLICT DO UPDATE for one.
    """
    words = {token.text for token in outline.tokens if token.kind == WORD}
    if words & {"replace", "update", "duplicate"} or outline.text(target + 1) != "(":
        return None
    if not outline.is_sure:
        return None
    close = outline.closing(target + 1)
    names = outline.split(target + 2, close, ",")
    if any(end - first != 1 or not _is_name(outline, first) for first, end in names):
        return None
    columns = [outline.tokens[first].text for first, _ in names]
    if not _are_plain(columns, vendor):
        return None
    if outline.text(close + 1) == "select":
        return _unnested(outline, close + 1, columns)
    if outline.text(close + 1) != "values":
        return None
    rows: list[tuple[tuple[str, Value | None], ...]] = []
    at = close + 2
    while outline.text(at) == "(":
        end = outline.closing(at)
        values = [_value(outline, *part) for part in outline.split(at + 1, end, ",")]
        if len(values) != len(columns) or len(rows) == MAX_ROWS_OF_A_TEXT:
            return None
        rows.append(tuple(zip(columns, values, strict=True)))
        at = end + 1
        if outline.text(at) != ",":
            return Written(tuple(rows), returning=_returning(outline, at, target))
        at += 1
    return None


def _returning(outline: Outline, begin: int, target: int) -> tuple[str, ...]:
    """The columns of ``RETURNING "t"."a", b``, where that is the end of the text."""
    table = outline.tokens[target].text
    if outline.text(begin) != "returning":
        return ()
    columns = []
    for first, end in outline.split(begin + 1, len(outline), ","):
        if end - first == 3 and outline.text(first + 1) == ".":
            if outline.tokens[first].text != table:
                return ()
            first += 2
        if end - first != 1 or not _is_name(outline, first):
            return ()
        columns.append(outline.tokens[first].text)
    return tuple(columns)


def _unnested(outline: Outline, at: int, columns: list[str]) -> Written | None:
    """``SELECT * FROM UNNEST((%s)::bigint[], …)``, as Django's bulk_create on PostgreSQL."""
    if [outline.text(at + step) for step in range(1, 5)] != ["*", "from", "unnest", "("]:
        return None
    lists = outline.split(at + 5, outline.closing(at + 4), ",")
    if len(lists) != len(columns):
        return None
    given = tuple(
        (column, _cast(outline, *part)) for column, part in zip(columns, lists, strict=True)
    )
    return Written((given,), is_lists=True)


def _cast(outline: Outline, begin: int, end: int) -> int | None:
    """The placeholder of ``(%s)::type[]``."""
    if end - begin > 3 and [outline.text(begin + step) for step in (0, 2, 3)] == ["(", ")", ":"]:
        return _placeholder(outline.tokens[begin + 1])
    return None


def _are_plain(columns: Sequence[str], vendor: str) -> bool:
    """Whether each is one column, and no other name of one."""
    if len(set(columns)) != len(columns):
        return False  # SQLite takes the first of them, or the last
    return vendor != "sqlite" or _ROWID.isdisjoint(columns)


def _is_name(outline: Outline, at: int) -> bool:
    return outline.tokens[at].kind in (WORD, NAME)


def _placeholder(token: Token) -> int | None:
    return token.number if token.kind == PARAM and token.number >= 0 else None


def _value(outline: Outline, begin: int, end: int) -> Value | None:
    if end - begin != 1:
        return None
    token = outline.tokens[begin]
    if token.kind == NUMBER and token.text.isdecimal() and len(token.text) < 19:
        return Constant(int(token.text))
    if token.kind == WORD and token.text in _CONSTANTS:
        return Constant(_CONSTANTS[token.text])
    return _placeholder(token)


def _held(outline: Outline, begin: int, end: int, depth: int) -> list[Condition]:
    """The conditions that must all hold; none where it cannot be told."""
    begin, end = outline.unwrapped(begin, end)
    if depth > _MAX_DEPTH or begin >= end:
        return []
    if outline.find(begin, end, _OR_XOR) < end:
        branches = outline.split(begin, end, "or")
        if len(branches) == 1 or len(branches) > MAX_VALUES:
            return []
        return _common([_held(outline, *branch, depth + 1) for branch in branches])
    parts = outline.split(begin, end, "and")
    if len(parts) == 1:
        return _condition(outline, begin, end)
    found: list[Condition] = []
    is_in_between = False  # whose AND is no conjunction
    for first, last in parts:
        if outline.find(first, last, _BETWEEN) < last:
            if is_in_between:
                return []
            is_in_between = True
        elif is_in_between:
            is_in_between = False
        else:
            found += _held(outline, first, last, depth + 1)
    return found


_BETWEEN = frozenset({"between"})


def _common(branches: Sequence[Sequence[Condition]]) -> list[Condition]:
    """What holds in each of some branches: the columns of all, with the values of any."""
    found: dict[tuple[str, str], tuple[Value, ...]] = {}
    for number, branch in enumerate(branches):
        first: dict[tuple[str, str], tuple[Value, ...]] = {}
        for condition in branch:
            first.setdefault((condition.qualifier, condition.column), condition.values)
        if number == 0:
            found = first
        else:
            found = {place: found[place] + first[place] for place in found if place in first}
    return [
        Condition(qualifier, column, values)
        for (qualifier, column), values in found.items()
        if len(values) <= MAX_VALUES
    ]


def _condition(outline: Outline, begin: int, end: int) -> list[Condition]:
    # A bare column that is a truth, or NOT before it.
    is_not = outline.text(begin) == "not"
    qualifier, at = "", begin + is_not
    if end - at > 2 and outline.text(at + 1) == "." and _is_name(outline, at):
        qualifier, at = outline.tokens[at].text, at + 2
    if at >= end or not _is_name(outline, at):
        return []
    column, rest = outline.tokens[at].text, end - at
    if rest == 1:
        return [Condition(qualifier, column, (Constant(not is_not),))]
    if is_not:
        return []
    if outline.text(at + 1) == "=":
        parts = [(at + 2, end)]
    elif outline.text(at + 1) == "in" and outline.closing(at + 2) == end - 1:
        parts = outline.split(at + 3, end - 1, ",")
    else:
        return []
    if len(parts) > MAX_VALUES:
        return []
    values = [_value(outline, *part) for part in parts]
    known = tuple(value for value in values if value is not None)
    return [Condition(qualifier, column, known)] if len(known) == len(values) else []
