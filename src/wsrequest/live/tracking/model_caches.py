"""Tracks what Django caches of the database in the process: sites and content types.

It wraps the methods of the two managers. A run that is answered from such a cache counts as reading
the table all the same, and clearing the cache counts as a write.
"""

from functools import partial
from typing import Any

from django.apps import apps
from django.db import router

from wsrequest.live.tracking.keys import MODEL_CACHES, KeyTracker, hashed
from wsrequest.live.tracking.reads import current
from wsrequest.live.tracking.schema import folded
from wsrequest.live.tracking.wrapping import Wrapping

__all__ = ["ModelCaches"]

_MANAGERS = (
    ("django.contrib.sites", "sites", "Site", ("get_current",)),
    (
        *("django.contrib.contenttypes", "contenttypes", "ContentType"),
        ("get_by_natural_key", "get_for_id", "get_for_model", "get_for_models"),
    ),
)


class ModelCaches:
    """Tracks the caches of Django's own models.

    Args:
        keys: records the keys.
        primary: returns the alias that a database's tables are known by.
    """

    def __init__(self, keys: KeyTracker, primary: Any) -> None:
        self._keys, self._primary = keys, primary
        self._wrapping = Wrapping()

    def install(self) -> None:
        """Wrap the managers of the installed applications."""
        for name, label, model_name, readers in _MANAGERS:
            if not apps.is_installed(name):
                continue
            model: Any = apps.get_model(label, model_name)
            manager = type(model._default_manager)
            around = partial(self._read, model, hashed(model_name))
            for reader in readers:
                self._wrapping.wrap(manager, reader, around, of=self._keys)
            cleared = partial(self._cleared, hashed(model_name))
            late = partial(self._publish, hashed(model_name))
            self._wrapping.wrap(manager, "clear_cache", cleared, late, of=self._keys)

    def uninstall(self) -> None:
        """Restore the classes."""
        self._wrapping.undo()

    def _read(
        self, model: Any, name: str, original: Any, manager: Any, args: Any, kwargs: Any
    ) -> Any:
        reads = current()
        if reads is not None:
            alias = manager._db or router.db_for_read(model)
            reads.add(self._primary(alias), folded(model._meta.db_table))
            self._keys.note(MODEL_CACHES, name)
        return original(manager, *args, **kwargs)

    def _cleared(self, name: str, original: Any, manager: Any, args: Any, kwargs: Any) -> Any:
        try:
            return original(manager, *args, **kwargs)
        finally:
            self._publish(name, manager, args, kwargs)

    def _publish(self, name: str, manager: Any, args: Any, kwargs: Any) -> None:
        self._keys.wrote(MODEL_CACHES, [name])
