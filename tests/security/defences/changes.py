"""What is known of the rows that were read and written: a live body is never stale."""

from tests.security.defences.defence import SRC, UNIT, Defence

__all__ = ["CHANGES"]

_TESTS = "tests/live/test_"
_CATALOG = _TESTS + "catalog.py::"
_LOG = UNIT + "live/test_commit_log.py::"
_DELIVERY = UNIT + "bus/test_delivery.py::"

_STREAM = UNIT + "bus/test_pgoutput.py::"

CHANGES = (
    Defence(
        (13,),
        "an update in PostgreSQL's log whose old values are unknown names the key only",
        SRC + "bus/pgoutput.py",
        (
            (
                "self._add(relation.table, _tuple(data, at, relation, only_key=True)[0])",
                "self._add(relation.table, _tuple(data, at, relation)[0])",
            ),
        ),
        (_STREAM + "test_recorded_stream_says_what_was_written",),
    ),
    Defence(
        (13,),
        "a commit in PostgreSQL's log counts only when a new snapshot shows it",
        SRC + "bus/postgres_log.py",
        (("if xid in still or (xid - first) % 2**32 < 2**31:", "if False:"),),
        ("tests/contract/test_write_ahead_log.py::test_commit_comes_only_when_others_see_it",),
    ),
    Defence(
        (33,),
        "the rows of a transaction in PostgreSQL's log have a limit",
        SRC + "bus/pgoutput.py",
        (("len(rows) >= _MAX_ROWS or self._row_bytes > _MAX_ROW_BYTES", "False"),),
        (
            _STREAM + "test_more_than_500_rows_are_any_row",
            _STREAM + "test_rows_of_many_bytes_are_any_row",
        ),
    ),
    Defence(
        (33,),
        "the tables of a transaction in PostgreSQL's log have a limit",
        SRC + "bus/pgoutput.py",
        (("if len(self._rows) > _MAX_TABLES:", "if False:"),),
        (_STREAM + "test_more_than_1000_tables_are_anything",),
    ),
    Defence(
        (33,),
        "the messages of a transaction in PostgreSQL's log have a limit",
        SRC + "bus/pgoutput.py",
        (
            (
                "if self._message_bytes <= _MAX_MESSAGE_BYTES:\n            self",
                "if True:\n            self",
            ),
        ),
        (_STREAM + "test_too_many_messages_are_one_empty_message",),
    ),
    Defence(
        (33,),
        "a message in PostgreSQL's log that is longer than this project's is not copied",
        SRC + "bus/pgoutput.py",
        (("is_too_long = length > self._max_message_bytes", "is_too_long = False"),),
        (_STREAM + "test_message_that_is_too_long_is_empty_and_ends_nothing",),
    ),
    Defence(
        (13,),
        "a value is compared as the database gets it: enumerations",
        SRC + "live/sql/values.py",
        (("text = str.__str__(value)", "text = str(value)"),),
        (_TESTS + "values.py::test_member_of_an_enumeration_is_what_the_database_gets",),
    ),
    Defence(
        (13,),
        "a value that a driver adapts on its own counts as any value",
        SRC + "live/sql/values.py",
        (("_KINDS.get(kind) or not passes(cls, base):", "_KINDS.get(kind):"),),
        (_TESTS + "values.py::test_class_that_the_driver_adapts_is_any",),
    ),
    Defence(
        (13,),
        "a subclass of a known class counts as any value",
        SRC + "live/sql/values.py",
        (
            (
                "base = cls if cls in _EXACT else _base_of(cls)",
                "base = next((each for each in _EXACT if issubclass(cls, each)), None)",
            ),
        ),
        (
            _TESTS + "values.py::test_value_that_adapts_itself_is_any",
            _TESTS + "values.py::test_value_is_comparable",
        ),
    ),
    Defence(
        (13,),
        "a column that the database computes narrows nothing",
        SRC + "live/tracking/schema.py",
        (('if getattr(found, "generated", False):', "if False:"),),
        (_TESTS + "schema.py::test_columns_that_can_be_compared",),
    ),
    Defence(
        (33,),
        "the rows of commits that are kept while views run have a limit in bytes",
        SRC + "live/commit_log.py",
        ((" or self._bytes > _MAX_BYTES:", ":"),),
        (_LOG + "test_rows_of_many_commits_do_not_pile_up_while_a_view_runs",),
    ),
    Defence(
        (33,),
        "the names that are kept of older commits have a limit",
        SRC + "live/commit_log.py",
        (("if len(self._tables) > _MAX_TABLES:", "if False:"),),
        (_LOG + "test_keys_without_end_are_forgotten",),
    ),
    Defence(
        (33,),
        "the rows of commits that wait for a process's event loop have a limit in bytes",
        SRC + "bus/delivery.py",
        (("if self._bytes + weight > _LIGHTEN_ABOVE_BYTES:", "if False:"),),
        (_DELIVERY + "test_rows_of_many_commits_do_not_pile_up_before_a_receiver",),
    ),
    Defence(
        (33,),
        "commits that are large even without their rows do not pile up either",
        SRC + "bus/delivery.py",
        (("is_room = self._bytes + weight <= _MAX_BYTES", "is_room = True"),),
        (_DELIVERY + "test_commits_that_are_heavy_without_their_rows_are_lost",),
    ),
    Defence(
        (33,),
        "the event loop stops early when it compares commits with what a run read",
        SRC + "live/index.py",
        ((" or self.work > MAX_LOOKS or ", " or "),),
        (_LOG + "test_ten_thousand_commits_are_looked_through_with_bounded_work",),
    ),
    Defence(
        (33,),
        "the event loop stops early when it compares one commit with many readers",
        SRC + "live/index.py",
        (("if rows is None or len(rows) * len(self.schemes) > MAX_LOOKS:", "if rows is None:"),),
        (UNIT + "live/test_index.py::test_rows_and_columns_that_are_too_many_concern_all_readers",),
    ),
    Defence(
        (33,),
        "a run has a limited number of places in the index",
        SRC + "live/tracking/reads.py",
        (("            if left < 0:\n", "            if False:\n"),),
        (_LOG + "test_run_of_many_conditions_stands_in_a_bounded_number_of_places",),
    ),
    Defence(
        (33,),
        "the event loop gives others a turn between commits",
        SRC + "bus/delivery.py",
        (("if count and time.monotonic() > end:", "if False:"),),
        (_DELIVERY + "test_a_turn_ends_when_it_has_taken_its_time",),
    ),
    Defence(
        (13,),
        "two aliases of one database are one",
        SRC + "live/tracking/tracker.py",
        (("    if place is None:\n", "    if place is not None:\n"),),
        (
            _TESTS + "databases.py::test_second_alias_is_the_same_database",
            _TESTS + "databases.py::test_copy_of_a_connection_is_the_same_database",
        ),
    ),
    Defence(
        (13,),
        "check W018: a database looks like a replica that is not named",
        SRC + "checks/project.py",
        (("are_likely_copies(one, two)\n", "False\n"),),
        (UNIT + "test_checks.py::test_check_finds_a_replica_that_is_not_named",),
    ),
    Defence(
        (13,),
        "rows are distinguished only by columns that the database compares as Python does",
        SRC + "live/tracking/schema.py",
        (("if facts.get(c) == _BASES.get(kind, kind)}", "}"),),
        (_CATALOG + "test_column_that_folds_case_does_not_narrow",),
    ),
    Defence(
        (13,),
        "what the database updates together with a key counts as a change",
        SRC + "live/tracking/schema.py",
        (("                if keys is None or column in keys:\n", "                if False:\n"),),
        (_CATALOG + "test_keys_that_the_database_updates_are_told",),
    ),
    Defence(
        (13,),
        "what the database deletes on its own counts as a change",
        SRC + "live/tracking/schema.py",
        (("in_database=True), facts.deleted_with)", "in_database=True), {})"),),
        (_CATALOG + "test_rows_that_the_database_deletes_are_told",),
    ),
    Defence(
        (13,),
        "a row that a trigger may change counts as any row",
        SRC + "live/tracking/schema.py",
        (("{table, *named}.union(", "{*named}.union("),),
        (_CATALOG + "test_trigger_that_changes_its_row_leaves_it_unknown",),
    ),
    Defence(
        (13,),
        "a trigger that cannot be read may write any table",
        SRC + "live/tracking/schema.py",
        (("if everything & self.unreadable:", "if False:"),),
        (_CATALOG + "test_trigger_that_cannot_be_read_writes_any_table",),
    ),
    Defence(
        (13,),
        "until a database's catalog is read, a write may be to any of its tables",
        SRC + "live/tracking/schema.py",
        (("        if self.is_blind:\n", "        if False:\n"),),
        (_CATALOG + "test_nobody_waits_whose_writes_the_answer_may_wait_for",),
    ),
)
