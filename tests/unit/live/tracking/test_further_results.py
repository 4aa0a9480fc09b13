"""A statement has ended when all of its results were fetched."""

from types import SimpleNamespace
from typing import Any

import pytest

from wsrequest.live.tracking.further_results import FurtherResults
from wsrequest.live.tracking.transaction_status import TransactionStatus


class Cursor:
    """One of a driver."""

    description: Any = None

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver

    def nextset(self) -> None:
        self._driver.left -= 1

    def close(self) -> None:
        self._driver.left = 0

    def callproc(self, name: str) -> str:
        self._driver.left = 1
        return name


class SSCursor(Cursor):
    """One that fetches rows one by one."""

    description = ("id",)


class SSDictCursor(Cursor):
    """The same with names, which mysqlclient derives from no common class."""

    description = ("id",)


class Driver:
    """A connection with results that were not fetched."""

    left = 0

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def more_results(self) -> bool:
        return self.left > 0


class Followed:
    """The results of a connection, and what was reported."""

    def __init__(self, driver: Any) -> None:
        self.reports: list[str] = []
        connection: Any = SimpleNamespace(vendor="mysql", connection=driver)
        self.transaction = TransactionStatus(connection)
        self.results = FurtherResults(
            *(connection, self.transaction),
            lambda: self.reports.append("settle"),
            lambda: self.reports.append("called"),
            lambda: self.reports.append("ended"),
        )


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def followed(driver: Driver) -> Followed:
    return Followed(driver)


def wrapped(cursor: Cursor) -> Any:
    """As Django wraps it, twice."""
    return SimpleNamespace(cursor=SimpleNamespace(cursor=cursor))


def test_text_ends_with_its_last_result(driver: Driver, followed: Followed) -> None:
    cursor, driver.left = Cursor(driver), 2
    followed.results.look(wrapped(cursor), "a; b; c")
    assert followed.transaction.is_unfinished
    cursor.nextset()
    assert followed.transaction.is_unfinished
    cursor.nextset()
    assert not followed.transaction.is_unfinished
    assert followed.reports == ["settle", "settle"]
    cursor.close()
    assert followed.reports == ["settle", "settle"]


def test_text_ends_with_its_cursor(driver: Driver, followed: Followed) -> None:
    cursor, driver.left = Cursor(driver), 2
    followed.results.look(cursor, "a; b; c")
    followed.results.look(cursor, "a; b; c")  # followed once
    cursor.close()
    assert followed.reports == ["settle"]


def test_text_of_one_result_has_ended(driver: Driver, followed: Followed) -> None:
    followed.results.look(Cursor(driver), "a")
    assert not followed.transaction.is_unfinished


@pytest.mark.parametrize("kind", [SSCursor, SSDictCursor])
def test_rows_that_come_one_by_one_have_not_ended(
    kind: type[Cursor], driver: Driver, followed: Followed
) -> None:
    followed.results.look(kind(driver), "a")
    assert followed.transaction.is_unfinished


def test_procedure_is_reported_and_followed(driver: Driver, followed: Followed) -> None:
    cursor = Cursor(driver)
    followed.results.listen(wrapped(cursor))
    assert cursor.callproc("x") == "x"
    assert followed.reports == ["called"]
    assert followed.transaction.is_unfinished


@pytest.mark.parametrize(
    ("sql", "goes_on"),
    [("SELECT 1", False), ("a; b", True), ("CALL x()", True), ("EXECUTE x", True), (None, True)],
)
def test_driver_that_cannot_say_is_judged_by_the_text(sql: str | None, goes_on: bool) -> None:
    followed = Followed(SimpleNamespace())
    followed.results.look(SimpleNamespace(description=None, nextset=id, close=id), sql)
    assert followed.transaction.is_unfinished is goes_on


def test_end_of_a_transaction_by_the_driver_is_reported_once(
    driver: Driver, followed: Followed
) -> None:
    for _ in range(2):
        followed.results.attach(driver)
    driver.commit()
    driver.rollback()
    assert followed.reports == ["ended", "ended"]
    followed.results.attach(object())


def test_cursor_of_another_kind_obscures(followed: Followed) -> None:
    followed.results.look(object(), "a")
    followed.results.listen(object())
    assert followed.transaction.is_obscure
