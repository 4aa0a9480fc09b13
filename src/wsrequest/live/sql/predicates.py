"""Finds which rows a statement reads or writes, where its text says so for certain.

It collects the columns that a WHERE restricts to given values, and the columns that INSERT and
UPDATE set. A restriction counts only in these forms: ``"table"."column" = %s``, ``IN (%s, …)``, or
a bare column for a truth value. It must stand in a conjunction outside of parentheses, or in every
branch of an OR. It is believed only for one statement, with one use of the table, and for columns
that the database compares as Python does. Anything else makes the result less narrow, never wrong.
Pure.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wsrequest.live.sql.outline import Outline
from wsrequest.live.sql.tables import Walk
from wsrequest.live.sql.tokenizer import DOT, NAME, NUMBER, PARAM, WORD, Token

__all__ = [
    "MAX_ROWS_OF_A_TEXT",
    "MAX_VALUES",
    "Condition",
    "Constant",
    "Kinds",
    "Narrowed",
    "Value",
    "Written",
    "narrowed",
    "written",
]

# A longer text counts as about any rows: remembering each row would cost more than it saves.
MAX_ROWS_OF_A_TEXT = 48
MAX_VALUES = 100

_MAX_DEPTH = 32  # of conjunctions in alternatives in conjunctions
_ENDS_OF_WHERE = frozenset(
    "group having order limit offset fetch for window union intersect except minus "
    "returning".split()
)
_SET, _OR_XOR, _BETWEEN = frozenset({"set"}), frozenset({"or", "xor"}), frozenset({"between"})
# SQLite's other names of a whole number that is the key, whatever its column is called.
_ROWID = frozenset({"rowid", "oid", "_rowid_"})
_CONSTANTS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is written in the text: a whole number, a truth value, or None for NULL."""

    value: int | bool | None


