"""The fuzz's command: pairs of a read and a write, until the time is over or one fails.

Owns what is drawn, and the report. ``scripts/oracle --pairs`` comes here; so does the suite, with a
short run.
"""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from tests.pairs.bench import Tally

__all__ = ["fuzz", "main"]

_READERS = 40
_COMMITS = 150  # until all begins anew
_KINDS = ("views", "orm", "sql")


def fuzz(
    seed: str,
    seconds: float,
    *,
    kinds: tuple[str, ...] = _KINDS,
    pairs: int = 0,
    told: Callable[[str], None] = lambda line: None,
) -> "Tally":
    """Try pairs in the world at hand.

    Args:
        seed: of what is drawn.
        seconds: after which there is an end.
        kinds: of what reads and writes.
        pairs: after so many there is an end, too; 0 for no such number.
        told: hears how far it is.
    """
    from tests.oracle.programs import Dice
    from tests.pairs.bench import Tally, bench
    from tests.pairs.world import empty

    dice, tally, began = Dice(seed), Tally(), time.monotonic()
    dice.favourites, dice.urls = [], []
    while time.monotonic() - began < seconds and not (pairs and tally.pairs >= pairs):
        empty()
        kind = dice.choice(kinds)
        draw_reader, draw_write = _draws(kind)
        with bench() as made:
            made.tally = tally
            for _ in range(_READERS):
                made.add(draw_reader(dice))
            for _ in range(_COMMITS):
                made.write(*draw_write(dice))
                if kind != "views":
                    made.replace_one(draw_reader(dice), dice.randrange(_READERS))
                if tally.misses or time.monotonic() - began > seconds:
                    break
        if tally.misses:
            break
        told(f"{tally}, {tally.pairs / (time.monotonic() - began):.0f} pairs a second")
    return tally


def _draws(kind: str) -> "tuple[Callable[..., Any], Callable[..., Any]]":
    from tests.pairs import grammar, queries, views

    if kind == "views":
        return views.draw_view, views.draw_write
    if kind == "orm":
        return queries.draw_queryset, queries.draw_orm_write
    return grammar.draw_query, grammar.draw_change


def main() -> int:
    """Fuzz, and print what was found; 1 when a change was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL, not on SQLite")
    parser.add_argument("--mariadb", action="store_true", help="on MariaDB")
    parser.add_argument("--pool", action="store_true", help="with psycopg's pool of connections")
    parser.add_argument("--psycopg2", action="store_true", help="by psycopg2, not psycopg")
    parser.add_argument("--kind", choices=_KINDS, help="of what reads and writes; else all")
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    os.environ.setdefault("PROJECT_LOG_LEVEL", "CRITICAL")
    if given.psycopg2:
        _take_psycopg2()
    django.setup()
    from tests.pairs.world import world

    is_postgres = given.postgres or given.pool or given.psycopg2
    options = {"pool": True} if given.pool else {}
    kinds = (given.kind,) if given.kind else _KINDS
    vendor = "mariadb" if given.mariadb else "postgresql" if is_postgres else "sqlite"
    with world(vendor, None, options):
        print(f"seed {given.seed} begins", flush=True)
        found = fuzz(given.seed, given.seconds, kinds=kinds, told=print)
    print(f"seed {given.seed}: {found}")
    for (reader, write), count in found.wasted.most_common(12):
        print(f"  {count:6} woken for nothing: {reader} by {write}")
    for miss in found.misses:
        print(f"MISSED: {miss}")
    return 1 if found.misses else 0


def _take_psycopg2() -> None:
    """Have Django take psycopg2, which must be installed. Before its backend is imported."""
    import psycopg

    sys.modules["psycopg"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        base = importlib.import_module("django.db.backends.postgresql.base")
    finally:
        sys.modules["psycopg"] = psycopg
    assert base.Database.__name__ == "psycopg2", "Django's backend was imported before"


if __name__ == "__main__":
    from tests.interrupts import ended_by_signals

    with ended_by_signals():
        sys.exit(main())
