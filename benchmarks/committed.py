"""The write that is measured, by whatever process: one row, and when its COMMIT returned."""

import time
from typing import Any

from django.db import connection, transaction

from benchmarks.models import Score


def write_score(pk: int, n: int) -> float:
    """Commit a number; return at which time of ``time.perf_counter`` COMMIT returned."""
    stamps: list[float] = []
    database: Any = connection
    commit = database._commit

    def stamped() -> None:
        commit()
        stamps.append(time.perf_counter())

    database._commit = stamped  # the innermost: what hears of commits is within the time
    try:
        with transaction.atomic():
            Score.objects.filter(pk=pk).update(n=n)
    finally:
        del database._commit
    return stamps[0]
