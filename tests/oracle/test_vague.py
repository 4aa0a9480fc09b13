"""Views whose runs write what nobody can tell: a procedure, a block of code, a table of no model.

Each of these writes is any table, and so wakes every live view, those that write so, too.
"""

import logging
import time
from collections.abc import Iterator

import pytest
from django.db import connection

from tests.oracle.audience import Audience
from tests.oracle.project.models import Note, Tag
from wsrequest.live.query import MAX_UNKNOWN_WRITES

KINDS = [
    *(("sqlite", "table"), ("postgresql", "table"), ("postgresql", "call"), ("postgresql", "do")),
    *(pytest.param("mariadb", kind, marks=pytest.mark.once) for kind in ("table", "call")),
]
PROCEDURES = {
    "postgresql": "LANGUAGE sql AS $$ INSERT INTO oracle_stamps VALUES (1) $$",
    "mysql": "INSERT INTO oracle_stamps VALUES (1)",
}
QUIET_SECONDS = 40.0  # by then the pause for echoes alone would be of a minute, with no end


@pytest.fixture
def stamps(world: None) -> Iterator[None]:
    """A table that no model has, and a procedure that writes into it, where there are any."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE oracle_stamps (id integer)")
        if connection.vendor in PROCEDURES:
            cursor.execute(f"CREATE PROCEDURE oracle_stamp() {PROCEDURES[connection.vendor]}")
    yield
    with connection.cursor() as cursor:
        if connection.vendor in PROCEDURES:
            cursor.execute("DROP PROCEDURE oracle_stamp")
        cursor.execute("DROP TABLE oracle_stamps")


def until_all_rest(viewers: Audience) -> None:
    deadline = time.monotonic() + QUIET_SECONDS
    while waiting := viewers.waits_for():
        assert time.monotonic() < deadline, f"they run each other: {waiting}"
        time.sleep(0.05)


@pytest.mark.timeout(180)  # on a machine that has much else to do
@pytest.mark.parametrize(("vendor", "kind"), KINDS, indirect=["vendor"])
def test_views_that_write_what_cannot_be_told_do_not_run_each_other_without_end(
    stamps: None, viewers: Audience, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "wsrequest.live")
    writing = [viewers.watch(f"/vague/{kind}/{n}/") for n in (1, 2)]
    reader = viewers.watch("/notes/")
    until_all_rest(viewers)
    for n in range(3):
        # Each view runs for the commit, and as often as the others may wake it.
        with viewers.runs(most=3 + 2 * MAX_UNKNOWN_WRITES * 2):
            Tag.objects.filter(pk=1).update(name=f"another {n}")
            until_all_rest(viewers)
        assert viewers.is_current(*writing, reader)
        until_all_rest(viewers)  # the fresh GETs wrote, too
        with viewers.sees(reader):
            Note.objects.create(text=f"new {n}")
            viewers.settle()
    told = [r.getMessage() for r in caplog.records if "cannot determine" in r.getMessage()]
    paths = [line.partition("again: ")[2].partition(". ")[0] for line in told]
    # Once each; runs that come together leave one of them below the limit.
    assert paths and len(set(paths)) == len(paths)
    assert set(paths) <= {f"/vague/{kind}/{n}/" for n in (1, 2)}
