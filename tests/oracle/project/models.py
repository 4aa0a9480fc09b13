"""Tables with every relation that Django has: what the oracle reads and writes."""

from enum import Enum
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Upper

LEGACY = "CREATE TABLE oracle_legacy (id integer PRIMARY KEY, name varchar(40) NOT NULL)"
"""Makes the table of ``Legacy``, which Django does not."""
LEAF = (
    "CREATE TABLE oracle_leaf (id integer PRIMARY KEY, text {folding} NOT NULL, "
    "room_id {key} REFERENCES oracle_room (id) ON DELETE CASCADE ON UPDATE CASCADE)"
)
"""Makes the table of ``Leaf``, with what no model tells."""


class Kind(str, Enum):  # noqa: UP042  # whose str() is its name
    """Of accounts."""

    PERSON = "person"
    ROBOT = "robot"


class Person(models.Model):
    """Has a boss, or is one."""

    name = models.CharField(max_length=40)
    boss = models.ForeignKey("self", models.SET_NULL, null=True, related_name="team")


class Room(models.Model):
    """Holds books; they go with it."""

    name = models.CharField(max_length=40)
    is_open = models.BooleanField(default=True)


class Tag(models.Model):
    """On books, by a table that Django makes."""

    name = models.CharField(max_length=40)


class Book(models.Model):
    """In the middle of everything."""

    title = models.CharField(max_length=40)
    kind = models.IntegerField(default=0)
    price = models.IntegerField(default=0)
    room = models.ForeignKey(Room, models.CASCADE, null=True)
    author = models.ForeignKey(Person, models.CASCADE, null=True)
    tags = models.ManyToManyField(Tag)
    readers = models.ManyToManyField(Person, through="Reading", related_name="reads")


class Reading(models.Model):
    """Who read what, and how it was."""

    person = models.ForeignKey(Person, models.CASCADE)
    book = models.ForeignKey(Book, models.CASCADE)
    stars = models.IntegerField(default=0)


class Place(models.Model):
    """Parent of a table."""

    name = models.CharField(max_length=40)


class Restaurant(Place):
    """Child of a table."""

    stars = models.IntegerField(default=0)


class Note(models.Model):
    """Its table has a name that another one begins with."""

    text = models.CharField(max_length=40)
    about = models.ManyToManyField(Tag)


class Notebook(models.Model):
    """The other one."""

    text = models.CharField(max_length=40)


class Mixed(models.Model):
    """Its table's name has letters of both cases."""

    text = models.CharField(max_length=40)

    class Meta:
        db_table = "OracleMixedCase"


class Legacy(models.Model):
    """Its table is not Django's to make."""

    name = models.CharField(max_length=40)

    class Meta:
        managed = False
        db_table = "oracle_legacy"


class Leaf(models.Model):
    """Goes with its room, which only the database knows; its text is compared in any case."""

    text = models.CharField(max_length=40)
    room = models.ForeignKey(Room, models.DO_NOTHING, null=True)

    class Meta:
        managed = False
        db_table = "oracle_leaf"


class Account(models.Model):
    """Of a kind, with a column that the database computes of it."""

    kind = models.CharField(max_length=40)
    user = models.IntegerField(default=0)
    is_banned = models.BooleanField(default=False)
    label = models.GeneratedField(
        expression=Upper("kind"), output_field=models.CharField(max_length=40), db_persist=True
    )


class Secret(models.Model):
    """For its owner only."""

    text = models.CharField(max_length=40)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)

    class Meta:
        permissions: ClassVar = [("read_all", "Can read what others own")]
