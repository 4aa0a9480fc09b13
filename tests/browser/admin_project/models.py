"""What the admin shows."""

from django.db import models
from django.utils import timezone

__all__ = ["Draft", "Line", "Memo", "Note", "Topic"]


class Topic(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return str(self.name)


class Note(models.Model):
    title = models.CharField(max_length=100)
    text = models.TextField(blank=True)
    topic = models.ForeignKey(Topic, models.SET_NULL, null=True, blank=True)
    is_public = models.BooleanField(default=False)
    day = models.DateField(default=timezone.localdate)

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        return str(self.title)


class Draft(Note):
    """The same rows, in a list whose rows are edited in place."""

    class Meta:
        proxy = True


class Memo(Note):
    """The same rows, in a list without boxes and links."""

    class Meta:
        proxy = True


class Line(models.Model):
    note = models.ForeignKey(Note, models.CASCADE)
    text = models.CharField(max_length=100)

    def __str__(self) -> str:
        return str(self.text)
