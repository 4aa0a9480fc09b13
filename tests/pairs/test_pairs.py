"""Whatever changes an answer touches its reader: by chance, and in pairs that were missed once."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q

from tests.pairs.bench import Tally, bench
from tests.pairs.by_hand import PAIRS, Pair, Sql
from tests.pairs.grammar import Query
from tests.pairs.models import Shelf
from tests.pairs.pairs import fuzz
from tests.pairs.queries import Queryset
from tests.pairs.world import empty

SECONDS = 6.0


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("kind", ["views", "orm", "sql"])
def test_no_change_is_missed(vendor: str, kind: str) -> None:
    tally = fuzz(f"suite {kind}", SECONDS, kinds=(kind,))
    assert not tally.misses, "\n".join(map(str, tally.misses))
    assert tally.pairs and tally.changed  # how many depends on how busy the machine is


@pytest.mark.once
@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("way", ["--pool", "--psycopg2"])
def test_no_change_is_missed_by_another_way_to_connect(way: str) -> None:
    command = [sys.executable, "-m", "tests.pairs.pairs", "--seconds", "5", "--seed", "suite", way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 missed" in done.stdout


def execute(sql: Sql) -> Callable[[], None]:
    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql[0], sql[1] or None)

    return run


def tried(pair: Pair) -> Tally:
    empty()
    for sql in pair.before:
        execute((sql, []))()
    try:
        with bench() as made:
            for sql, params in pair.reads:
                assert made.add(Query(sql, params)), sql
            made.write(pair.name, execute(pair.write))
            return made.tally
    finally:
        for sql in pair.after:
            execute((sql, []))()


@pytest.mark.parametrize("is_planted", [False, True], ids=["mended", "planted"])
@pytest.mark.parametrize(
    ("vendor", "pair"),
    [
        pytest.param(vendor, pair, id=f"{pair.name}-{vendor}")
        for vendor in ("sqlite", "postgresql")
        for pair in PAIRS
        if vendor in pair.vendors
    ],
    indirect=["vendor"],
)
def test_pair_that_was_missed_once(vendor: str, pair: Pair, is_planted: bool) -> None:
    with pair.planted() if is_planted else nullcontext():
        tally = tried(pair)
    assert tally.changed > 0
    assert bool(tally.misses) is is_planted, "\n".join(map(str, tally.misses))


def shelves(*conditions: Q, **equals: Any) -> Queryset:
    found = Shelf.objects.filter(*conditions, **equals).order_by("pk")
    return Queryset(str(found.query), lambda: list(found.all().values_list()))


FULL = {"label": "x", "is_full": True, "room_id": 1}


@pytest.mark.parametrize(
    ("reader", "write"),
    [
        pytest.param(
            lambda: shelves(pk=1), lambda: Shelf.objects.create(**FULL), id="key-that-is-made"
        ),
        pytest.param(
            lambda: shelves(pk=1, label="c"),
            lambda: Shelf.objects.get(pk=2).save(),
            id="key-beside-what-is-not-known",
        ),
        pytest.param(
            lambda: shelves(is_full=False), lambda: Shelf.objects.create(**FULL), id="truth"
        ),
        pytest.param(
            lambda: shelves(Q(room=2, label="a") | Q(room=2, is_full=True)),
            lambda: Shelf.objects.create(**FULL),
            id="common-factor",
        ),
        pytest.param(
            lambda: shelves(Q(room=2) | Q(room=3)),
            lambda: Shelf.objects.create(**FULL),
            id="either-of-two",
        ),
        pytest.param(
            lambda: shelves(room=2), lambda: Shelf(pk=50, **FULL).save(), id="update-of-no-row"
        ),
        pytest.param(
            lambda: shelves(), lambda: Shelf.objects.filter(label="-").delete(), id="delete-of-none"
        ),
    ],
)
def test_write_that_cannot_concern_a_reader_does_not_wake_it(
    vendor: str, reader: Callable[[], Queryset], write: Callable[[], object]
) -> None:
    empty()
    with bench() as made:
        assert made.add(reader())
        made.write("write", write)
        assert made.tally.pairs == 1 and not made.tally.changed
        assert not made.tally.woken, made.tally.wasted
