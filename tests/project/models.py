"""The project's tables: one in each database."""

from typing import Any, ClassVar

from django.db import models


class Note(models.Model):
    """A line of text, in the database ``default``."""

    text = models.CharField(max_length=200)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return str(self.text)


class Mirror(models.Model):
    """A line of text, in the database ``other``."""

    text = models.CharField(max_length=200)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return str(self.text)


class MirrorRouter:
    """Keeps ``Mirror`` in ``other`` and everything else in ``default``."""

    def _alias(self, name: str | None) -> str:
        return "other" if name == "mirror" else "default"

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:
        return self._alias(model._meta.model_name)

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:
        return self._alias(model._meta.model_name)

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool | None:
        return None if model_name is None else db == self._alias(model_name)
