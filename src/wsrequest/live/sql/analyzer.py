"""Finds out which tables a SQL text writes, which it reads, and which of their rows.

It handles each verb, and compares the names in the text with the project's tables, as a whole and
folded. Where it is not certain, the result is ``None``, which means any table of the database. A
function that writes is recognized only if ``Names.functions`` names it or if it is built into the
database (``functions``). Effects on the connection itself are read by ``effects``. Pure.

This is written by hand, and not with sqlglot, because it has to err in one direction. A text that
it cannot read means any table, and where dialects disagree it loses no name. sqlglot also takes two
to three times as long for a statement. ``test_sqlglot.py`` compares the two, and
docs/decisions/2-sql-reader.md has the whole argument.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import takewhile

from wsrequest.live.sql import mysql
from wsrequest.live.sql.effects import FORGET, Effects, made_by_into
from wsrequest.live.sql.functions import READ_BY, READING, SCHEMA, WRITTEN_BY, pragma
from wsrequest.live.sql.predicates import narrowed, written
from wsrequest.live.sql.statement import ANYTHING, NOTHING, Names, Statement, Tables, joined
from wsrequest.live.sql.tables import DML, Relation, Target, Walk, called_in, name_at, walk
from wsrequest.live.sql.tokenizer import (
    COMMA,
    DOT,
    NAME,
    OPEN,
    SIGN,
    TEXT,
    WORD,
    Token,
    Unparsable,
    statements_of,
    tokenize,
)

__all__ = ["parse"]

_NONE: frozenset[str] = frozenset()

# The vendors whose UPDATE and DELETE change one table, and whose comparisons are known.
_PLAIN_VENDORS = frozenset({"sqlite", "postgresql"})
_QUERIES = frozenset({"select", "values", "table", "with", "declare"})
_SCHEMA = frozenset({"create", "alter", "drop", "rename", "refresh", "load"})
_QUIET = frozenset(
    "savepoint release set reset use begin start commit end rollback abort explain "
    "analyze vacuum reindex checkpoint discard listen notify unlisten lock unlock "
    "grant revoke comment attach detach deallocate prepare close move cluster flush optimize "
    "kill help check".split()
)
_COUNTED = frozenset({"insert", "update", "delete"})


def parse(
    sql: str, vendor: str, names: Names, temporary: frozenset[str] = frozenset()
) -> Statement:
    """Return what a text does. Each call parses it again: ``statement_cache`` keeps results.

    Args:
        sql: one or more statements, with placeholders as Django's cursors take them.
        vendor: as Django calls the database.
        names: the project's tables.
        temporary: the exact names of temporary tables of the connection. They hide any other table
            of that name, including a table of the project.
    """
    try:
        tokens = tokenize(sql, vendor)
    except Unparsable:
        return ANYTHING
    reader, statements = _Reader(sql, vendor, names, temporary), []
    for part in statements_of(tokens):
        statements.append(reader.classify(part))
        if statements[-1].effects:  # from here on a name may mean another table
            reader = _Reader(sql, vendor, names, _NONE)
    if not statements:
        return NOTHING
    return statements[0] if len(statements) == 1 else joined(statements)


_TRANSACTIONS = {
    "begin": "begin",
    "start": "begin",
    "commit": "commit",
    "end": "commit",
    "rollback": "rollback",
    "abort": "rollback",
}
_EXPLAINED = _QUERIES | DML | {"create", "refresh", "execute", "call"}


class _Reader:
    """Reads the statements of one text."""

    def __init__(self, sql: str, vendor: str, names: Names, temporary: frozenset[str]) -> None:
        self._sql = sql
        self._vendor, self._names, self._temporary = vendor, names, temporary
        self._effects = Effects(sql, vendor)
        self._verbs: dict[str, Callable[[list[Token], str, set[str]], Statement]] = {
            "truncate": self._truncate,
            "copy": self._copy,
            "pragma": self._pragma,
            "show": self._show,
            "describe": self._show,
            "desc": self._show,
            "fetch": self._fetch,
            "execute": self._execute,
            "handler": self._handler,
            **dict.fromkeys(_QUIET, self._quiet),
            **dict.fromkeys(_SCHEMA, self._schema),
            **dict.fromkeys(_QUERIES | DML, self._query),
        }

    def classify(self, tokens: list[Token]) -> Statement:
        """Return what one statement does."""
        verb = next((token.text for token in tokens if token != OPEN), "")
        words = {token.text for token in tokens if token.kind == WORD}
        if verb == "explain" and words & {"analyze", "analyse"}:
            begin = next((at for at, token in enumerate(tokens) if token.text in _EXPLAINED), 0)
            return self.classify(tokens[begin:]) if begin else ANYTHING
        if verb == "begin" and self._vendor == "oracle":  # a block of PL/SQL
            return ANYTHING
        if verb in ("commit", "rollback") and "prepared" in words:  # what another connection wrote
            return ANYTHING
        if self._vendor == "mysql":
            return self._classify_mysql(tokens, verb, words)
        read = self._verbs.get(verb)
        return ANYTHING if read is None else read(tokens, verb, words)

    def _classify_mysql(self, tokens: list[Token], verb: str, words: set[str]) -> Statement:
        if begin := mysql.inner(tokens, verb):
            return self.classify(tokens[begin:])
        read = self._verbs.get(verb)
        if read is None or mysql.is_block(tokens, verb):
            return ANYTHING
        statement = read(tokens, verb, words)
        begins, commits, obscures = mysql.transaction(tokens, verb, words)
        return replace(
            statement,
            begins=begins,
            commits=commits,
            obscures=obscures or statement.obscures,
            qualifiers=mysql.qualifiers(tokens),
        )

    # Statements about the session, or without rows.

    def _quiet(self, tokens: list[Token], verb: str, words: set[str]) -> Statement:
        name = tokens[1].name if len(tokens) > 1 else ""
        if verb == "prepare" and "transaction" not in words:
            return self._prepare(tokens, name)
        effects = self._effects.of_session(tokens, verb, words)
        if verb == "set" and "select" in words and not effects:  # a variable of MySQL's
            return Statement(verb, reads=self._mentioned(tokens) or None)
        is_part = verb == "rollback" and "to" in words
        begins = "" if is_part else _TRANSACTIONS.get(verb, "")
        return Statement(verb, begins=begins, commits=begins == "commit", effects=effects)

    def _prepare(self, tokens: list[Token], name: str) -> Statement:
        begin = next((at for at, token in enumerate(tokens) if token.text == "as"), 0)
        if not begin or not tokens[begin + 1 :]:
            return Statement("prepare", effects=(("deallocate", name),))  # from a text of MySQL's
        # A temporary table that exists now need not exist when the statement is executed.
        reader = _Reader(self._sql, self._vendor, self._names, _NONE)
        inner = reader.classify(tokens[begin + 1 :])
        # EXECUTE passes its parameters, under their own numbers.
        inner = replace(inner, narrowed=(), written=None, placeholders=0)
        return Statement("prepare", effects=(("prepare", name),), prepared=inner)

    def _execute(self, tokens: list[Token], verb: str, words: set[str]) -> Statement:
        name = tokens[1].name if len(tokens) > 1 else ""
        return replace(ANYTHING, verb=verb, executes=name)

    def _fetch(self, tokens: list[Token], verb: str, words: set[str]) -> Statement:
        # The cursor may come from a function, unless the connection knows it.
        return Statement(verb, reads=None, executes=tokens[-1].name)

    def _pragma(self, tokens: list[Token], verb: str, words: set[str]) -> Statement:
        value = (Token(SIGN, "="), OPEN)
        if any(token.kind == TEXT for token in takewhile(lambda each: each not in value, tokens)):
            return ANYTHING  # SQLite accepts a text as the name
        last = name_at(tokens, 1)
        name = "" if last is None else tokens[last].text
        is_set = last is not None and tokens[last + 1 : last + 2] == [Token(SIGN, "=")]
        writes, reads = pragma(name, is_set)
        # Moving the temporary storage deletes what is in it.
        effects = (FORGET,) if name.startswith("temp_store") else ()
        return Statement(verb, writes, reads, effects=effects)

    def _show(self, tokens: list[Token], verb: str, words: set[str]) -> Statement:
        if self._vendor != "mysql":
            return Statement(verb)
        # Some show how many rows there are, or the next key.
        is_known = words.isdisjoint({"status", "create", "index", "indexes", "keys"})
        return Statement(verb, reads=frozenset({SCHEMA}) if is_known else None)

    def _handler(self, tokens: list[Token], verb: str, words: set[str]) -> Statement:
        last = name_at(tokens, 1)
        return Statement(verb, reads=self._known([None if last is None else tokens[last].text]))

    # Statements about tables.

    def _schema(self, tokens: list[Token], verb: str, words: set[str]) -> Statement:
        private = self._effects.private(tokens, verb, words, self._temporary)
        if private is not None:
            effects, begin = private
            query = self._query(tokens[begin:], "create", words) if begin else NOTHING
            effects = (*query.effects, *effects)
            return replace(query, verb=verb, returns_rows=False, narrowed=(), effects=effects)
        mentioned = self._mentioned(tokens)
        writes = mentioned | {SCHEMA} if mentioned else None
        dropped = self._effects.dropped(tokens) if verb == "drop" else _NONE
        return Statement(
            verb,
            *(writes, mentioned),
            deletes=True,
            cascades=True,
            unqualified=dropped | self._effects.table_of(tokens, verb),
            effects=self._effects.of_schema(tokens, verb, words),
        )

    def _truncate(self, tokens: list[Token], verb: str, words: set[str]) -> Statement:
        tables: set[str | None] = set()
        own: frozenset[str] = _NONE
        expects = True
        for at, token in enumerate(tokens[1:], 1):
            if token == COMMA:
                expects = True
            elif expects and not (token.kind == WORD and token.text in ("table", "only")):
                last = name_at(tokens, at)
                tables.add(self._plain_name(tokens, at, last))
                own |= self._effects.own_name(tokens, at, last)
                expects = False
        writes = self._known(tables)
        return Statement(verb, writes, deletes=True, cascades="cascade" in words, unqualified=own)

    def _copy(self, tokens: list[Token], verb: str, words: set[str]) -> Statement:
        if len(tokens) > 1 and tokens[1] == OPEN:
            inner = self._query(tokens[1:], "copy", words)
            return Statement(
                "copy", inner.writes, inner.reads, inner.deletes, unqualified=inner.unqualified
            )
        last = name_at(tokens, 1)
        table = self._known([self._plain_name(tokens, 1, last)])
        own = self._effects.own_name(tokens, 1, last)
        direction = next(
            (t.text for t in tokens if t.kind == WORD and t.text in ("from", "to")), ""
        )
        if direction == "to":
            return Statement("copy", reads=table, unqualified=own)
        return Statement("copy", table, unqualified=own)

    def _query(self, tokens: list[Token], verb: str, words: set[str]) -> Statement:
        names, vendor = self._names, self._vendor
        structure = walk(tokens)
        mentioned = self._mentioned(tokens)
        called = called_in(tokens)
        # On MySQL, INTO names variables or a file.
        into = None if structure.targets or vendor == "mysql" else made_by_into(tokens)
        if vendor == "mysql" and {"next", "value"} <= words:  # NEXT VALUE FOR a sequence
            called.add("nextval")
        changed = self._changed(tokens, structure)
        read = self._read(tokens, structure)
        verbs = {target.verb for target in structure.targets}
        others = self._changed_beside(verbs, read, mentioned)
        writes = self._writes(changed, others, called, into)
        returns_rows = "returning" in words or "output" in words
        reads: Tables = None
        if not structure.reads_unknown and read <= names.tables and not called & READING:
            reads = mentioned - self._hidden(tokens, structure)
            if writes and structure.targets and not (returns_rows and _shows_old(verb, words)):
                # The number of changed rows is not an answer: a counter would rerun every view that
                # counts.
                reads -= writes - read
            reads = reads.union(*(READ_BY[name] for name in called & READ_BY.keys()))
        # Only these vendors show which rows are concerned: MySQL's names and comparisons are
        # unknown.
        is_plain = vendor in _PLAIN_VENDORS
        is_query = is_plain and structure.verb == verb == "select" and not structure.targets
        is_change = is_plain and writes is not None and len(writes) == 1 and "" not in changed
        return Statement(
            verb,
            writes,
            reads,
            deletes=bool(verbs - {"insert", "update"}) or (bool(verbs) and "replace" in words),
            returns_rows=returns_rows and writes != frozenset(),
            narrowed=narrowed(tokens, structure, names.kinds) if is_query else (),
            written=written(tokens, structure, names.kinds, vendor) if is_change else None,
            counts=is_change and not returns_rows and _counts(structure, verb, writes),
            placeholders=sum(token.stands_for for token in tokens),
            unqualified=self._unqualified(tokens, structure),
            effects=self._effects.of_query(tokens, verb, words, into, called),
        )

    # Names.

    def _mentioned(self, tokens: Sequence[Token]) -> frozenset[str]:
        names = frozenset(token.text for token in tokens if token.kind in (WORD, NAME))
        return names & self._names.tables

    def _plain_name(self, tokens: Sequence[Token], begin: int, last: int | None) -> str | None:
        """The name that ends at ``last``. "" for a temporary table's."""
        if last is None:
            return None
        own = self._effects.own_name(tokens, begin, last)
        return "" if own and own <= self._temporary else tokens[last].text

    def _known(self, tables: Collection[str | None]) -> Tables:
        """Return these tables, or None if a name is unknown.

        An unknown name may be a view of a table, or a table of a view.
        """
        known = frozenset(name for name in tables if name in self._names.tables)
        rest = set(tables) - known - {""}
        return None if rest or not tables else known

    def _is_temporary(self, tokens: Sequence[Token], used: Relation | Target) -> bool:
        return self._effects.may_be_own(used.schema) and (
            used.at >= 0 and tokens[used.at].name in self._temporary
        )

    def _read(self, tokens: Sequence[Token], structure: Walk) -> frozenset[str]:
        return frozenset(
            relation.name
            for relation in structure.relations
            if not self._is_temporary(tokens, relation)
        )

    def _changed(self, tokens: Sequence[Token], structure: Walk) -> set[str | None]:
        """The changed tables: "" for a temporary one, None for one without a plain name."""
        return {
            "" if self._is_temporary(tokens, target) else target.name
            for target in structure.targets
        }

    def _unqualified(self, tokens: Sequence[Token], structure: Walk) -> frozenset[str]:
        used: list[Relation | Target] = [*structure.relations, *structure.targets]
        return frozenset(
            tokens[each.at].name
            for each in used
            if each.at >= 0 and self._effects.may_be_own(each.schema)
        )

    def _hidden(self, tokens: Sequence[Token], structure: Walk) -> frozenset[str]:
        """The project's tables whose names appear, but mean temporary tables."""
        if not self._temporary:
            return _NONE
        uses: list[Relation | Target] = [*structure.relations, *structure.targets]
        hidden = {each.at for each in uses if self._is_temporary(tokens, each)}
        names = {tokens[at].text for at in hidden}
        # Any other use of the name may mean the table, except where it qualifies a column.
        rest = {
            token.text
            for at, token in enumerate(tokens)
            if token.kind in (WORD, NAME)
            and at not in hidden
            and (at + 1 >= len(tokens) or tokens[at + 1] != DOT)
        }
        return frozenset(names - rest)

    def _writes(
        self,
        changed: set[str | None],
        others: Tables,
        called: set[str],
        into: str | None,
    ) -> Tables:
        functions = {**WRITTEN_BY, **self._names.functions}
        by_functions: frozenset[str] = frozenset().union(
            *(functions[name] for name in called & functions.keys())
        )
        if not changed:
            return None if into == "" else by_functions  # SELECT … INTO a new table
        known = self._known(changed)
        return None if known is None or others is None else known | others | by_functions

    def _changed_beside(
        self, verbs: set[str], read: frozenset[str], mentioned: frozenset[str]
    ) -> Tables:
        """Return which tables a statement may change besides those that its verbs name."""
        if self._vendor in _PLAIN_VENDORS:
            return _NONE
        if self._vendor == "mysql":
            if verbs.isdisjoint(("update", "delete")):
                return _NONE
            if not read <= self._names.tables:  # a view, which stands for another table
                return None
        return mentioned


def _counts(structure: Walk, verb: str, writes: Tables) -> bool:
    """Whether the database counts each row that is written."""
    if len(structure.targets) != 1 or verb not in _COUNTED:
        return False
    return structure.targets[0].verb == verb and [*(writes or ())] == [structure.targets[0].name]


def _shows_old(verb: str, words: set[str]) -> bool:
    """Whether the rows that RETURNING gives depend on the rows before the change."""
    return verb != "insert" or bool(words & {"conflict", "duplicate", "or", "old"})
