"""The project of the unit tests, for tests that need no server; servers bring their own."""

from tests.unit.fixtures import _project, finished

__all__ = ["_project", "finished"]
