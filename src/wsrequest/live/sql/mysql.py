"""Knows the statements of MySQL and MariaDB that other databases do not have.

Many of them commit what was written before. The drivers do not report whether a transaction is
open, so each statement that begins or ends one is recognized here. What cannot be recognized
``obscures``: from then on a write may be committed at once or later. Pure.
"""

from collections.abc import Sequence

from wsrequest.live.sql.tokenizer import DOT, WORD, Token

__all__ = ["begin_of_query", "inner", "is_block", "qualifiers", "transaction"]

# mariadb.com/docs, "SQL statements that cause an implicit commit". A statement that is listed here
# and does not commit is published too early and once more at the commit.
_COMMITTING = frozenset(
    "create alter drop rename truncate analyze optimize check repair cache load flush reset lock "
    "grant revoke start install uninstall comment".split()
)
_SETTINGS = frozenset({"autocommit", "completion_type"})
_QUERIES = frozenset({"select", "with", "values", "table"})
_BEFORE_TABLE = frozenset({"table", "local", "no_write_to_binlog"})
_ANALYZED = frozenset({"select", "insert", "replace", "update", "delete", "with", "values", "("})
# Statements that are blocks, or parts of one, in the place where others begin or end a transaction.
_PARTS = frozenset({"end", "abort", "move", "cluster", "discard", "vacuum"})


def is_block(tokens: Sequence[Token], verb: str) -> bool:
    """Return whether a statement is a compound one, or a part of one: its text is not read."""
    if verb == "begin":
        return len(tokens) > 1 and not (len(tokens) == 2 and tokens[1].text == "work")
    return verb in _PARTS


def inner(tokens: Sequence[Token], verb: str) -> int:
    """Return where the statement begins that SET STATEMENT … FOR or ANALYZE runs, or 0."""
    if verb == "set" and len(tokens) > 1 and tokens[1].text == "statement":
        return next((at + 1 for at, token in enumerate(tokens) if token.text == "for"), len(tokens))
    if verb != "analyze" or (len(tokens) > 1 and tokens[1].text in _BEFORE_TABLE):
        return 0
    return next((at for at, token in enumerate(tokens) if token.text in _ANALYZED), len(tokens))


def transaction(tokens: Sequence[Token], verb: str, words: set[str]) -> tuple[str, bool, bool]:
    """Return what a statement does to the transaction, besides its writes.

    Returns:
        What it begins, as in ``Statement.begins``, whether it commits, and whether it obscures
        whether a transaction is open.
    """
    if verb == "unlock":  # commits only if tables were locked
        return "", True, True
    if verb == "set":
        is_odd = any(token.text in _SETTINGS for token in tokens)
        return "", is_odd, is_odd
    if verb in ("begin", "start") and (verb == "begin" or "transaction" in words):
        return "begin", True, False
    if verb in ("commit", "rollback"):
        if "to" in words:
            return "", False, False
        is_chained = "chain" in words and "no" not in words
        return "begin" if is_chained else verb, verb == "commit", False
    if verb in ("create", "drop") and "temporary" in words:
        return "", False, False
    if verb == "load" and words & {"data", "xml"}:
        return "", False, False
    return ("commit", True, False) if verb in _COMMITTING else ("", False, False)


def begin_of_query(tokens: Sequence[Token], after: int) -> int:
    """Return where the query begins that fills the table of CREATE TABLE, or 0 without one."""
    for at in range(after + 1, len(tokens)):
        if tokens[at].kind == WORD and tokens[at].text in _QUERIES:
            return at
    return 0


def qualifiers(tokens: Sequence[Token]) -> frozenset[str]:
    """Return the names before a dot: databases, but also tables and their aliases."""
    pairs = zip(tokens, tokens[1:], strict=False)
    return frozenset(token.text for token, after in pairs if after == DOT and token.text)
