"""A pytest plugin that puts our clients into a suite without an edit.

``pytest -p wsrequest.test.plugin``. It needs nothing of pytest but to be called by it.
"""

from typing import Any

from wsrequest.test.clients import replace_django_clients

__all__ = ["pytest_configure"]


def pytest_configure(config: Any) -> None:
    """Replace the clients until pytest ends."""
    config.add_cleanup(replace_django_clients().close)
