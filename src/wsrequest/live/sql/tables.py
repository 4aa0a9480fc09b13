"""Finds which relations a statement reads and changes, by name.

It walks over the tokens of one statement. It tracks the scopes that parentheses open, the names
after FROM, JOIN and commas, and common table expressions. It also finds the targets of INSERT,
UPDATE, DELETE and MERGE, wherever they stand. It knows no table: the analyzer compares the names.
Pure.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from wsrequest.live.sql.tokenizer import DOT, NAME, OPEN, SIGN, WORD, Token

__all__ = ["DML", "Relation", "Target", "Walk", "called_in", "name_at", "schema_at", "walk"]

DML = frozenset({"insert", "update", "delete", "merge", "replace"})
_QUERIES = DML | {"select", "values", "table"}
_STARTS = _QUERIES | {"with"}
_ENDS_OF_FROM = frozenset(
    "where group having order limit offset fetch window union intersect except minus returning "
    "set connect qualify".split()
)
_SET_OPERATIONS = frozenset({"union", "intersect", "except", "minus"})
_AFTER_FOR = frozenset({"update", "no", "share", "key", "read", "browse", "xml", "json"})
# What may stand between a verb and the name that it changes.
_BEFORE_TARGET = frozenset(
    "into from only or ignore replace rollback abort fail low_priority high_priority delayed "
    "quick overwrite".split()
)
# What may follow a relation and is not an alias.
_NO_ALIAS = _ENDS_OF_FROM | frozenset(
    "as on using join inner left right full outer cross natural straight_join tablesample for with "
    "use force ignore partition when then default values select indexed not apply and or".split()
)
# Functions that make their rows from their arguments alone.
_PURE_FUNCTIONS = frozenset(
    "generate_series unnest json_each json_tree jsonb_each jsonb_tree json_array_elements "
    "json_array_elements_text jsonb_array_elements jsonb_array_elements_text json_each_text "
    "jsonb_each_text json_object_keys jsonb_object_keys json_to_record json_to_recordset "
    "jsonb_to_record jsonb_to_recordset jsonb_path_query json_table regexp_matches "
    "regexp_split_to_table string_to_table generate_subscripts".split()
)


@dataclass(frozen=True, slots=True)
class Relation:
    """One use of a relation.

    Attributes:
        name: folded, without the schema.
        alias: what qualifies its columns. The name if it has no alias.
        is_outermost: it stands outside of parentheses, so that a WHERE outside of them applies to
            it.
        at: the token that names it.
        schema: before the name, or "".
        renames: a list of new names for its columns follows.
    """

    name: str
    alias: str
    is_outermost: bool
    at: int
    schema: str = ""
    renames: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What a verb changes.

    Attributes:
        verb: folded.
        name: folded. None if it is not plain.
        schema: before the name, or "".
        at: the token that names it, or -1.
    """

    verb: str
    name: str | None
    schema: str = ""
    at: int = -1


@dataclass(slots=True)
class _Scope:
    """The content of one pair of parentheses, or the whole statement."""

    first: str | None = None
    verb: str | None = None
    is_in_from: bool = False
    expects_relation: bool = False
    candidate: str = ""
    defines: str = ""
    is_recursive: bool = False
    is_relation: bool = False
    named: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Walk:
    """The result of a walk.

    Attributes:
        verb: the first one, or "" if nothing reads or writes.
        relations: everything that is read from, in order.
        reads_unknown: rows come from something that is not a single name.
        targets: what is changed.
        aliases: names of row sources that are not tables: queries in FROM, and functions.
        wheres: the positions of each WHERE outside of parentheses.
        has_set_operation: UNION or similar stands outside of parentheses.
    """

    verb: str = ""
    relations: list[Relation] = field(default_factory=list)
    reads_unknown: bool = False
    targets: list[Target] = field(default_factory=list)
    aliases: set[str] = field(default_factory=set)
    wheres: list[int] = field(default_factory=list)
    has_set_operation: bool = False


def name_at(tokens: Sequence[Token], at: int) -> int | None:
    """Return where the last part of a qualified name that begins at ``at`` stands."""
    if at >= len(tokens) or tokens[at].kind not in (WORD, NAME):
        return None
    while at + 2 < len(tokens) and tokens[at + 1] == DOT and tokens[at + 2].kind in (WORD, NAME):
        at += 2
    return at


def schema_at(tokens: Sequence[Token], begin: int, last: int) -> str:
    """Return what qualifies the name that begins at ``begin``, or ""."""
    return tokens[last - 2].name if last > begin else ""


def called_in(tokens: Sequence[Token]) -> set[str]:
    """Return the names that an opening parenthesis follows."""
    return {
        token.text
        for token, after in zip(tokens, tokens[1:], strict=False)
        if after == OPEN and token.kind in (WORD, NAME)
    }


def walk(tokens: Sequence[Token]) -> Walk:
    """Walk over one statement, which holds no semicolon."""
    return _Walker(tokens).run()


