"""Which values narrow: only those that the driver passes on unchanged."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, models
from django.utils.safestring import mark_safe
from psycopg.types.string import StrDumper

from tests.live.conftest import ALIAS, Database, Story, run_sql
from tests.live.models import Account, Note
from wsrequest.live.sql.values import ANY, MAX_TEXT, comparable, passes_of
from wsrequest.live.tracking.tracker import ChangeTracker


class Kind(str, Enum):  # noqa: UP042  # whose str() is its name
    ACCOUNT = "account"
    OTHER = "other"


class Choice(models.TextChoices):
    ACCOUNT = "account"
    OTHER = "other"


class Number(IntEnum):
    SEVEN = 7


class Odd(int):
    """Each driver has its own idea of what this is."""

    def __int__(self) -> int:
        return 8

    __index__ = __int__


class OddNumber(Odd, Enum):
    SEVEN = 7


class Shouting(str):
    """Adapted by whoever registers it."""


class Conforming(str):
    def __conform__(self, protocol: object) -> str:
        return self.upper()


class ConformingKind(str, Enum):  # noqa: UP042
    ACCOUNT = "account"

    def __conform__(self, protocol: object) -> str:
        return "other"


@pytest.mark.parametrize("kind", [Kind.ACCOUNT, Choice.ACCOUNT, mark_safe("account"), "account"])
def test_member_of_an_enumeration_is_what_the_database_gets(kind: str, story: Story) -> None:
    """``str()`` of a member is its name, by which a ban was not seen."""
    for given in ("account", kind):
        run_sql("DELETE FROM live_account")
        Account.objects.create(kind=given, user=7)

        def view() -> Any:
            return list(Account.objects.filter(kind=kind, user=7, is_banned=False))

        def ban() -> Any:
            return Account.objects.filter(kind="account", user=7).update(is_banned=True)

        assert len(view()) == 1
        assert story.wakes(view, ban)
        assert view() == []
        assert story.wakes(view, lambda: Account.objects.create(kind=kind, user=7))
        assert not story.wakes(view, lambda: Account.objects.create(kind=Kind.OTHER, user=7))
        assert not story.wakes(view, lambda: Account.objects.create(kind=Choice.OTHER, user=7))


def test_column_that_the_database_computes_does_not_narrow(story: Story) -> None:
    account = Account.objects.create(kind="A")

    def view() -> Any:
        return list(Account.objects.filter(label="a", user=0).values_list("pk"))

    assert view() == [(account.pk,)]
    assert story.wakes(view, lambda: Account.objects.filter(pk=account.pk).update(kind="B"))
    sql = "UPDATE live_account SET kind = %s WHERE label = %s"
    assert story.wakes(view, lambda: run_sql(sql, "A", "b"))
    assert view() == [(account.pk,)]


def read_of(tracker: ChangeTracker, table: str, sql: str, *params: Any) -> set[str]:
    """The columns that a statement narrows by."""
    with tracker.reading() as reads:
        run_sql(sql, *params)
    (read,) = reads.result()
    assert read.table == table
    return {column for column, _ in read.equals}


@contextmanager
def adapted(database: Database, cls: type, adapt: Any) -> Iterator[None]:
    """Values of a class are handed to the database as what a function makes of them."""
    if database.vendor == "sqlite":
        before = sqlite3.adapters.copy()
        sqlite3.register_adapter(cls, adapt)
        try:
            yield
        finally:
            sqlite3.adapters.clear()
            sqlite3.adapters.update(before)
        return

    class Dumper(StrDumper):
        def dump(self, value: Any) -> bytes:
            return str(adapt(value)).encode()

    connection = connections[ALIAS]
    connection.ensure_connection()
    connection.connection.adapters.register_dumper(cls, Dumper)
    yield
    connection.close()


SELECT = "SELECT id FROM live_note WHERE live_note.text = %s"


@pytest.mark.parametrize("cls", [Shouting, Kind, Enum, str])
def test_class_that_the_driver_adapts_is_any(
    cls: Any, database: Database, tracker: ChangeTracker
) -> None:
    value = Kind.ACCOUNT if cls in (Kind, Enum) else cls("a")
    if cls is Enum and database.vendor == "sqlite":
        cls = Kind  # it looks for the class alone
    if cls is not Shouting:
        assert read_of(tracker, "live_note", SELECT, value) == {"text"}
    with adapted(database, cls, lambda value: "other"):
        narrowed = read_of(tracker, "live_note", SELECT, value)
    # A dumper of Enum comes behind that of str, from which Kind descends before.
    assert narrowed == ({"text"} if cls is Enum else set())


def test_write_of_what_the_driver_adapts_is_any(database: Database, story: Story) -> None:
    def view() -> Any:
        return list(Note.objects.filter(text="OTHER").values_list("pk"))

    with adapted(database, Shouting, lambda value: value.upper()):
        sql = "UPDATE live_note SET text = %s WHERE id = %s"
        assert story.wakes(view, lambda: run_sql(sql, Shouting("other"), 1))
        assert view() == [(1,)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("value", [Conforming("a"), ConformingKind.ACCOUNT])
def test_value_that_adapts_itself_is_any(
    value: str, database: Database, tracker: ChangeTracker
) -> None:
    assert read_of(tracker, "live_note", SELECT, value) == set()


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        pytest.param("text", "a", "a", id="text"),
        pytest.param("text", Kind.ACCOUNT, "account", id="enumeration"),
        pytest.param("text", Shouting("a"), ANY, id="subclass"),
        pytest.param("text", "a ", ANY, id="space"),
        pytest.param("text", "a" * MAX_TEXT, "a" * MAX_TEXT, id="long"),
        pytest.param("text", "a" * (MAX_TEXT + 1), ANY, id="too-long"),
        pytest.param("text", 1, ANY, id="number-for-a-text"),
        pytest.param("int", 7, 7, id="int"),
        pytest.param("key", Number.SEVEN, 7, id="number"),
        pytest.param("int", True, ANY, id="bool"),
        pytest.param("int", "7", ANY, id="text-for-a-number"),
        pytest.param("int", Odd(7), ANY, id="own-int"),
        pytest.param("int", OddNumber.SEVEN, ANY, id="enumeration-with-own-int"),
        pytest.param("uuid", UUID(int=1), UUID(int=1), id="uuid"),
        pytest.param("uuid", str(UUID(int=1)), ANY, id="text-for-a-uuid"),
        pytest.param("text", UUID(int=1), ANY, id="uuid-for-a-text"),
        pytest.param("", 1, ANY, id="column-of-another-kind"),
        pytest.param("int", None, None, id="null"),
    ],
)
def test_value_is_comparable(kind: str, value: object, expected: object) -> None:
    found = comparable(kind, value)
    assert found == expected
    assert found is ANY or type(found) in (int, str, UUID, type(None))


def test_driver_that_nobody_knows_passes_nothing() -> None:
    assert not passes_of("postgresql", object())(str, str)
    assert not passes_of("mysql", None)(int, int)
