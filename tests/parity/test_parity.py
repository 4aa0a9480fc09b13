"""Every row of the table gives by the socket what it gives by HTTP, to the last field."""

import pytest

from tests.parity.conftest import REFERENCES, Table
from tests.parity.differences import ASGI, GENERAL, HTTP, WORKERS, allowed, is_among, named
from tests.parity.rows import Row, row
from tests.parity.table import TABLE

PLAIN = row("a request and a stream", "/see/body/?a=1", "/streams/list/")


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_row_is_by_socket_what_it_is_by_http(table: Table, row: Row) -> None:
    for reference in REFERENCES if row.asgi else ("wsgi",):
        found = table.differences(row, reference)
        patterns = allowed(row, reference)
        unlisted = {field: pair for field, pair in found.items() if not is_among(field, patterns)}
        assert unlisted == {}, f"{row.name}, compared with HTTP by {reference}"
        for name, fields in named(row, reference).items():
            assert any(is_among(field, fields) for field in found), f"{name} is not seen any more"


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_row_is_by_the_workers_what_it_is_by_other_servers(table: Table, row: Row) -> None:
    """Plain HTTP, which the worker threads answer."""
    for reference in REFERENCES if row.asgi else ("wsgi",):
        found = table.differences(row, reference, "workers")
        patterns = allowed(row, reference, "workers")
        unlisted = {field: pair for field, pair in found.items() if not is_among(field, patterns)}
        assert unlisted == {}, f"{row.name}, compared with HTTP by {reference}"
        for name, fields in named(row, reference, "workers").items():
            assert any(is_among(field, fields) for field in found), f"{name} is not seen any more"


def test_table_names_each_row_once() -> None:
    names = [row.name for row in TABLE]
    assert len(names) == len(set(names))


def test_general_differences_are_seen(table: Table) -> None:
    """None of them is an excuse for what does not differ, down to the single field."""
    found = table.differences(PLAIN, "wsgi")
    for name in GENERAL:
        for field in HTTP[name]:
            assert field in found, name


def test_other_differences_are_seen_in_the_table() -> None:
    """A row that names one fails without it, so that each must be named by a row."""
    assert {name for row in TABLE for name in row.differs} == HTTP.keys() - GENERAL
    assert {name for row in TABLE for name in row.asgi_differs} <= ASGI.keys()
    assert {name for row in TABLE for name in row.worker_differs} <= WORKERS.keys()


def test_recorder_sees_what_it_is_there_for(table: Table) -> None:
    """Two empty recordings would be equal, too."""
    by_name = {row.name: row for row in TABLE}
    kinds = {
        kind
        for name in ("fail runtime", "login", "message in a template", "stream query")
        for kind, _ in table.outcomes(by_name[name])["socket"].events
    }
    assert kinds == {"middleware", "signal", "query", "log", "view"}
    (seen,) = table.outcomes(by_name["method POST"])["socket"].seen
    assert seen["meta"]["REQUEST_METHOD"] == ["str", "'POST'"]
    assert seen["meta"]["wsgi.multithread"] == ["bool", "True"]
