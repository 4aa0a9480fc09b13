"""A pytest plugin that replaces the clients of a suite without any edit of it.

Use it with ``pytest -p wsrequest.test.plugin``. It needs nothing of pytest except to be called.
"""

from typing import Any

from wsrequest.test.clients import replace_django_clients

__all__ = ["pytest_configure"]


def pytest_configure(config: Any) -> None:
    """Replace the clients until pytest ends."""
    config.add_cleanup(replace_django_clients().close)
