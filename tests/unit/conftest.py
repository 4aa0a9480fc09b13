"""What all unit tests share: requests that leave the test's own database connections alone."""

from collections.abc import Iterator

import pytest
from django.core import signals
from django.db import close_old_connections


@pytest.fixture(autouse=True)
def _own_connections() -> Iterator[None]:
    """As Django's test client does: a request ends, and the test's transaction does not."""
    ends = (signals.request_started, signals.request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield
    for signal in ends:
        signal.connect(close_old_connections)
