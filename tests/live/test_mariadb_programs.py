"""Random statements on one connection to MariaDB: what others come to see is told, with that step.

The statements begin and end transactions in every way that the server and Django have. After each
of them, the tables are looked at from outside.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction

from tests.live.conftest import ALIAS, Database, Published, atomic, only_mariadb, run_sql

pytestmark = [only_mariadb, pytest.mark.usefixtures("tracker")]

PROGRAMS, STEPS = 40, 14
TAG = "UPDATE live_tag SET name = CONCAT(LEFT(name, 9), FLOOR(RAND() * 10000))"
ROOM = "UPDATE live_room SET name = CONCAT(LEFT(name, 9), FLOOR(RAND() * 10000))"
PROCEDURES = {
    "live_commit": "COMMIT",
    "live_begin": "START TRANSACTION",
    "live_write": f"{TAG}; SELECT 1; {ROOM}",
    "live_undo": f"{TAG}; ROLLBACK",
    "live_all": f"START TRANSACTION; {TAG}; COMMIT; {ROOM}",
}
STATEMENTS = [
    *[TAG, ROOM] * 6,
    *("BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN"),
    *("SAVEPOINT a", "ROLLBACK TO a", "RELEASE SAVEPOINT a"),
    *("SET autocommit = 0", "SET autocommit = 1", "SET @@autocommit = OFF", "SET @x = 1"),
    *("CREATE TABLE live_extra (id int)", "DROP TABLE live_extra", "DROP TABLE IF EXISTS gone"),
    *("TRUNCATE live_legacy", "INSERT INTO live_legacy VALUES (1, 'x')", "ANALYZE TABLE live_tag"),
    *("LOCK TABLES live_leaf WRITE", "LOCK TABLES live_tag READ", "UNLOCK TABLES", "UNLOCK TABLES"),
    *(f"CALL {name}()" for name in PROCEDURES),
    *("EXECUTE IMMEDIATE 'COMMIT'", "EXECUTE IMMEDIATE 'BEGIN'", "BEGIN NOT ATOMIC COMMIT; END"),
    *(f"BEGIN; {TAG}", f"{TAG}; COMMIT; BEGIN; {ROOM}", f"{TAG}; SELECT 1; {ROOM}"),
    *("nonsense", "SELECT * FROM gone", "INSERT INTO live_tag (id) VALUES (1)", "SELECT 1"),
    *("XA START 'x'", "XA END 'x'", "XA COMMIT 'x' ONE PHASE", "XA ROLLBACK 'x'"),
    *("SET completion_type = 1", "SET completion_type = 0"),
    "CREATE TEMPORARY TABLE live_made SELECT 1 AS id",
]


@pytest.fixture
def procedures(database: Database) -> Iterator[None]:
    connection = database.connect()
    cursor = connection.cursor()
    for name, body in PROCEDURES.items():
        cursor.execute(f"CREATE PROCEDURE {name}() BEGIN {body}; END")
    yield
    connections[ALIAS].close()
    for name in PROCEDURES:
        cursor.execute(f"DROP PROCEDURE {name}")
    cursor.execute("DROP TABLE IF EXISTS live_extra")
    connection.close()


class Program:
    """A sequence of steps on one connection.

    Attributes:
        steps: those that were run, for a report.
    """

    def __init__(self, seed: str) -> None:
        self._dice = random.Random(seed)
        self._blocks: list[Any] = []
        self.steps: list[str] = []

    def step(self) -> None:
        import MySQLdb

        connections[ALIAS].ensure_connection()
        kind = self._dice.choices(("sql", "enter", "leave", "fail", "django"), (12, 2, 2, 1, 2))[0]
        run: Callable[[], Any]
        if kind == "sql":
            sql = self._dice.choice(STATEMENTS)
            self.steps.append(sql)
            run = lambda: run_sql(sql)  # noqa: E731
        elif kind == "enter":
            self.steps.append("atomic()")
            run = self._enter
        elif kind in ("leave", "fail"):
            self.steps.append(f"{kind} the block")
            run = lambda: self._leave(fails=kind == "fail")  # noqa: E731
        else:
            name, run = self._dice.choice(list(self._by_django().items()))
            self.steps.append(name)
        try:
            run()
        except (DatabaseError, MySQLdb.Error, transaction.TransactionManagementError) as error:
            self.steps[-1] += f"  -- {str(error)[:70]}"

    def _by_django(self) -> dict[str, Callable[[], Any]]:
        return {
            "set_autocommit(False)": lambda: transaction.set_autocommit(False, using=ALIAS),
            "set_autocommit(True)": lambda: transaction.set_autocommit(True, using=ALIAS),
            "commit()": lambda: transaction.commit(using=ALIAS),
            "rollback()": lambda: transaction.rollback(using=ALIAS),
            "driver's commit()": lambda: connections[ALIAS].connection.commit(),
            "driver's rollback()": lambda: connections[ALIAS].connection.rollback(),
            "close()": self._close,
        }

    def _enter(self) -> None:
        block = atomic()
        block.__enter__()
        self._blocks.append(block)

    def _leave(self, fails: bool) -> None:
        if not self._blocks:
            return
        error = ZeroDivisionError() if fails else None
        self._blocks.pop().__exit__(type(error) if fails else None, error, None)

    def _close(self) -> None:
        if not self._blocks:
            connections[ALIAS].close()

    def end(self) -> None:
        while self._blocks:
            with suppress(DatabaseError, transaction.TransactionManagementError):
                self._leave(fails=True)
        connections[ALIAS].close()


@pytest.mark.timeout(300)  # on a machine that has much else to do
@pytest.mark.parametrize("seed", ["a", "b"])
def test_what_others_see_is_told(
    seed: str, database: Database, published: Published, procedures: None
) -> None:
    for number in range(PROGRAMS):
        program = Program(f"{seed}{number}")
        with ExitStack() as stack:
            stack.callback(program.end)
            before = database.content()
            for _ in range(STEPS):
                published.clear()
                program.step()
                after = database.content()
                for table in after:
                    if after[table] != before[table]:
                        assert is_told(published, table, after[table]), "\n".join(program.steps)
                before = after


def is_told(published: Published, table: str, rows: Any) -> bool:
    """Whether a commit that concerns a table came when others saw these rows."""
    return any(
        content[table] == rows and any(each.table in (None, table) for each in commit.changes)
        for commit, content in zip(published.changes, published.contents, strict=True)
    )