Value = int | Constant
"""The number of the placeholder that holds a value, or the value itself."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A column that is restricted to one of some values.

    Attributes:
        qualifier: of the column, as written and folded. "" without one.
        column: folded.
        values: the values that it may have.
    """

    qualifier: str
    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What a statement writes into the rows of one table.

    Attributes:
        rows: for each row, the columns with their values. None for a value that the database
            computes.
        found: for UPDATE and DELETE, what holds for the rows before the change.
        is_lists: each placeholder holds a list, one for each column, as UNNEST takes them.
        returning: the columns that RETURNING gives back, in order. () if that is not plain.
    """

    rows: tuple[tuple[tuple[str, Value | None], ...], ...] = ()
    found: tuple[Condition, ...] = ()
    is_lists: bool = False
    returning: tuple[str, ...] = ()


Kinds = Mapping[str, Mapping[str, str]]
"""For each table, its comparable columns with the kind of their values. See ``Names.kinds``."""

Narrowed = tuple[tuple[str, tuple[Condition, ...]], ...]
"""Tables, with the conditions that hold for all rows that were read of them."""


def narrowed(tokens: Sequence[Token], structure: Walk, kinds: Kinds) -> Narrowed:
    """Return the tables that one SELECT reads once, outside of parentheses, with their conditions.

    This is sound with outer joins: the WHERE is applied after them, so that no row without a value
    passes.
    """
    if not _is_plain(tokens, structure) or len(structure.wheres) != 1:
        return ()
    given = _conditions(Outline(tokens), structure.wheres[0])
    if not given:
        return ()
    outermost = [relation for relation in structure.relations if relation.is_outermost]
    aliases = Counter(relation.alias for relation in outermost)
    aliases.update(structure.aliases)
    uses = Counter(relation.name for relation in structure.relations)
    mentions = _mentions(tokens)
    result = []
    for relation in outermost:
        columns = kinds.get(relation.name, {})
        own = tuple(
            condition
            for condition in given
            if condition.qualifier == relation.alias and condition.column in columns
        )
        is_only_use = uses[relation.name] == mentions[relation.name] == 1
        if own and is_only_use and aliases[relation.alias] == 1 and not relation.renames:
            result.append((relation.name, own))
    return tuple(result)


def written(tokens: Sequence[Token], structure: Walk, kinds: Kinds, vendor: str) -> Written | None:
    """Return what an INSERT, UPDATE or DELETE of one table writes, or None for any rows."""
    if not _is_plain(tokens, structure) or len(structure.targets) != 1:
        return None
    target = structure.targets[0]
    verb, table = target.verb, target.name
    if verb != structure.verb or not _begins_with(tokens, verb) or table is None:
        return None
    if verb == "insert":
        return _inserted(Outline(tokens), target.at, vendor)
    words = {token.text for token in tokens if token.kind == WORD}
    if verb not in ("update", "delete") or structure.relations or len(structure.wheres) != 1:
        return None
    if "replace" in words:  # UPDATE OR REPLACE removes other rows
        return None
    columns, outline = kinds.get(table, {}), Outline(tokens)
    held = tuple(
        condition
        for condition in _conditions(outline, structure.wheres[0])
        if condition.qualifier in ("", table) and condition.column in columns
    )
    if not held or verb == "delete":
        return Written(found=held) if held else None
    given = _updated(outline, structure.wheres[0], vendor)
    return None if given is None else Written((given,), held)


def _begins_with(tokens: Sequence[Token], verb: str) -> bool:
    """Whether a verb is the statement's own. After WITH, the outer WHERE may be another's."""
    return tokens[0].kind == WORD and tokens[0].text == verb


def _is_plain(tokens: Sequence[Token], structure: Walk) -> bool:
    by_name = any(token.kind == PARAM and token.number < 0 for token in tokens)
    return not by_name and not structure.has_set_operation


def _mentions(tokens: Sequence[Token]) -> Counter[str]:
    """Count how often each name is mentioned, except where it qualifies a column."""
    return Counter(
        token.text
        for at, token in enumerate(tokens)
        if token.kind in (WORD, NAME) and tokens[at + 1 : at + 2] != [DOT]
    )


def _conditions(outline: Outline, where: int) -> list[Condition]:
    """Return what holds for every row that passes the WHERE at this token."""
    if not outline.is_sure:
        return []
    end = outline.find(where + 1, len(outline), _ENDS_OF_WHERE)
    return _held(outline, where + 1, end, 0)


def _updated(
    outline: Outline, where: int | None, vendor: str
) -> tuple[tuple[str, Value | None], ...] | None:
    """Return the values that SET assigns to columns, or None if it assigns to anything else."""
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


def _inserted(outline: Outline, target: int, vendor: str) -> Written | None:
    """Return the rows of ``INSERT INTO t (a, b) VALUES (…), (…)``, or of its UNNEST form.

    None where other rows may be written, for example by ON CONFLICT DO UPDATE.

    Args:
        outline: of the statement.
        target: the token that names the table.
        vendor: as Django calls the database.
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
    """Return the columns of ``RETURNING "t"."a", b``, if the text ends with it."""
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
    """Read ``SELECT * FROM UNNEST((%s)::bigint[], …)``, which Django's bulk_create uses.

    It does so on PostgreSQL.
    """
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
    """Return the placeholder of ``(%s)::type[]``."""
    if end - begin > 3 and [outline.text(begin + step) for step in (0, 2, 3)] == ["(", ")", ":"]:
        return _placeholder(outline.tokens[begin + 1])
    return None


def _are_plain(columns: Sequence[str], vendor: str) -> bool:
    """Whether each name is one column, and not another name of one."""
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
    """Return the conditions that must all hold, or [] where that is uncertain."""
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
    conditions: list[Condition] = []
    is_in_between = False  # whose AND does not join conditions
    for first, last in parts:
        if outline.find(first, last, _BETWEEN) < last:
            if is_in_between:
                return []
            is_in_between = True
        elif is_in_between:
            is_in_between = False
        else:
            conditions += _held(outline, first, last, depth + 1)
    return conditions


def _common(branches: Sequence[Sequence[Condition]]) -> list[Condition]:
    """Return what holds in every branch: the columns of all of them, with the values of any."""
    common: dict[tuple[str, str], tuple[Value, ...]] = {}
    for number, branch in enumerate(branches):
        first: dict[tuple[str, str], tuple[Value, ...]] = {}
        for condition in branch:
            first.setdefault((condition.qualifier, condition.column), condition.values)
        if number == 0:
            common = first
        else:
            common = {place: common[place] + first[place] for place in common if place in first}
    return [
        Condition(qualifier, column, values)
        for (qualifier, column), values in common.items()
        if len(values) <= MAX_VALUES
    ]


def _condition(outline: Outline, begin: int, end: int) -> list[Condition]:
    # A bare column that is a truth value, or NOT before it.
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
