"""SQL text -> which tables it writes, which it reads, and of which rows.

Owns the verbs, and the comparison of names with those of the project: whole and folded. What it
cannot tell is None, which means any table of the database. Texts repeat, so each is parsed once.
A function that writes is known only when it is named in ``Names.functions``. Pure, but for the
memory of the texts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from wsrequest.live.conditions import Written
from wsrequest.live.narrowing import Kinds, Narrowed, narrowed, written
from wsrequest.live.relations import DML, Walk, name_at, walk
from wsrequest.live.tokens import NAME, SIGN, WORD, Token, Unparsable, tokenize

__all__ = ["ANYTHING", "NOTHING", "Names", "Statement", "Tables", "parse"]

Tables = frozenset[str] | None
"""Folded names of tables; None for any table of the database."""

# A text of bulk_create is long and seldom comes again; a thousand of the others are some MB.
MAX_REMEMBERED_CHARACTERS = 8192
MAX_REMEMBERED_TEXTS = 1024

# Vendors whose UPDATE and DELETE change one table, and whose comparisons are known.
_PLAIN_VENDORS = frozenset({"sqlite", "postgresql"})
_QUERIES = frozenset({"select", "values", "table", "with", "declare"})
_SCHEMA = frozenset({"create", "alter", "drop", "rename", "refresh", "load"})
_QUIET = frozenset(
    "pragma savepoint release set reset show use begin start commit end rollback abort explain "
    "describe desc analyze vacuum reindex checkpoint discard listen notify unlisten lock unlock "
    "grant revoke comment attach detach deallocate prepare close cluster".split()
)


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """What the project calls its tables.

    Attributes:
        tables: folded names of all tables and views that can be told apart.
        kinds: for each table its columns that the database compares as Python does, and the kind
            of their values: "int", "key" (a whole number that may make itself), "uuid", "text".
        functions: functions that write, with the tables that they write.
    """

    tables: frozenset[str]
    kinds: Kinds = field(default_factory=dict)
    functions: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """What one text does.

    Attributes:
        verb: of its first statement, folded; "" where there is none.
        writes: tables that it may change.
        reads: tables that its outcome depends on.
        deletes: it may take rows away.
        cascades: it asks the database to go on to the tables that refer to those it empties.
        returns_rows: it writes and has rows to fetch.
        narrowed: tables of which it reads only rows for which these conditions hold.
        written: what it writes into the rows of the one table in ``writes``, where that is known.
        placeholders: how many parameters it takes by position.
        begins: what it does last to a transaction: "begin", "commit", "rollback"; "" for nothing.
        commits: it commits, whatever it does after that.
    """

    verb: str
    writes: Tables = frozenset()
    reads: Tables = frozenset()
    deletes: bool = False
    cascades: bool = False
    returns_rows: bool = False
    narrowed: Narrowed = ()
    written: Written | None = None
    placeholders: int = 0
    begins: str = ""
    commits: bool = False


NOTHING = Statement("")
ANYTHING = Statement("", None, None, deletes=True, cascades=True, returns_rows=True)


def parse(sql: str, vendor: str, names: Names) -> Statement:
    """Return what a text does.

    Args:
        sql: one or more statements, with placeholders as Django's cursors take them.
        vendor: as Django calls the database.
        names: the same object each time, until the project's tables change.
    """
    if len(sql) > MAX_REMEMBERED_CHARACTERS:
        return _parse(sql, vendor, names)
    return _remembered(sql, vendor, names)


def _parse(sql: str, vendor: str, names: Names) -> Statement:
    try:
        tokens = tokenize(sql, vendor)
    except Unparsable:
        return ANYTHING
    found = [_classify(part, vendor, names) for part in _statements(tokens)]
    if not found:
        return NOTHING
    return found[0] if len(found) == 1 else _union(found)


_remembered = lru_cache(MAX_REMEMBERED_TEXTS)(_parse)


def _statements(tokens: Sequence[Token]) -> list[list[Token]]:
    """The statements between semicolons; one inside of parentheses is none of ours."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token == (SIGN, ";", -1):
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def _union(found: Sequence[Statement]) -> Statement:
    return Statement(
        found[0].verb,
        _joined([each.writes for each in found]),
        _joined([each.reads for each in found]),
        deletes=any(each.deletes for each in found),
        cascades=any(each.cascades for each in found),
        returns_rows=any(each.returns_rows for each in found),
        begins=next((each.begins for each in reversed(found) if each.begins), ""),
        commits=any(each.commits for each in found),
    )


def _joined(tables: Collection[Tables]) -> Tables:
    known = [each for each in tables if each is not None]
    return frozenset().union(*known) if len(known) == len(tables) else None


