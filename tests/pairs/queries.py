"""Querysets and writes of the ORM over ``models``, beside the oracle's own views and writes."""

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q

from tests.oracle.programs import Dice
from tests.pairs.models import Crate, Shelf

__all__ = ["Queryset", "draw_orm_write", "draw_queryset"]

_LABELS = ("a", "b", "c")


class Queryset:
    """A query of the ORM."""

    def __init__(self, name: str, read: Callable[[], object]) -> None:
        self.name = f"orm {name}"
        self._read = read

    def read(self) -> object:
        return self._read()


def _rows(found: Any) -> list[Any]:
    return [tuple(map(str, row)) for row in found.order_by("pk").values_list()]


def draw_queryset(dice: Dice) -> Queryset:
    """A read of the ORM."""
    n, m, label = dice.randint(1, 6), dice.randint(1, 6), dice.choice(_LABELS)
    truth = dice.random() < 0.5
    shelf: list[Callable[[], object]] = [
        lambda: _rows(Shelf.objects.filter(pk=n)),
        lambda: _rows(Shelf.objects.filter(pk__in=[n, m])),
        lambda: _rows(Shelf.objects.filter(is_full=truth)),
        lambda: _rows(Shelf.objects.filter(is_full=truth, room=n)),
        lambda: _rows(Shelf.objects.filter(Q(room=n, label=label) | Q(room=n, is_full=truth))),
        lambda: _rows(Shelf.objects.filter(Q(room=n) | Q(room=m))),
        lambda: _rows(Shelf.objects.exclude(is_full=truth).filter(label=label)),
        lambda: Shelf.objects.filter(label=label).count(),
        lambda: Shelf.objects.filter(room__name=f"r{n % 4}", is_full=truth).exists(),
    ]
    crate: list[Callable[[], object]] = [
        lambda: _rows(Crate.objects.filter(pk=n)),
        lambda: _rows(Crate.objects.filter(room=n)),
        lambda: _rows(Crate.objects.filter(labels=[label])),
        lambda: _rows(Crate.objects.filter(labels__contains=[label], room=n)),
        lambda: _rows(Crate.objects.filter(extra__has_key=label)),
        lambda: _rows(Crate.objects.filter(extra={"a": "1"}, pk=n)),
        lambda: _rows(Crate.objects.filter(span__contains=n)),
        lambda: _rows(Crate.objects.filter(span=(n, n + m), pk__in=[n, m])),
    ]
    reads = [*shelf, *crate] if connection.vendor == "postgresql" else shelf
    number = dice.randrange(len(reads))
    return Queryset(f"{number} {n} {m} {label} {truth}", reads[number])


def draw_orm_write(dice: Dice) -> tuple[str, Callable[[], object]]:
    """A write of the ORM; the tables stay small."""
    n, m, label = dice.randint(1, 6), dice.randint(1, 6), dice.choice(_LABELS)
    truth, room = dice.random() < 0.5, dice.choice((1, 2, 3, 4, None))
    shelf = {"label": label, "is_full": truth, "room_id": room}
    crate = {"labels": [label], "extra": {label: "1"}, "span": (n, n + m), "room_id": room}
    writes: dict[str, Callable[[], object]] = {
        "create": lambda: Shelf.objects.create(**shelf),
        "save": lambda: Shelf(pk=n, **shelf).save(),
        "update": lambda: Shelf.objects.filter(pk=n).update(is_full=truth),
        "turn": lambda: Shelf.objects.filter(is_full=truth, room=m).update(is_full=not truth),
        "move": lambda: Shelf.objects.filter(room=m).update(room=F("room")),
        "bulk": lambda: Shelf.objects.bulk_create(
            [Shelf(**shelf), Shelf(**{**shelf, "room": None})]
        ),
        "bulk_update": lambda: Shelf.objects.bulk_update(
            [Shelf(pk=n, label=label, is_full=truth), Shelf(pk=m, label="b", is_full=not truth)],
            ["label", "is_full"],
        ),
        "delete": lambda: Shelf.objects.filter(pk=n).delete(),
        "delete_some": lambda: Shelf.objects.filter(Q(pk__gt=12) | Q(label=label, room=m)).delete(),
    }
    if connection.vendor == "postgresql":
        writes |= {
            "crate_create": lambda: Crate.objects.create(**crate),
            "crate_save": lambda: Crate(pk=n, **crate).save(),
            "crate_update": lambda: Crate.objects.filter(pk=n).update(labels=[label, label]),
            "crate_extra": lambda: Crate.objects.filter(room=m).update(extra={label: None}),
            "crate_delete": lambda: Crate.objects.filter(span__contains=n).delete(),
            "crate_bulk": lambda: Crate.objects.bulk_create([Crate(**crate), Crate(**crate)]),
        }
    name = dice.choice(sorted(writes))
    write = writes[name]
    if dice.random() < 0.5:
        return name, write

    def in_a_transaction() -> None:
        with transaction.atomic():
            write()

    return name, in_a_transaction
