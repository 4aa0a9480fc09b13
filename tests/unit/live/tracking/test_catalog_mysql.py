"""What the answers of ``information_schema`` make of a catalog."""

from typing import Any

import pytest

from wsrequest.live.tracking import catalog_mysql
from wsrequest.live.tracking.catalog import Catalog, Draft


def read(**answers: list[tuple[Any, ...]]) -> Catalog:
    """The catalog of a server that answers so, by the names of its tables."""
    draft = Draft()
    catalog_mysql.fill(
        draft,
        lambda sql: next((rows for name, rows in answers.items() if f".{name}" in sql), []),
    )
    return draft.done()


TABLES = [("Note", "InnoDB"), ("Tag", "InnoDB")]


def test_tables_are_known_and_no_rows_told_apart() -> None:
    found = read(tables=TABLES)
    assert found.kinds == {"note": {}, "tag": {}}
    assert found.temporary_is_first


def test_tables_without_transactions_are_known() -> None:
    engines = [("InnoDB",), ("Other",)]
    tables = [*TABLES, ("Odd", "Other"), ("Old", "MyISAM"), ("Gone", None)]
    assert read(tables=tables, engines=engines).at_once == {"old", "gone"}


def test_foreign_keys_change_what_refers() -> None:
    found = read(
        referential_constraints=[
            ("Note", "Tag", "CASCADE", "RESTRICT"),
            ("Note", "Reply", "RESTRICT", "SET NULL"),
            ("Note", "Log", "NO ACTION", "NO ACTION"),
        ]
    )
    assert found.referring == {"note": {"tag", "reply", "log"}}
    assert found.deleted_with == {"note": {"tag"}}
    assert found.updated_with == {"note": {(None, "reply")}}


ROUTINES = [
    ("P", "BEGIN CALL q(); UPDATE tag SET a = 1; END"),
    ("q", "DELETE FROM log"),
    ("r", "EXECUTE IMMEDIATE 'x'"),
    ("hidden", None),
]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("UPDATE `Tag` SET a = NEW.a", {"tag"}),
        ("CALL p()", {"p", "q", "tag", "log"}),
        ("CALL first.P()", {"p", "q", "tag", "log"}),
        ("CALL r()", None),
        ("CALL hidden()", None),
        ("CALL unlisted()", None),
        (r"SET @x = 'it\'s'", None),
        (None, None),
    ],
)
def test_trigger_names_what_it_and_its_procedures_name(
    text: str | None, names: set[str] | None
) -> None:
    found = read(triggers=[("Note", text)], routines=ROUTINES).triggers
    assert found.keys() == {"note"}
    words = found["note"]
    assert words is None if names is None else words is not None and names <= words


def test_view_that_is_hidden_shows_any_table() -> None:
    shown = "select `db`.`Note`.`id` AS `id` from `db`.`Note`"
    found = read(tables=TABLES, views=[("Shown", shown), ("secret", "")])
    assert "note" in found.views["shown"] and "tag" not in found.views["shown"]
    assert found.views["secret"] == {"note", "tag"}


def test_merge_table_shows_rows_of_others() -> None:
    found = read(tables=[("a", "MyISAM"), ("b", "InnoDB"), ("m", "MRG_MyISAM")])
    assert found.families == {"a": {"m"}, "m": {"a"}}
