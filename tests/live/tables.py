"""The tables of tests/live. Making them takes longer than most tests do.

So an SQLite file is made once, and each test gets a copy. On PostgreSQL and MariaDB the tables are
made once, too, and emptied for the next test. If a test has changed more than rows, all is made
again.
"""

from typing import Any

from tests.live.models import LEAF, MODELS

__all__ = ["empty_tables", "make_tables"]

# Each row of PostgreSQL's catalog that is about the schema ``public``, with the transaction that
# wrote it: another table, trigger, function, column or constraint makes another answer.
_IN_PUBLIC = {
    "pg_namespace": "WHERE nspname = 'public'",
    "pg_class": "WHERE relnamespace = 'public'::regnamespace",
    "pg_proc": "WHERE pronamespace = 'public'::regnamespace",
    "pg_type": "WHERE typnamespace = 'public'::regnamespace",
    "pg_constraint": "WHERE connamespace = 'public'::regnamespace",
    **{
        catalog: f"JOIN pg_class c ON c.oid = {column} WHERE relnamespace = 'public'::regnamespace"
        for catalog, column in {
            "pg_attribute": "attrelid",
            "pg_attrdef": "adrelid",
            "pg_index": "indexrelid",
            "pg_policy": "polrelid",
            "pg_rewrite": "ev_class",
            "pg_trigger": "tgrelid",
        }.items()
    },
}
_SHAPE = "SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM ({}) AS parts".format(
    " UNION ALL ".join(
        f"SELECT '{catalog}' || row_of.ctid::text || row_of.xmin::text AS part "
        f"FROM {catalog} row_of {condition}"
        for catalog, condition in _IN_PUBLIC.items()
    )
)
_TABLES = """
SELECT format('DELETE FROM %s', oid::regclass) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""
_RESTART = """
SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence
JOIN pg_class ON oid = seqrelid WHERE relnamespace = 'public'::regnamespace
"""
# The same of the tables on MariaDB, where TRUNCATE makes a table anew, so that no time counts.
_SHAPE_ON_MARIADB = """
SELECT GROUP_CONCAT(part ORDER BY part SEPARATOR ' ') FROM (
    SELECT CONCAT_WS(' ', table_name, engine, table_collation) AS part
        FROM information_schema.tables WHERE table_schema = DATABASE() UNION ALL
    SELECT CONCAT_WS(' ', table_name, column_name, column_type, collation_name)
        FROM information_schema.columns WHERE table_schema = DATABASE() UNION ALL
    SELECT CONCAT_WS(' ', table_name, constraint_name)
        FROM information_schema.table_constraints WHERE table_schema = DATABASE() UNION ALL
    SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE() UNION ALL
    SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()) AS parts
"""
# A column whose texts are compared in any case.
_FOLDING = {"sqlite": "varchar(50) COLLATE NOCASE", "postgresql": "citext", "mysql": "varchar(50)"}
_shapes: dict[int, str] = {}  # of the tables that were made, by the port of the server


def make_tables(connection: Any) -> None:
    """Make all tables in an empty database."""
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
        editor.execute(LEAF.format(text=_FOLDING[connection.vendor]))
        editor.execute("CREATE TABLE live_legacy (id integer PRIMARY KEY, text varchar(50))")


def empty_tables(connection: Any) -> None:
    """Give a database of PostgreSQL or MariaDB the tables, without rows."""
    if connection.vendor == "mysql":
        _empty_mariadb(connection)
    else:
        _empty_postgresql(connection)


def _empty_postgresql(connection: Any) -> None:
    port = connection.settings_dict["PORT"]
    with connection.cursor() as cursor:
        if _shape(cursor) == _shapes.get(port):
            cursor.execute(_TABLES)
            deletions = "; ".join(statement for (statement,) in cursor.fetchall())
            cursor.execute(f"SET session_replication_role = replica; {deletions}")  # in any order
            cursor.execute("RESET session_replication_role")
            cursor.execute(_RESTART)
            return
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
        cursor.execute("CREATE EXTENSION citext")
    make_tables(connection)
    with connection.cursor() as cursor:
        _shapes[port] = _shape(cursor)


def _empty_mariadb(connection: Any) -> None:
    port = connection.settings_dict["PORT"]
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION group_concat_max_len = 1000000, foreign_key_checks = 0")
        if _shape(cursor, _SHAPE_ON_MARIADB) == _shapes.get(port):
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"TRUNCATE `{table}`")
            cursor.execute("SET SESSION foreign_key_checks = 1")
            return
        name = connection.settings_dict["NAME"]
        cursor.execute(f"DROP DATABASE `{name}`")
        cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        cursor.execute(f"USE `{name}`")
        cursor.execute("SET SESSION foreign_key_checks = 1")
    make_tables(connection)
    with connection.cursor() as cursor:
        _shapes[port] = _shape(cursor, _SHAPE_ON_MARIADB)


def _shape(cursor: Any, sql: str = _SHAPE) -> str:
    cursor.execute(sql)
    [shape] = cursor.fetchone()
    return str(shape)
