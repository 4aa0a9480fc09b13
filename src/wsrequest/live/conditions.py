"""Which placeholders of a statement say of what rows it is.

Owns the columns that a WHERE holds to given values, and the columns that INSERT and UPDATE give
values to. Only what is written as ``"table"."column" = %s`` or ``IN (%s, …)`` in a conjunction
outside of parentheses counts; everything else makes the answer less narrow, never wrong. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wsrequest.live.tokens import NAME, PARAM, SIGN, WORD, Token

__all__ = ["Condition", "Written", "conditions", "inserted", "updated"]

_ENDS_OF_WHERE = frozenset(
    "group having order limit offset fetch for window union intersect except minus "
    "returning".split()
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A column that is held to one of some values.

    Attributes:
        qualifier: of the column, as it is written and folded; "" where it has none.
        column: folded.
        numbers: which placeholders hold the values.
    """

    qualifier: str
    column: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What a statement writes into the rows of one table.

    Attributes:
        rows: for each row the columns with the placeholder of their value; None for a value that
            the database makes.
        found: for UPDATE and DELETE, what holds for the rows before.
        is_lists: the placeholders hold one list for each column, as UNNEST takes them.
    """

    rows: tuple[tuple[tuple[str, int | None], ...], ...] = ()
    found: tuple[Condition, ...] = ()
    is_lists: bool = False


def conditions(tokens: Sequence[Token], where: int) -> list[Condition]:
    """Return what holds for every row that passes the WHERE at this token."""
    end = _end(tokens, where + 1)
    return [
        condition
        for part in _conjuncts(tokens[where + 1 : end])
        if (condition := _condition(part)) is not None
    ]


def updated(
    tokens: Sequence[Token], where: int | None
) -> tuple[tuple[str, int | None], ...] | None:
    """Return what SET gives to columns; None where it gives to something that is not one."""
    begin = next((at for at, token in _outside(tokens) if token == (WORD, "set", -1)), None)
    if begin is None:
        return None
    end = len(tokens) if where is None else where
    given: list[tuple[str, int | None]] = []
    for part in _split(tokens[begin + 1 : end], ","):
        if len(part) < 3 or part[0].kind not in (WORD, NAME) or part[1] != (SIGN, "=", -1):
            return None
        given.append((part[0].text, _placeholder(part[2:])))
    return tuple(given)


def inserted(tokens: Sequence[Token], target: int) -> Written | None:
    """Return the rows of ``INSERT INTO t (a, b) VALUES (…), (…)``, or of its UNNEST form.

    Args:
        target: the token that names the table.

    None where other rows may be written, by ON CONFLICT DO UPDATE for one.
    """
    words = {token.text for token in tokens if token.kind == WORD}
    if words & {"replace", "update", "duplicate"} or _text(tokens, target + 1) != "(":
        return None
    close = _closing(tokens, target + 1)
    names = list(_split(tokens[target + 2 : close], ","))
    if any(len(name) != 1 or name[0].kind not in (WORD, NAME) for name in names):
        return None
    columns = [name[0].text for name in names]
    if _text(tokens, close + 1) == "select":
        return _unnested(tokens, close + 1, columns)
    if _text(tokens, close + 1) != "values":
        return None
    rows, at = [], close + 2
    while _text(tokens, at) == "(":
        end = _closing(tokens, at)
        values = [_placeholder(value) for value in _split(tokens[at + 1 : end], ",")]
        if len(values) != len(columns):
            return None
        rows.append(tuple(zip(columns, values, strict=True)))
        at = end + 1
        if _text(tokens, at) != ",":
            break
        at += 1
    return Written(tuple(rows)) if rows else None


def _unnested(tokens: Sequence[Token], at: int, columns: list[str]) -> Written | None:
    """``SELECT * FROM UNNEST((%s)::bigint[], …)``, as Django's bulk_create on PostgreSQL."""
    if [_text(tokens, at + step) for step in range(1, 5)] != ["*", "from", "unnest", "("]:
        return None
    lists = list(_split(tokens[at + 5 : _closing(tokens, at + 4)], ","))
    if len(lists) != len(columns):
        return None
    given = tuple((column, _cast(part)) for column, part in zip(columns, lists, strict=True))
    return Written((given,), is_lists=True)


def _cast(part: Sequence[Token]) -> int | None:
    """The placeholder of ``(%s)::type[]``."""
    if len(part) > 3 and [part[at].text for at in (0, 2, 3)] == ["(", ")", ":"]:
        return _placeholder(part[1:2])
    return None


def _placeholder(part: Sequence[Token]) -> int | None:
    if len(part) == 1 and part[0].kind == PARAM and part[0].number >= 0:
        return part[0].number
    return None


def _text(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].text if at < len(tokens) and tokens[at].kind in (WORD, SIGN) else ""


def _closing(tokens: Sequence[Token], at: int) -> int:
    """Where the parenthesis that opens at ``at`` closes; the end where it does not."""
    depth = 0
    for end in range(at, len(tokens)):
        text = _text(tokens, end)
        depth += (text == "(") - (text == ")")
        if depth == 0:
            return end
    return len(tokens)


def _outside(tokens: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """The tokens in no parentheses and in no CASE … END, and the outermost of those."""
    opened: list[str] = []
    for at, token in enumerate(tokens):
        text = token.text if token.kind in (WORD, SIGN) else ""
        # SQLite takes END for a name where it can be none of CASE.
        if opened and (text, opened[-1]) in ((")", "("), ("end", "case")):
            opened.pop()
        if not opened:
            yield at, token
        if text in ("(", "case"):
            opened.append(text)


def _end(tokens: Sequence[Token], begin: int) -> int:
    for at, token in _outside(tokens[begin:]):
        if token.kind == WORD and token.text in _ENDS_OF_WHERE:
            return begin + at
    return len(tokens)


def _split(tokens: Sequence[Token], by: str) -> Iterator[Sequence[Token]]:
    begin = 0
    for at, token in _outside(tokens):
        if token.kind in (WORD, SIGN) and token.text == by:
            yield tokens[begin:at]
            begin = at + 1
    yield tokens[begin:]


def _conjuncts(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The conditions that must all hold; none where it cannot be told."""
    while _text(tokens, 0) == "(" and _closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    if _words(tokens) & {"or", "xor"}:
        return
    parts = list(_split(tokens, "and"))
    if len(parts) == 1:
        yield tokens
        return
    is_in_between = False  # whose AND is no conjunction
    for part in parts:
        if "between" in _words(part):
            if is_in_between:
                return
            is_in_between = True
        elif is_in_between:
            is_in_between = False
        else:
            yield from _conjuncts(part)


def _words(tokens: Sequence[Token]) -> set[str]:
    return {token.text for _, token in _outside(tokens) if token.kind == WORD}


def _condition(part: Sequence[Token]) -> Condition | None:
    qualifier = ""
    if len(part) > 3 and part[1] == (SIGN, ".", -1) and part[0].kind in (WORD, NAME):
        qualifier, part = part[0].text, part[2:]
    if len(part) < 3 or part[0].kind not in (WORD, NAME):
        return None
    column = part[0].text
    if _text(part, 1) == "=":
        values = [part[2:]]
    elif _text(part, 1) == "in" and _text(part, 2) == "(" and _closing(part, 2) == len(part) - 1:
        values = list(_split(part[3:-1], ","))
    else:
        return None
    numbers = [_placeholder(value) for value in values]
    known = tuple(number for number in numbers if number is not None)
    return Condition(qualifier, column, known) if len(known) == len(numbers) else None
