"""The project that connections are tested with: the views of ``tests.unit.views``, no database."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import request_finished

from tests.unit.views import ORDER, STAGES


@pytest.fixture(autouse=True)
def _project(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = "tests.unit.views"
    settings.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    STAGES.clear()
    ORDER.clear()
    yield
    STAGES.clear()


@pytest.fixture
def finished() -> Iterator[threading.Semaphore]:
    """Released once for each ``request_finished``."""
    semaphore = threading.Semaphore(0)

    def receiver(**kwargs: Any) -> None:
        semaphore.release()

    request_finished.connect(receiver)
    yield semaphore
    request_finished.disconnect(receiver)
