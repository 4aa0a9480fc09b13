"""The functions that views and tasks call to declare what SQL does not show.

They name further dependencies, report changes, and leave out effects in a rerun. Outside of a run,
and in a process that tracks nothing, they do nothing.
"""

from decimal import Decimal
from numbers import Real
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models, router

from wsrequest.live.tracking.reads import current, running
from wsrequest.live.tracking.schema import folded
from wsrequest.live.tracking.tracker import installed
from wsrequest.live.tracking.transaction import MAX_KEYS
from wsrequest.types import Commit, TableChange

__all__ = ["invalidate", "depends_on"]


def depends_on(
    *tables: str | type[models.Model],
    key: str | None = None,
    seconds: float | Decimal | None = None,
    using: str | None = None,
) -> None:
    """Declare that the current response depends on more than the statements that were run.

    Args:
        tables: models, or names of tables. A write to one of them triggers a rerun.
        key: a name of the project's own choice. ``invalidate(key)`` triggers a rerun.
        seconds: run again after this time, for what changes with the clock or cannot be detected.
        using: the alias of the tables' database. The default is the one from which Django reads a
            model, and "default" for a name.

    Raises:
        TypeError: ``seconds`` is not a real number, or is True or False.
        ValueError: ``seconds`` is not above zero.
    """
    if seconds is not None:
        seconds = _above_zero(seconds)
    reads, tracker = current(), installed()
    if reads is None or tracker is None:
        return
    for table in tables:
        alias, name = using or DEFAULT_DB_ALIAS, table
        if not isinstance(name, str):
            alias, name = using or router.db_for_read(name), name._meta.db_table
        reads.add(tracker.primary(alias), folded(name))
    if key is not None:
        reads.add_key("", key, MAX_KEYS)
    if seconds is not None:
        reads.seconds = seconds if reads.seconds is None else min(reads.seconds, seconds)


def invalidate(*keys: str, using: str = DEFAULT_DB_ALIAS) -> None:
    """Report a change of what requests depend on by ``depends_on(key=…)``.

    Within a transaction of the database ``using``, the change is published after the commit, and
    not at all after a rollback. Outside of one it is published at once.
    """
    tracker = installed()
    if tracker is None or not keys:
        return
    connection: Any = connections[using]
    tap = tracker.tap(using)
    if tap is None or connection.connection is None:  # never opened, so there is no transaction
        tracker.tell(Commit(tuple(TableChange("", key) for key in keys), running()))
    else:
        tap.add_keys(keys)


def _above_zero(seconds: object) -> float:
    # A Decimal is not a Real, because it does not mix with floats. A bool is one by inheritance
    # only.
    if isinstance(seconds, bool) or not isinstance(seconds, Real | Decimal):
        raise TypeError(f"seconds must be a number, not {seconds!r}")
    if not float(seconds) > 0:
        raise ValueError("seconds must be above zero")
    return float(seconds)
