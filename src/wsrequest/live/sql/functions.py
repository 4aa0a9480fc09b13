"""Lists what built-in functions and pragmas read and write besides tables.

Sequences, large objects and the schema itself change, but are not tables. Here they get names that
travel like names of tables. Their spaces and star keep them apart from any real table. Pure.
"""

from collections.abc import Mapping

__all__ = ["READING", "READ_BY", "SCHEMA", "WRITTEN_BY", "pragma"]

SCHEMA = "* schema"
_SEQUENCES, _LARGE_OBJECTS = frozenset({"* sequences"}), frozenset({"* large objects"})

WRITTEN_BY: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("nextval", "setval"), _SEQUENCES),
    **dict.fromkeys(
        "lo_create lo_creat lo_from_bytea lo_put lo_truncate lo_truncate64 lo_unlink lo_import "
        "lowrite".split(),
        _LARGE_OBJECTS,
    ),
}
"""Functions that write, with what they write."""

READ_BY: Mapping[str, frozenset[str]] = {
    "pg_sequence_last_value": _SEQUENCES,
    **dict.fromkeys(("lo_get", "loread", "lo_export"), _LARGE_OBJECTS),
}
"""Functions that read something other than a table, with what they read."""

READING = frozenset(
    "query_to_xml query_to_xmlschema query_to_xml_and_xmlschema table_to_xml table_to_xmlschema "
    "table_to_xml_and_xmlschema schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema "
    "database_to_xml database_to_xmlschema database_to_xml_and_xmlschema cursor_to_xml "
    "cursor_to_xmlschema ts_stat ts_rewrite dblink dblink_exec crosstab crosstab2 crosstab3 "
    "crosstab4 connectby xpath_table pg_relation_size pg_table_size pg_total_relation_size "
    "pg_indexes_size pg_database_size pg_snapshot_xip txid_current".split()
)
"""Functions whose arguments name the tables that they read. They may read any table."""

# Pragmas that show the schema, and pragmas that depend on all stored data. The others concern the
# connection or the file.
_SHOWN = frozenset(
    "table_info table_xinfo table_list index_list index_info index_xinfo foreign_key_list "
    "user_version application_id schema_version".split()
)
_LOOKED_AT = frozenset(
    "data_version page_count freelist_count foreign_key_check integrity_check quick_check".split()
)


def pragma(name: str, is_set: bool) -> tuple[frozenset[str], frozenset[str] | None]:
    """Return what a PRAGMA of SQLite writes and reads.

    Args:
        name: folded.
        is_set: the pragma is given a value.
    """
    if is_set:
        return (frozenset({SCHEMA}) if name in _SHOWN else frozenset()), frozenset()
    if name in _LOOKED_AT:
        return frozenset(), None
    return frozenset(), frozenset({SCHEMA}) if name in _SHOWN else frozenset()