class _Walker:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._scopes = [_Scope()]
        self._visible: Counter[str] = Counter()  # common table expressions, by open scopes
        self._function = -1  # the parenthesis of one that is read from
        self._targets: set[int] = set()
        self._found = Walk()

    def run(self) -> Walk:
        skip_to = 0
        for at, token in enumerate(self._tokens):
            if at < skip_to:
                continue
            scope = self._scopes[-1]
            if token.kind == SIGN and token.text in "()":
                if token.text == "(":
                    self._open(at, scope)
                elif len(self._scopes) > 1:
                    self._close(at)
                continue
            if scope.first is None:
                scope.first = token.text if token.kind == WORD else ""
                scope.is_recursive = scope.first == "with" and self._text(at + 1) == "recursive"
                if scope.first in _QUERIES and not self._is_function(at):
                    self._begin(at, scope)
                    continue
            if scope.expects_relation:
                skip_to = self._relation(at, scope)
            elif token.kind == WORD:
                if self._text(at - 1) != ".":  # PostgreSQL accepts any word as a name there
                    self._word(at, scope)
            elif token.kind == SIGN:
                scope.expects_relation = token.text == "," and scope.is_in_from
            elif scope.first == "with" and scope.verb is None:
                scope.candidate = token.text
        return self._found

    def _text(self, at: int) -> str:
        """Return the bare word or sign at this position, or "" for anything else."""
        if not 0 <= at < len(self._tokens):
            return ""
        token = self._tokens[at]
        return token.text if token.kind in (WORD, SIGN) else ""

    def _is_function(self, at: int) -> bool:
        """Whether this is REPLACE("a"."b", …), or MySQL's INSERT(…)."""
        return self._text(at) in ("replace", "insert") and self._text(at + 1) == "("

    def _open(self, at: int, scope: _Scope) -> None:
        inner = _Scope()
        if scope.first is None:
            scope.first = "("
        if scope.expects_relation:
            scope.expects_relation = False
            inner.expects_relation = inner.is_in_from = self._text(at + 1) not in _STARTS
            inner.is_relation = True
        if scope.first == "with" and self._text(at - 1) in ("as", "materialized"):
            inner.defines = scope.candidate
            if scope.is_recursive:
                self._define(scope.candidate)
        inner.is_relation |= at == self._function
        self._scopes.append(inner)

    def _close(self, at: int) -> None:
        scope = self._scopes.pop()
        self._visible.subtract(scope.named)
        if scope.defines:
            # Not before this point: a name that hides a table may be defined from that table.
            self._define(scope.defines)
        if scope.is_relation:
            self._found.aliases.add(self._alias(at + 1)[0])

    def _alias(self, after: int) -> tuple[str, int]:
        """Return the alias of what stands before, or "", and the token that follows."""
        if self._text(after) == "as":
            after += 1
        if after < len(self._tokens):
            token = self._tokens[after]
            if token.kind == NAME or (token.kind == WORD and token.text not in _NO_ALIAS):
                return token.text, after + 1
        return "", after

    def _define(self, name: str) -> None:
        """From here to the end of this scope, the name is a common table expression."""
        self._scopes[-1].named.append(name)
        self._visible[name] += 1

    def _begin(self, at: int, scope: _Scope) -> None:
        """Start a query at this verb: the scope is one from here on."""
        verb = self._tokens[at].text
        scope.verb = verb
        self._found.verb = self._found.verb or verb
        scope.expects_relation = verb == "table"
        scope.is_in_from = verb == "update"  # MySQL takes several tables there
        if verb in DML:
            target = at + 1
            while self._text(target) in _BEFORE_TARGET:
                target += 1
            last = name_at(self._tokens, target)
            if last is None:
                self._found.targets.append(Target(verb, None))
                return
            self._targets.add(last)
            schema = schema_at(self._tokens, target, last)
            self._found.targets.append(Target(verb, self._tokens[last].text, schema, last))

    def _word(self, at: int, scope: _Scope) -> None:
        word = self._tokens[at].text
        if scope.verb is None:
            if scope.first == "with":
                if word in _QUERIES and self._text(at + 1) != "as":
                    self._begin(at, scope)
                elif word not in ("recursive", "as", "not", "materialized"):
                    scope.candidate = word
            elif word == "join":  # FROM (a JOIN b ON …)
                scope.expects_relation = scope.is_in_from = True
            elif scope.first == "(" and word in _SET_OPERATIONS and len(self._scopes) == 1:
                self._found.has_set_operation = True
            elif scope.first == "(" and word in ("select", "values", "table"):
                self._begin(at, scope)
        elif word == "from":
            # x IS DISTINCT FROM y
            if not (self._text(at - 1) == "distinct" and self._text(at - 2) in ("is", "not")):
                scope.expects_relation = scope.is_in_from = True
        elif word in ("join", "apply") or (word == "straight_join" and scope.is_in_from):
            scope.expects_relation = True
        elif word == "using" and scope.verb in ("delete", "merge"):
            scope.expects_relation = scope.is_in_from = True
        elif word in _ENDS_OF_FROM or (word == "for" and self._text(at + 1) in _AFTER_FOR):
            scope.is_in_from = False
            if len(self._scopes) == 1:
                if word == "where":
                    self._found.wheres.append(at)
                elif word in _SET_OPERATIONS:
                    self._found.has_set_operation = True

    def _relation(self, at: int, scope: _Scope) -> int:
        """Record what stands where a relation is expected, and return the next token to read."""
        if self._text(at) in ("lateral", "only"):
            return at + 1
        scope.expects_relation = False
        last = name_at(self._tokens, at)
        if last is None:
            self._found.reads_unknown = True
            return at + 1
        name = self._tokens[last].text
        if self._text(last + 1) == "(":
            self._found.reads_unknown |= name not in _PURE_FUNCTIONS
            self._found.aliases.add(name)
            self._function = last + 1
            return last + 1
        after = last + 1
        if self._text(after) == "*":  # PostgreSQL: with its children
            after += 1
        alias, after = self._alias(after)
        schema = schema_at(self._tokens, at, last)
        if (schema or not self._visible[name]) and last not in self._targets:
            is_outermost, renames = len(self._scopes) == 1, self._text(after) == "("
            relation = Relation(name, alias or name, is_outermost, last, schema, renames)
            self._found.relations.append(relation)
        else:
            self._found.aliases.add(alias or name)
        return after