def _classify(tokens: list[Token], vendor: str, names: Names) -> Statement:
    verb = next((token.text for token in tokens if token != (SIGN, "(", -1)), "")
    words = {token.text for token in tokens if token.kind == WORD}
    if verb == "explain" and words & {"analyze", "analyse"}:
        begin = next((at for at, token in enumerate(tokens) if token.text in _EXPLAINED), 0)
        return _classify(tokens[begin:], vendor, names) if begin else ANYTHING
    if verb == "begin" and vendor == "oracle":  # a block of PL/SQL
        return ANYTHING
    if verb in ("commit", "rollback") and "prepared" in words:  # what another connection wrote
        return ANYTHING
    mentioned = (
        frozenset(token.text for token in tokens if token.kind in (WORD, NAME)) & names.tables
    )
    if verb in _QUIET:
        begins = _TRANSACTIONS.get(verb, "") if "to" not in words else ""
        return Statement(verb, begins=begins, commits=begins == "commit")
    if verb in _SCHEMA:
        return Statement(verb, mentioned or None, mentioned, deletes=True, cascades=True)
    if verb == "truncate":
        return _truncate(tokens, names, "cascade" in words)
    if verb == "copy":
        return _copy(tokens, vendor, names, mentioned)
    if verb in _QUERIES or verb in DML:
        return _query(tokens, verb, vendor, names, mentioned)
    return ANYTHING


_TRANSACTIONS = {
    "begin": "begin",
    "start": "begin",
    "commit": "commit",
    "end": "commit",
    "rollback": "rollback",
    "abort": "rollback",
}
_EXPLAINED = _QUERIES | DML | {"create", "refresh", "execute", "call"}


def _truncate(tokens: Sequence[Token], names: Names, cascades: bool) -> Statement:
    found: set[str | None] = set()
    expects = True
    for at, token in enumerate(tokens[1:], 1):
        if token == (SIGN, ",", -1):
            expects = True
        elif expects and not (token.kind == WORD and token.text in ("table", "only")):
            last = name_at(tokens, at)
            found.add(None if last is None else tokens[last].text)
            expects = False
    writes = _known(found, names)
    return Statement("truncate", writes, deletes=True, cascades=cascades)


def _known(found: Collection[str | None], names: Names) -> Tables:
    """These tables, or any: an unknown name may be a view of a table, or a table of a view."""
    known = frozenset(name for name in found if name in names.tables)
    return known if len(known) == len(found) and found else None


def _copy(tokens: Sequence[Token], vendor: str, names: Names, mentioned: Tables) -> Statement:
    if len(tokens) > 1 and tokens[1] == (SIGN, "(", -1):
        inner = _query(list(tokens[1:]), "copy", vendor, names, mentioned)
        return Statement("copy", inner.writes, inner.reads, inner.deletes)
    last = name_at(tokens, 1)
    table = _known([None if last is None else tokens[last].text], names)
    direction = next((t.text for t in tokens if t.kind == WORD and t.text in ("from", "to")), "")
    if direction == "to":
        return Statement("copy", reads=table)
    return Statement("copy", table)


def _query(
    tokens: list[Token], verb: str, vendor: str, names: Names, mentioned: Tables
) -> Statement:
    found = walk(tokens)
    writes = _writes(tokens, found, vendor, names, mentioned)
    words = {token.text for token in tokens if token.kind == WORD}
    returns_rows = "returning" in words or "output" in words
    read = {relation.name for relation in found.relations}
    reads: Tables = None
    if not found.reads_unknown and read <= names.tables:
        reads = mentioned or frozenset()
        if writes and found.targets and not (returns_rows and verb != "insert"):
            # How many rows were changed is no answer: a counter would wake all that count.
            reads -= writes - read
    verbs = {each for each, _ in found.targets}
    # Only here it is known which rows are concerned: MySQL's names and comparisons are not.
    is_plain = vendor in _PLAIN_VENDORS
    is_query = is_plain and found.verb == verb == "select" and not found.targets
    is_change = is_plain and writes is not None and len(writes) == 1
    return Statement(
        verb,
        writes,
        reads,
        deletes=bool(verbs - {"insert", "update"}) or (bool(verbs) and "replace" in words),
        returns_rows=returns_rows and writes != frozenset(),
        narrowed=narrowed(tokens, found, names.kinds) if is_query else (),
        written=written(tokens, found, names.kinds) if is_change else None,
        placeholders=sum(token.number >= 0 for token in tokens),
    )


def _writes(
    tokens: Sequence[Token], found: Walk, vendor: str, names: Names, mentioned: Tables
) -> Tables:
    called = [
        names.functions[token.text]
        for token, after in zip(tokens, tokens[1:], strict=False)
        if after == (SIGN, "(", -1) and token.text in names.functions
    ]
    by_functions: frozenset[str] = frozenset().union(*called)
    if not found.targets:
        if any(token == (WORD, "into", -1) for token in tokens):  # SELECT … INTO a new table
            return None
        return by_functions
    known = _known({name for _, name in found.targets}, names)
    if known is None:
        return None
    if vendor not in _PLAIN_VENDORS and mentioned is not None:
        # MySQL changes several tables in one UPDATE or DELETE.
        known |= mentioned
    return known | by_functions
