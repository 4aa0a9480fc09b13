"""Tables that writes reach in different ways."""

import uuid
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Lower


class Room(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "live"


class Tag(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "live"


class Note(models.Model):
    """In a room, with tags. A room takes its notes along."""

    text = models.CharField(max_length=50)
    key = models.UUIDField(default=uuid.uuid4)
    room = models.ForeignKey(Room, models.CASCADE, null=True)
    tags = models.ManyToManyField(Tag)

    class Meta:
        app_label = "live"


class Notebook(models.Model):
    """Its table begins with the name of that of notes."""

    title = models.CharField(max_length=50)

    class Meta:
        app_label = "live"


class Article(Note):
    """A note with a table of its own besides that of notes."""

    body = models.TextField()

    class Meta:
        app_label = "live"


class Account(models.Model):
    """Of a kind, with a column that the database computes from it."""

    kind = models.CharField(max_length=50)
    user = models.IntegerField(default=0)
    is_banned = models.BooleanField(default=False)
    label = models.GeneratedField(
        expression=Lower("kind"), output_field=models.CharField(max_length=50), db_persist=True
    )

    class Meta:
        app_label = "live"


class Mixed(models.Model):
    text = models.CharField(max_length=50)

    class Meta:
        app_label = "live"
        db_table = "Live_MixedCase"


class Legacy(models.Model):
    """A table that Django does not make."""

    text = models.CharField(max_length=50)

    class Meta:
        app_label = "live"
        managed = False
        db_table = "live_legacy"


class Branch(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "live"


class Leaf(models.Model):
    """Its table was made by SQL, and does what no model tells (``LEAF``)."""

    id = models.IntegerField(primary_key=True)
    branch = models.ForeignKey(Branch, models.DO_NOTHING, null=True)
    text = models.CharField(max_length=50)

    class Meta:
        app_label = "live"


LEAF = """
    CREATE TABLE live_leaf (id integer PRIMARY KEY, branch_id bigint
        REFERENCES live_branch (id) ON DELETE CASCADE ON UPDATE CASCADE, text {text} NOT NULL)"""

MODELS: list[type[models.Model]] = [Room, Tag, Note, Notebook, Article, Account, Branch, Mixed]

if hasattr(models, "DB_CASCADE"):  # Django 6.1

    class Reply(models.Model):
        """The database takes it along with its note."""

        note = models.ForeignKey(Note, models.DB_CASCADE)

        class Meta:
            app_label = "live"

    class Answer(models.Model):
        """The database takes it along with its reply, and forgets its tag."""

        reply = models.ForeignKey(Reply, models.DB_CASCADE)
        tag = models.ForeignKey(Tag, models.DB_SET_NULL, null=True)

        class Meta:
            app_label = "live"

    MODELS += [Reply, Answer]


class Router:
    """Keeps this application in a database of its own."""

    databases: ClassVar[dict[str, str]] = {"live": "live"}

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        return self.databases.get(model._meta.app_label)

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == self.databases[app_label] if app_label in self.databases else None
