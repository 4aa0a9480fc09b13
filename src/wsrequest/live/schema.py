"""The project's tables, as Django's models and the operator tell of them.

Owns which names are known, which columns the database compares as Python does, and which tables
change when another does without any statement that says so. Made anew when the models change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.core.cache import caches
from django.db import models
from django.db.models import deletion

from wsrequest.live.statements import Names, Statement
from wsrequest.live.tokens import SIGN, tokenize

__all__ = ["Extras", "Schema", "folded", "load_schema"]

_INTEGERS = frozenset(
    "AutoField BigAutoField SmallAutoField IntegerField BigIntegerField SmallIntegerField "
    "PositiveIntegerField PositiveBigIntegerField PositiveSmallIntegerField".split()
)
_TEXTS = frozenset({"CharField", "SlugField", "TextField"})
# Those of Django 6.1 which leave the children to the database.
_IN_DATABASE: Any = getattr(deletion, "DatabaseOnDelete", ())

# Migrations keep their own book, by a model that no application has.
_ALWAYS = frozenset({"django_migrations"})


@dataclass(frozen=True, slots=True)
class Extras:
    """What the models do not tell.

    Attributes:
        tables: names that may stand in SQL besides those of models: views, tables of others.
        ignored: tables whose writes are not told, and whose reads are not noted.
        written_by: what the database writes by itself (triggers), or shows (views), when a table
            is written; a table under its own name has a trigger that changes its rows.
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
        names: for each vendor; under "" for any other.
        ignored: see ``Extras``.
    """

    names: Mapping[str, Names]
    ignored: frozenset[str]
    deleted_with: Mapping[str, frozenset[str]]
    referring: Mapping[str, frozenset[str]]
    written_by: Mapping[str, frozenset[str]]

    _changed_by: dict[Any, "Changed | None"] = field(default_factory=dict)

    def changed_by(self, statement: Statement) -> "Changed | None":
        """Return the tables that a statement changes, itself and by what it makes happen.

        Each with whether its rows may be told from the statement. None for any table.
        """
        # Not by the statement: the long ones of bulk_create are all different, and not to be kept.
        does = statement.writes, statement.deletes, statement.cascades, statement.written is None
        try:
            return self._changed_by[does]
        except KeyError:
            found = self._changed_by[does] = self._find_changed(statement)
            return found

    def _find_changed(self, statement: Statement) -> "Changed | None":
        if statement.writes is None:
            return None
        also: set[str] = set()
        for table in statement.writes:
            if statement.deletes:
                also |= self.deleted_with.get(table, frozenset())
            if statement.cascades:
                also |= self.referring.get(table, frozenset())
        for table in statement.writes | also:
            also |= self.written_by.get(table, frozenset())
        can_tell = statement.written is not None
        return tuple(
            (table, can_tell and table not in also)
            for table in sorted((statement.writes | also) - self.ignored)
        )


def folded(table: str) -> str:
    """Return the name of a table as it is compared; ``Meta.db_table`` may hold a schema."""
    if '"' not in table:
        return table.casefold()
    return [token for token in tokenize(table, "") if token.kind != SIGN][-1].text


def load_schema(extras: Extras) -> Schema:
    """Ask the models for their tables. Before all are loaded nothing is known."""
    found = list(_models())
    written_by = _closed(
        {folded(table): set(map(folded, others)) for table, others in extras.written_by.items()}
    )
    functions = {
        name.casefold(): frozenset(map(folded, tables)) for name, tables in extras.functions.items()
    }
    tables = (
        frozenset(folded(model._meta.db_table) for model in found)
        | frozenset(map(folded, extras.tables | extras.ignored))
        | frozenset(written_by).union(*written_by.values(), *functions.values())
        | _ALWAYS
        | frozenset(_cache_tables())
    )
    return Schema(
        {
            vendor: Names(tables, _kinds(found, vendor), functions)
            for vendor in ("sqlite", "postgresql", "")
        },
        frozenset(map(folded, extras.ignored)),
        _closed(_references(found, in_database=True)),
        _closed(_references(found, in_database=False)),
        written_by,
    )


def _cache_tables() -> Iterable[str]:
    """The tables of Django's DatabaseCache, which have no models."""
    for settings in caches.settings.values():
        if settings["BACKEND"].endswith(".DatabaseCache"):
            yield folded(settings.get("LOCATION", ""))


def _models() -> Iterable[type[models.Model]]:
    if not apps.models_ready:
        return ()
    return apps.get_models(include_auto_created=True, include_swapped=True)


def _kinds(found: Iterable[type[models.Model]], vendor: str) -> dict[str, dict[str, str]]:
    """The columns that can be compared, where all models of a table agree."""
    kinds: dict[str, dict[str, str]] = {}
    for model in found:
        if model._meta.proxy or vendor == "":
            continue
        table = folded(model._meta.db_table)
        own = _kinds_of(model, vendor) if model._meta.managed else {}
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
    """How the values of a field compare, None where only the database knows."""
    is_key = found.primary_key
    while found.remote_field is not None and isinstance(found, models.ForeignKey):
        found = found.target_field
    if getattr(found, "generated", False):  # the database computes it from the other columns
        return None
    # A class of somebody else's may have a type, and so a comparison, of its own.
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
    """For each table those with a foreign key to it."""
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


def _closed(graph: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    """Each with all that it leads to."""
    closed = {}
    for begin in graph:
        reached: set[str] = set()
        waiting = list(graph[begin])
        while waiting:
            table = waiting.pop()
            if table not in reached:
                reached.add(table)
                waiting += graph.get(table, ())
        closed[begin] = frozenset(reached)
    return closed
