"""The rows that change while live requests are measured."""

from django.db import models


class Score(models.Model):
    """What a page shows to many. A row for each crowd of subscribers, and some for a list."""

    n = models.IntegerField()
    text = models.TextField()
