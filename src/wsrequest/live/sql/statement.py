"""Describes what a SQL text does. The analyzer makes these descriptions. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from wsrequest.live.sql.effects import FORGET, Effect
from wsrequest.live.sql.predicates import Kinds, Narrowed, Written

__all__ = ["ANYTHING", "NOTHING", "Names", "Statement", "Tables", "joined"]

Tables = frozenset[str] | None
"""Folded names of tables. None for any table of the database."""


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """The names of the project's tables.

    Attributes:
        tables: folded names of all tables and views that can be told apart.
        kinds: for each table, the columns that the database compares as Python does, with the kind
            of their values: "int", "key" (a whole number that the database may generate), "uuid",
            "text" or "bool".
        functions: the functions that write, with the tables that they write.
    """

    tables: frozenset[str]
    kinds: Kinds = field(default_factory=dict)
    functions: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """What one text does.

    Attributes:
        verb: of its first statement, folded. "" for an empty text.
        writes: the tables that it may change.
        reads: the tables that its outcome depends on.
        deletes: it may remove rows.
        cascades: it asks the database to go on to the tables that refer to those it empties.
        returns_rows: it writes, and has rows to fetch.
        narrowed: tables of which it reads only the rows that meet these conditions.
        written: what it writes into the rows of the one table in ``writes``, if known.
        counts: the row count that the database reports covers everything that it wrote.
        placeholders: how many positional parameters it takes.
        begins: the last thing it does to a transaction: "begin", "commit", "rollback" or "".
        commits: it commits, whatever follows. Also set where a ROLLBACK may not undo everything.
        obscures: it may begin or end a transaction, which its text does not show. Only where the
            driver does not report whether a transaction is open.
        qualifiers: on MySQL, the folded names before a dot. They may be other databases.
        unqualified: the exact names in it that may mean a temporary table of the connection. If any
            of them does, ``parse`` can say more about the text.
        effects: what it does to the state of its connection.
        executes: the name of the prepared statement that it runs, or of the cursor that it fetches
            from.
        prepared: what the statement that it prepares does.
    """

    verb: str
    writes: Tables = frozenset()
    reads: Tables = frozenset()
    deletes: bool = False
    cascades: bool = False
    returns_rows: bool = False
    narrowed: Narrowed = ()
    written: Written | None = None
    counts: bool = False
    placeholders: int = 0
    begins: str = ""
    commits: bool = False
    obscures: bool = False
    qualifiers: frozenset[str] = frozenset()
    unqualified: frozenset[str] = frozenset()
    effects: tuple[Effect, ...] = ()
    executes: str = ""
    prepared: "Statement | None" = None

    @property
    def only_reads(self) -> bool:
        """Whether it changes neither rows, nor its connection, nor a transaction."""
        does = (self.begins, self.commits, self.obscures, self.effects)
        return self.writes == frozenset() and not any(does)


NOTHING = Statement("")
ANYTHING = Statement(
    *("", None, None),
    deletes=True,
    cascades=True,
    returns_rows=True,
    obscures=True,
    effects=(FORGET,),
)


def joined(statements: Sequence[Statement]) -> Statement:
    """Return what several statements of one text do together."""
    if any(each.executes for each in statements):
        return ANYTHING
    return Statement(
        statements[0].verb,
        _all_tables([each.writes for each in statements]),
        _all_tables([each.reads for each in statements]),
        deletes=any(each.deletes for each in statements),
        cascades=any(each.cascades for each in statements),
        returns_rows=any(each.returns_rows for each in statements),
        begins=next((each.begins for each in reversed(statements) if each.begins), ""),
        obscures=any(each.obscures for each in statements),
        qualifiers=frozenset[str]().union(*(each.qualifiers for each in statements)),
        unqualified=frozenset[str]().union(*(each.unqualified for each in statements)),
        commits=any(each.commits for each in statements) or _writes_past_rollback(statements),
        effects=tuple(
            effect for each in statements for effect in each.effects if effect[0] != "prepare"
        ),
    )


def _writes_past_rollback(statements: Sequence[Statement]) -> bool:
    """Whether a text with a ROLLBACK writes outside of BEGIN … ROLLBACK, which may not undo it."""
    is_begun = has_written = False
    for each in statements:
        is_begun = each.begins == "begin" if each.begins else is_begun
        has_written |= each.writes != frozenset() and not is_begun
    return has_written and any(each.begins == "rollback" for each in statements)


def _all_tables(tables: Collection[Tables]) -> Tables:
    known = [each for each in tables if each is not None]
    return frozenset().union(*known) if len(known) == len(tables) else None
