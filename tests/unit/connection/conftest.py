"""Connections are tested with the views of ``tests.unit.views``."""

from tests.unit.fixtures import _project, finished

__all__ = ["_project", "finished"]
