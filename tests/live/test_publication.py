"""The publication of a database: the command, migrations and the checks."""

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings

from tests.live.conftest import ALIAS, configured, run_sql
from tests.live.models import Branch, Note, Room, Tag
from tests.postgres import Params, connecting
from wsrequest.bus.pgoutput import PUBLICATION
from wsrequest.checks.write_ahead_log import _findings, check_write_ahead_log
from wsrequest.live.tracking.publication import PublicationState, complete

pytestmark = pytest.mark.needs("postgresql")

OWNER = "shopkeeper"


@pytest.fixture(scope="module")
def parameters(postgres_params: Params) -> Params:
    """A database that belongs to a role without any other right."""
    with psycopg.connect(**connecting(postgres_params), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD 'secret'")
        connection.execute(f"CREATE DATABASE shop OWNER {OWNER}")
    with psycopg.connect(
        **{**connecting(postgres_params), "dbname": "shop"}, autocommit=True
    ) as connection:
        connection.execute("CREATE EXTENSION citext")
    return Params({**postgres_params, "NAME": "shop", "USER": OWNER, "PASSWORD": "secret"})


@pytest.fixture
def connection(parameters: Params, django_db_blocker: Any) -> Iterator[Any]:
    found = {"ENGINE": "django.db.backends.postgresql", **parameters}
    with (
        django_db_blocker.unblock(),
        configured(ALIAS, found) as connection,
        override_settings(WSREQUEST_BUS=f"postgresql+log://{ALIAS}"),
    ):
        for table in connection.introspection.table_names():
            run_sql(f'DROP TABLE "{table}" CASCADE')
        run_sql(f"DROP PUBLICATION IF EXISTS {PUBLICATION}")
        with connection.schema_editor() as editor:
            for model in (Room, Tag, Note):
                editor.create_model(model)
        run_sql("CREATE TABLE live_legacy (id integer, text varchar(50))")
        yield connection


def published() -> set[str]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(
            f"SELECT tablename FROM pg_publication_tables WHERE pubname = '{PUBLICATION}'"
        )
        return {table for (table,) in cursor.fetchall()}


def run_command(*arguments: str) -> str:
    output = StringIO()
    call_command("wsrequest_publication", *arguments, stdout=output, stderr=output)
    return output.getvalue()


def findings() -> dict[str, str]:
    assert check_write_ahead_log(databases=None) == []
    assert check_write_ahead_log(databases=["another"]) == []
    return {
        str(each.id).removeprefix("wsrequest."): each.msg
        for each in check_write_ahead_log(databases=[ALIAS])
    }


ALL = {"live_room", "live_tag", "live_note", "live_note_tags"}


def test_command_publishes_the_tables_of_the_project(connection: Any) -> None:
    assert findings().keys() == {"W047", "W048"}
    assert "CREATE PUBLICATION wsrequest FOR TABLE " in run_command("--dry-run")
    assert published() == set()
    printed = run_command()
    assert published() == ALL
    assert "live_legacy is left out, because it has no primary key" in printed
    assert "has all tables of the project" in run_command()
    assert findings().keys() == {"W047", "W044"}


def test_table_without_a_key_can_be_written_as_before(connection: Any) -> None:
    run_command()
    run_sql("INSERT INTO live_legacy VALUES (1, 'a')")
    run_sql("UPDATE live_legacy SET text = 'b'")
    run_sql("ALTER TABLE live_legacy REPLICA IDENTITY FULL")
    run_command()
    assert published() == {*ALL, "live_legacy"}
    run_sql("UPDATE live_legacy SET text = 'c'")


def test_new_table_is_added_after_its_migration(connection: Any) -> None:
    complete(connection, ())
    assert published() == set()  # nobody has asked for a publication
    run_command()
    with connection.schema_editor() as editor:
        editor.create_model(Branch)
    assert "does not report live_branch" in findings()["W043"]
    complete(connection, ())
    assert published() == {*ALL, "live_branch"}
    assert "W043" not in findings()


def test_ignored_tables_stay_outside(connection: Any) -> None:
    with override_settings(WSREQUEST_LIVE_IGNORED_TABLES=["live_tag"]):
        run_command()
        assert "W043" not in findings()
    assert published() == ALL - {"live_tag"}


def test_publication_of_some_writes_or_rows_is_found(connection: Any) -> None:
    run_sql("CREATE PUBLICATION wsrequest FOR TABLE live_room, live_note, live_note_tags")
    run_sql("ALTER PUBLICATION wsrequest ADD TABLE live_tag WHERE (id > 5)")
    run_sql("ALTER PUBLICATION wsrequest SET (publish = 'insert')")
    assert "does not report live_tag" in findings()["W043"]
    printed = run_command()
    assert "live_tag has a row filter" in printed
    run_sql("ALTER PUBLICATION wsrequest SET TABLE live_room, live_note, live_note_tags, live_tag")
    assert "W043" not in findings()


def test_role_without_rights_learns_what_to_do(
    connection: Any, postgres_params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    superuser = {**connecting(postgres_params), "dbname": "shop"}
    with psycopg.connect(**superuser, autocommit=True) as other:
        other.execute("ALTER TABLE live_tag OWNER TO CURRENT_USER")
        other.execute(f"GRANT SELECT ON live_tag TO {OWNER}")
        try:
            with pytest.raises(CommandError, match="needs to own the tables"):
                run_command()
            assert published() == set()
            run_sql("CREATE PUBLICATION wsrequest FOR TABLE live_room, live_note")
            complete(connection, ())
            assert "cannot be added to the publication" in caplog.text
            assert published() == {"live_room", "live_note"}
        finally:
            other.execute(f"ALTER TABLE live_tag OWNER TO {OWNER}")


@pytest.mark.parametrize(
    ("alias", "said"), [("nowhere", "not an alias"), ("default", "is not PostgreSQL")]
)
def test_command_refuses_other_databases(
    alias: str, said: str, django_db_blocker: Any, connection: Any
) -> None:
    with pytest.raises(CommandError, match=said):
        run_command("--database", alias)


def test_other_faults_of_a_server_are_found() -> None:
    sound = PublicationState("logical", True, 5, 5, True, True)

    def ids(state: PublicationState) -> list[str]:
        return [id.removeprefix("wsrequest.") for id, _ in _findings(state, "default")]

    assert ids(sound) == []
    assert ids(replace(sound, wal_level="replica")) == ["W046"]
    assert ids(replace(sound, free_slots=0)) == ids(replace(sound, free_senders=0)) == ["W045"]
    assert ids(replace(sound, exists=False, is_whole=False)) == ["W048"]
    many = tuple(f"t{number}" for number in range(8))
    assert ids(replace(sound, missing=many)) == ["W043"]
    ((_, facts),) = _findings(replace(sound, missing=many), "default")
    assert facts["tables"] == "t0, t1, t2, t3, t4 and 3 more"
    with override_settings(WSREQUEST_BUS="postgresql+log://reader:secret@default"):
        assert ids(replace(sound, can_replicate=False)) == []
