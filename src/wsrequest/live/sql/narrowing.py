"""Of which rows a statement is, where its text tells for certain.

Owns the decision that a condition or a list of values may be believed: one statement, one use of
the table, columns that the database compares as Python does. Everything else is the whole table.
Pure.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from wsrequest.live.sql.outline import Outline
from wsrequest.live.sql.predicates import Condition, Written, conditions, inserted, updated
from wsrequest.live.sql.tables import Walk
from wsrequest.live.sql.tokenizer import DOT, NAME, PARAM, WORD, Token

__all__ = ["Kinds", "Narrowed", "narrowed", "written"]

Kinds = Mapping[str, Mapping[str, str]]
"""For each table its columns that can be compared, and the kind of their values."""

Narrowed = tuple[tuple[str, tuple[Condition, ...]], ...]
"""Tables, with what holds for all of their rows that were read."""


def narrowed(tokens: Sequence[Token], found: Walk, kinds: Kinds) -> Narrowed:
    """Return the tables that one SELECT reads once, outside of parentheses, with their conditions.

    Sound with outer joins: the WHERE comes after them, so no row that lacks a value passes.
    """
    if not _is_plain(tokens, found) or len(found.wheres) != 1:
        return ()
    given = conditions(Outline(tokens), found.wheres[0])
    if not given:
        return ()
    outermost = [relation for relation in found.relations if relation.is_outermost]
    aliases = Counter(relation.alias for relation in outermost)
    aliases.update(found.aliases)
    uses = Counter(relation.name for relation in found.relations)
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


def written(tokens: Sequence[Token], found: Walk, kinds: Kinds, vendor: str) -> Written | None:
    """Return what an INSERT, UPDATE or DELETE of one table writes; None for any rows of it."""
    if not _is_plain(tokens, found) or len(found.targets) != 1:
        return None
    target = found.targets[0]
    verb, table = target.verb, target.name
    if verb != found.verb or not _begins_with(tokens, verb) or table is None:
        return None
    if verb == "insert":
        return inserted(Outline(tokens), target.at, vendor)
    words = {token.text for token in tokens if token.kind == WORD}
    if verb not in ("update", "delete") or found.relations or len(found.wheres) != 1:
        return None
    if "replace" in words:  # UPDATE OR REPLACE takes other rows away
        return None
    columns, outline = kinds.get(table, {}), Outline(tokens)
    held = tuple(
        condition
        for condition in conditions(outline, found.wheres[0])
        if condition.qualifier in ("", table) and condition.column in columns
    )
    if not held or verb == "delete":
        return Written(found=held) if held else None
    given = updated(outline, found.wheres[0], vendor)
    return None if given is None else Written((given,), held)


def _begins_with(tokens: Sequence[Token], verb: str) -> bool:
    """Whether a verb is the statement's own; behind WITH, the WHERE outside may be another's."""
    return tokens[0].kind == WORD and tokens[0].text == verb


def _is_plain(tokens: Sequence[Token], found: Walk) -> bool:
    by_name = any(token.kind == PARAM and token.number < 0 for token in tokens)
    return not by_name and not found.has_set_operation


def _mentions(tokens: Sequence[Token]) -> Counter[str]:
    """How often each name is mentioned, but for where it qualifies a column."""
    return Counter(
        token.text
        for at, token in enumerate(tokens)
        if token.kind in (WORD, NAME) and tokens[at + 1 : at + 2] != [DOT]
    )
