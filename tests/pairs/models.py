"""Tables beside the oracle's: a key with another name, and columns that only PostgreSQL has.

``world.tables`` makes them, in the oracle's database.
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField, HStoreField, IntegerRangeField
from django.db import models

from tests.oracle.project.models import Room

__all__ = ["Crate", "Shelf"]


# As if the oracle's tables did not know of it: these here may be missing.
_LOOSE: Any = {"null": True, "db_constraint": False, "related_name": "+"}


class Shelf(models.Model):
    """Full or not."""

    code = models.AutoField(primary_key=True)
    label = models.CharField(max_length=40)
    is_full = models.BooleanField(default=False)
    room = models.ForeignKey(Room, models.DO_NOTHING, **_LOOSE)

    class Meta:
        app_label = "oracle"


class Crate(models.Model):
    """Holds what no column of the standard holds."""

    labels: Any = ArrayField(models.CharField(max_length=9))
    extra = HStoreField()
    span = IntegerRangeField()
    room = models.ForeignKey(Room, models.DO_NOTHING, **_LOOSE)

    class Meta:
        app_label = "oracle"
        required_db_vendor = "postgresql"
