"""Combines what models, settings and the database say about the project's tables.

The result says which names are known, which columns the database compares as Python does, and which
tables change with another one although no statement names them. It is built again when the models
change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.core.cache import caches
from django.db import models
from django.db.models import deletion

from wsrequest.live.sql.statement import Names, Statement
from wsrequest.live.sql.tokenizer import SIGN, tokenize
from wsrequest.live.tracking.catalog import Catalog

__all__ = ["Extras", "Schema", "folded", "load_schema"]

_INTEGERS = frozenset(
    "AutoField BigAutoField SmallAutoField IntegerField BigIntegerField SmallIntegerField "
    "PositiveIntegerField PositiveBigIntegerField PositiveSmallIntegerField".split()
)
_BASES = {"key": "int"}
_TEXTS = frozenset({"CharField", "SlugField", "TextField"})
# The on_delete classes of Django 6.1 that leave the children to the database.
_IN_DATABASE: Any = getattr(deletion, "DatabaseOnDelete", ())

# Migrations keep their record in a table whose model belongs to no application.
_ALWAYS = frozenset({"django_migrations"})


@dataclass(frozen=True, slots=True)
class Extras:
    """What the models do not say.

    Attributes:
        tables: further names in SQL: views, and tables without a model.
        ignored: tables whose writes are not published, and whose reads are not recorded.
        written_by: what the database itself writes (triggers) or shows (views) when a table is
            written. A table under its own name has a trigger that changes its rows.
        functions: functions of the database that write, with the tables that they write.
    """

    tables: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    written_by: Mapping[str, Iterable[str]] = field(default_factory=dict)
    functions: Mapping[str, Iterable[str]] = field(default_factory=dict)


Changed = tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """All tables at one time.

    Attributes:
        names: for each vendor. Under "" for any other vendor.
        ignored: see ``Extras``.
        deleted_with: tables, with those that the database changes when rows of them are deleted.
        referring: tables, with those that refer to them, over any number of steps.
        written_by: see ``Extras``, plus the triggers and views that the database reports. As in the
            other graphs, some names may be those of tables without a model.
        updated_with: tables, with the columns whose change makes the database change another table.
        families: tables, with those that share rows with them.
        written_through: views, with the tables that a write to one of them changes.
        unreadable: tables with a trigger whose writes are unknown.
        is_blind: the database has not been queried yet: a write may be to any table.
        triggered: tables and views that have a trigger, or are written through to such a table.
        temporary_is_first: see ``Catalog``. False while the database has not been queried.
        logged: see ``Catalog``. Empty while the database has not been queried.
        at_once: see ``Catalog``. Empty while the database has not been queried.
        stored: names of the tables that the database has.
    """

    names: Mapping[str, Names]
    ignored: frozenset[str]
    deleted_with: Mapping[str, frozenset[str]]
    referring: Mapping[str, frozenset[str]]
    written_by: Mapping[str, frozenset[str]]
    updated_with: Mapping[str, frozenset[tuple[str | None, str]]] = field(default_factory=dict)
    families: Mapping[str, frozenset[str]] = field(default_factory=dict)
    written_through: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    is_blind: bool = False
    triggered: frozenset[str] = frozenset()
    temporary_is_first: bool = False
    logged: frozenset[str] = frozenset()
    stored: frozenset[str] = frozenset()
    at_once: frozenset[str] = frozenset()

    _changed_by: dict[Any, "Changed | None"] = field(default_factory=dict)

    def changed_by(self, statement: Statement) -> "Changed | None":
        """Return the tables that a statement changes, itself and by what it causes.

        Each comes with whether its rows may be known from the statement. None for any table.
        """
        # Not by the statement: long ones of bulk_create all differ, and should not be kept.
        does = (
            *(statement.writes, statement.deletes, statement.cascades),
            *(statement.written is None, self._keys_set(statement)),
        )
        try:
            return self._changed_by[does]
        except KeyError:
            found = self._changed_by[does] = self._find_changed(statement)
            return found

    def shows_at_once(self, statement: Statement) -> bool:
        """Whether others may see what a statement writes before its transaction ends."""
        writes = statement.writes
        return bool(self.at_once if writes is None else self.at_once & writes)

    def _keys_set(self, statement: Statement) -> frozenset[str | None] | None:
        """Return which of the columns that others refer to a statement may set. None for any."""
        if not self.updated_with or not statement.writes:
            return frozenset()
        keys = {
            column
            for table in statement.writes | self._family(statement.writes)
            for column, _ in self.updated_with.get(table, frozenset())
        }
        return frozenset(keys & set(found)) if (found := _columns_set(statement)) else found

    def _find_changed(self, statement: Statement) -> "Changed | None":
        writes = statement.writes
        if writes is None:
            return None
        if self.is_blind:
            return None if writes - self.ignored else ()
        family = self._family(writes)
        also = self._changed_with(statement, writes | family)
        # What the database changes by itself causes further changes, whatever way it took, even
        # through tables without a model.
        waiting = [*writes, *family, *also]
        while waiting:
            table = waiting.pop()
            more = set(self.written_by.get(table, ()))
            if table in also:
                more |= self.deleted_with.get(table, frozenset())
                more |= {child for _, child in self.updated_with.get(table, ())}
                more |= self.families.get(table, frozenset())
            waiting += more - also
            also |= more
        everything = writes | also | family
        if everything & self.unreadable:
            return None
        # A trigger of a partition may have changed a row that was written through the parent.
        odd = also | (writes if also & family else frozenset())
        can_tell = statement.written is not None
        return tuple(
            (table, can_tell and table in writes and table not in odd)
            for table in sorted((everything & self.names[""].tables | writes) - self.ignored)
        )

    def _family(self, writes: frozenset[str]) -> frozenset[str]:
        return frozenset().union(*(self.families.get(table, ()) for table in writes)) - writes

    def _changed_with(self, statement: Statement, writes: frozenset[str]) -> set[str]:
        """Return the tables that the database itself changes when these are written so."""
        also: set[str] = set()
        keys = self._keys_set(statement)
        for table in writes:
            if statement.deletes:
                also |= self.deleted_with.get(table, frozenset())
            if statement.cascades:
                also |= self.referring.get(table, frozenset())
            for column, child in self.updated_with.get(table, ()):
                if keys is None or column in keys:
                    also.add(child)
            also |= self.written_through.get(table, frozenset())
        return also


def _columns_set(statement: Statement) -> frozenset[str | None] | None:
    """Return the columns that a statement sets in existing rows. None for any."""
    if statement.written is None:
        return frozenset() if statement.verb in ("delete", "truncate", "copy") else None
    if not statement.written.found:  # INSERT
        return frozenset()
    # A foreign key that names no column refers to the primary key.
    return frozenset({None, *(c for row in statement.written.rows for c, _ in row)})


def folded(table: str) -> str:
    """Return the name of a table for comparison. ``Meta.db_table`` may hold a schema."""
    if '"' not in table:
        return table.casefold()
    return [token for token in tokenize(table, "") if token.kind != SIGN][-1].text


def load_schema(
    extras: Extras, catalog: Catalog | None = None, *, is_blind: bool = False
) -> Schema:
    """Build the schema from the models. Before all models are loaded, nothing is known.

    Args:
        extras: what neither models nor the database say.
        catalog: what the database says. Rows are distinguished only by columns that it knows as the
            models do. If None, the models alone decide.
        is_blind: the database has not been queried yet.
    """
    found = list(_models())
    facts = catalog or Catalog()
    declared = {
        folded(table): set(map(folded, others)) for table, others in extras.written_by.items()
    }
    functions = {
        name.casefold(): frozenset(map(folded, tables)) for name, tables in extras.functions.items()
    }
    tables = (
        frozenset(folded(model._meta.db_table) for model in found)
        | frozenset(map(folded, extras.tables | extras.ignored))
        | frozenset(declared).union(*declared.values(), *functions.values())
        | _ALWAYS
        | frozenset(_cache_tables())
    )
    nodes = tables | _nodes(facts)
    return Schema(
        {
            vendor: Names(tables, {} if is_blind else _kinds(found, vendor, catalog), functions)
            for vendor in ("sqlite", "postgresql", "")
        },
        frozenset(map(folded, extras.ignored)),
        _closed(_joined(_references(found, in_database=True), facts.deleted_with), nodes),
        _closed(_joined(_references(found, in_database=False), facts.referring), nodes),
        _closed(_joined(declared, _written(facts, nodes)), nodes),
        facts.updated_with,
        facts.families,
        _closed(facts.views, nodes),
        # If the settings name the table, they say what its trigger writes.
        frozenset(t for t, words in facts.triggers.items() if words is None) - frozenset(declared),
        is_blind,
        _triggered(facts, frozenset(declared)),
        catalog is not None and catalog.temporary_is_first,
        facts.logged,
        frozenset(facts.kinds),
        facts.at_once,
    )


def _nodes(facts: Catalog) -> frozenset[str]:
    """Return all names that cause changes in the database or are changed, except words."""
    graphs = (facts.referring, facts.updated_with, facts.families, facts.triggers, facts.views)
    return frozenset().union(*graphs, *facts.referring.values())


def _triggered(facts: Catalog, declared: frozenset[str]) -> frozenset[str]:
    known = declared | frozenset(facts.triggers)
    parts = {table: set(others) for table, others in facts.families.items()}
    return known | frozenset(_closed(_joined(parts, facts.views), known))


def _written(facts: Catalog, nodes: frozenset[str]) -> dict[str, set[str]]:
    """Return what changes with each table: what its triggers name, and the views that name it."""
    graph: dict[str, set[str]] = {}
    through = _closed(facts.views, nodes)
    for table, words in facts.triggers.items():
        named = nodes & (words or frozenset())
        # A change of what shows a table causes nothing more, but a trigger writes through it.
        graph[table] = {table, *named}.union(*(through.get(name, ()) for name in named))
    for view, words in facts.views.items():
        for word in words - {view}:
            graph.setdefault(word, set()).add(view)
    return graph


def _joined(
    graph: Mapping[str, set[str]], other: Mapping[str, Iterable[str]]
) -> dict[str, set[str]]:
    return {
        table: {*graph.get(table, ()), *other.get(table, ())}
        for table in graph.keys() | other.keys()
    }


def _cache_tables() -> Iterable[str]:
    """Yield the tables of Django's DatabaseCache, which have no models."""
    for settings in caches.settings.values():
        if settings["BACKEND"].endswith(".DatabaseCache"):
            yield folded(settings.get("LOCATION", ""))


