"""Reads from MySQL or MariaDB what the models need not know about its tables.

It queries ``information_schema``: engines, actions of foreign keys, and the names in triggers, in
the procedures that they call, and in views. What the user of the database may not see counts as
anything, as far as it can be noticed. Rows are not told apart on MySQL, so columns do not matter.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wsrequest.live.sql.tables import name_at
from wsrequest.live.sql.tokenizer import NAME, WORD, Token, Unparsable, tokenize

if TYPE_CHECKING:
    from wsrequest.live.tracking.catalog import Draft

__all__ = ["fill"]

_TABLES = """
    SELECT table_name, engine FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type <> 'VIEW'"""
_TRANSACTIONAL = "SELECT engine FROM information_schema.engines WHERE transactions = 'YES'"
_REFERENCES = """
    SELECT referenced_table_name, table_name, delete_rule, update_rule
    FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE()"""
_TRIGGERS = """
    SELECT event_object_table, action_statement
    FROM information_schema.triggers WHERE trigger_schema = DATABASE()"""
_ROUTINES = """
    SELECT routine_name, routine_definition
    FROM information_schema.routines WHERE routine_schema = DATABASE()"""
_VIEWS = """
    SELECT table_name, view_definition
    FROM information_schema.views WHERE table_schema = DATABASE()"""
_ACTIONS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


def fill(draft: "Draft", query: Callable[[str], Iterable[Sequence[Any]]]) -> None:
    """Add what a database says.

    Args:
        draft: of its catalog.
        query: runs a text and returns its rows.
    """
    tables = list(query(_TABLES))
    transactional = {engine for (engine,) in query(_TRANSACTIONAL)}
    for table, engine in tables:
        draft.column(table, "", "")
        if engine not in transactional:
            draft.writes_at_once(table)
    # A MERGE table shows the rows of others. Which ones, only its definition tells.
    for merged in [table for table, engine in tables if engine == "MRG_MyISAM"]:
        for table, engine in tables:
            if engine == "MyISAM":
                draft.part(merged, table)
    for parent, child, on_delete, on_update in query(_REFERENCES):
        draft.reference(parent, child, on_delete in _ACTIONS, on_update in _ACTIONS, None)
    triggers = list(query(_TRIGGERS))
    routines = query(_ROUTINES) if triggers else ()
    tokens = {name.casefold(): _tokens(text) for name, text in routines}
    for table, text in triggers:
        draft.trigger(table, _words(_tokens(text), tokens))
    for view, text in query(_VIEWS):
        found = _tokens(text)
        names = [each.text for each in found] if found else [name.casefold() for name, _ in tables]
        draft.view(view, names)


def _tokens(text: str | None) -> list[Token] | None:
    """Return the words and names of a text. None if they are hidden or cannot be determined."""
    try:
        return [each for each in tokenize(text or "", "mysql") if text] or None
    except Unparsable:
        return None


def _words(
    begin: list[Token] | None, routines: Mapping[str, list[Token] | None]
) -> set[str] | None:
    """Return all names in a text and in what it calls. None if one of these texts is unknown."""
    names: set[str] = set()
    seen: set[str] = set()
    waiting = [begin]
    while waiting:
        tokens = waiting.pop()
        if tokens is None:
            return None
        found = {each.text for each in tokens if each.kind in (WORD, NAME)}
        called = found & routines.keys()
        if "execute" in found or not _called(tokens) <= called:
            return None
        names |= found
        waiting += [routines[name] for name in called - seen]
        seen |= called
    return names


def _called(tokens: Sequence[Token]) -> set[str]:
    """Return the names of the procedures in a text."""
    ends = (
        name_at(tokens, at + 1)
        for at, token in enumerate(tokens)
        if token.kind == WORD and token.text == "call"
    )
    return {tokens[at].text for at in ends if at is not None}
