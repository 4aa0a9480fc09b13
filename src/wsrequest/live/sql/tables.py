"""What a statement does with which relations, by name.

Owns the walk over the tokens of one statement: the scopes that parentheses open, the names after
FROM, JOIN and a comma, common table expressions, and the targets of INSERT, UPDATE, DELETE and
MERGE wherever they stand. Knows no table: live.statements compares. Pure.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from wsrequest.live.sql.tokenizer import DOT, NAME, SIGN, WORD, Token

__all__ = ["DML", "Relation", "Target", "Walk", "name_at", "schema_at", "walk"]

DML = frozenset({"insert", "update", "delete", "merge", "replace"})
_QUERIES = DML | {"select", "values", "table"}
_STARTS = _QUERIES | {"with"}
_ENDS_OF_FROM = frozenset(
    "where group having order limit offset fetch window union intersect except minus returning "
    "set connect qualify".split()
)
_SET_OPERATIONS = frozenset({"union", "intersect", "except", "minus"})
_AFTER_FOR = frozenset({"update", "no", "share", "key", "read", "browse", "xml", "json"})
# What stands between a verb and the name that it changes.
_BEFORE_TARGET = frozenset(
    "into from only or ignore replace rollback abort fail low_priority high_priority delayed "
    "quick overwrite".split()
)
# What follows a relation and is not another name of it.
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
        alias: what its columns are qualified with; the name where it has no other.
        is_outermost: it stands in no parentheses, so a WHERE outside of them is about it.
        at: which token names it.
        schema: that stands before the name, "" where there is none.
        renames: a list of names for its columns follows.
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
        name: folded; None where it is not plain.
        schema: that stands before the name, "" where there is none.
        at: which token names it, -1 where none does.
    """

    verb: str
    name: str | None
    schema: str = ""
    at: int = -1


@dataclass(slots=True)
class _Scope:
    """What one pair of parentheses holds, or the whole statement."""

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
    """What a walk found.

    Attributes:
        verb: the first that was met, "" when there is none that reads or writes.
        relations: all that are read from, in order.
        reads_unknown: rows come from something that is not a name, or not only one.
        targets: what is changed.
        aliases: names of what is read from and is no table: of queries in FROM, of functions.
        wheres: where in the tokens each WHERE outside of parentheses stands.
        has_set_operation: UNION and the like outside of parentheses.
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
    """Return what qualifies the name that begins at ``begin``, "" where nothing does."""
    return tokens[last - 2].name if last > begin else ""


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
                if self._text(at - 1) != ".":  # PostgreSQL takes any word for a name there
                    self._word(at, scope)
            elif token.kind == SIGN:
                scope.expects_relation = token.text == "," and scope.is_in_from
            elif scope.first == "with" and scope.verb is None:
                scope.candidate = token.text
        return self._found

    def _text(self, at: int) -> str:
        """The bare word or sign there, "" when it is something else."""
        if not 0 <= at < len(self._tokens):
            return ""
        token = self._tokens[at]
        return token.text if token.kind in (WORD, SIGN) else ""

    def _is_function(self, at: int) -> bool:
        """REPLACE("a"."b", …), and MySQL's INSERT(…)."""
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
            # Not before: what is named as a table may be made from that table.
            self._define(scope.defines)
        if scope.is_relation:
            self._found.aliases.add(self._alias(at + 1)[0])

    def _alias(self, after: int) -> tuple[str, int]:
        """Another name of what stands before; "" for none. And which token follows."""
        if self._text(after) == "as":
            after += 1
        if after < len(self._tokens):
            token = self._tokens[after]
            if token.kind == NAME or (token.kind == WORD and token.text not in _NO_ALIAS):
                return token.text, after + 1
        return "", after

    def _define(self, name: str) -> None:
        """From here on, to the end of this scope, it is a common table expression."""
        self._scopes[-1].named.append(name)
        self._visible[name] += 1

    def _begin(self, at: int, scope: _Scope) -> None:
        """A verb: the scope is a query from here on."""
        verb = self._tokens[at].text
        scope.verb = verb
        self._found.verb = self._found.verb or verb
        scope.expects_relation = verb == "table"
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
        """Note what stands where a relation is expected; return the token to go on with."""
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