def _models() -> Iterable[type[models.Model]]:
    if not apps.models_ready:
        return ()
    return apps.get_models(include_auto_created=True, include_swapped=True)


def _kinds(
    found: Iterable[type[models.Model]], vendor: str, catalog: Catalog | None
) -> dict[str, dict[str, str]]:
    """Return the comparable columns, where all models of a table and the database agree."""
    kinds: dict[str, dict[str, str]] = {}
    for model in found:
        if model._meta.proxy or vendor == "":
            continue
        table = folded(model._meta.db_table)
        # Only the database knows a table that Django has not made.
        own = _kinds_of(model, vendor) if model._meta.managed or catalog is not None else {}
        if catalog is not None:
            facts = catalog.kinds.get(table, {})
            own = {c: kind for c, kind in own.items() if facts.get(c) == _BASES.get(kind, kind)}
        before = kinds.get(table, own)
        kinds[table] = {column: kind for column, kind in own.items() if before.get(column) == kind}
    return kinds


def _kinds_of(model: type[models.Model], vendor: str) -> dict[str, str]:
    kinds: dict[str, str] = {}
    columns = [str(each.column).casefold() for each in model._meta.local_concrete_fields]
    for column, each in zip(columns, model._meta.local_concrete_fields, strict=True):
        kind = _kind(each, vendor)
        if kind is not None and columns.count(column) == 1:
            kinds[column] = kind
    return kinds


def _kind(found: Any, vendor: str) -> str | None:
    """Return how the values of a field compare. None if only the database knows."""
    is_key = found.primary_key
    while found.remote_field is not None and isinstance(found, models.ForeignKey):
        found = found.target_field
    if getattr(found, "generated", False):  # the database computes it from the other columns
        return None
    # A field class of other code may have a type, and so a comparison, of its own.
    if not type(found).__module__.startswith("django.db.models.fields"):
        return None
    name = found.get_internal_type()
    if name in _INTEGERS:
        return "key" if is_key else "int"
    if name == "BooleanField":
        return "bool"
    if name in _TEXTS and getattr(found, "db_collation", None) is None:
        return "text"
    if name == "UUIDField":
        return "uuid" if vendor == "postgresql" else "text"
    return None


def _references(found: Iterable[type[models.Model]], in_database: bool) -> dict[str, set[str]]:
    """Return for each table those with a foreign key to it."""
    graph: dict[str, set[str]] = {}
    for model in found:
        for each in model._meta.local_fields:
            if not isinstance(each, models.ForeignKey):
                continue
            on_delete = each.remote_field.on_delete
            if not in_database or (_IN_DATABASE and isinstance(on_delete, _IN_DATABASE)):
                parent: Any = each.remote_field.model
                graph.setdefault(folded(parent._meta.db_table), set()).add(
                    folded(model._meta.db_table)
                )
    return graph


def _closed(graph: Mapping[str, Iterable[str]], known: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return each node with all known ones that it leads to."""
    closed = {}
    for begin in graph:
        reached: set[str] = set()
        waiting = list(graph[begin])
        while waiting:
            table = waiting.pop()
            if table not in reached:
                reached.add(table)
                waiting += graph.get(table, ())
        if reached & known:
            closed[begin] = frozenset(reached & known)
    return closed
