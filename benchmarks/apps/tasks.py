"""A Celery application of the project. Its broker and its results are in Redis at BENCH_CELERY."""

import os

import django
from celery import Celery

django.setup()

from benchmarks.committed import write_score  # noqa: E402 - needs the apps

_URL = os.environ["BENCH_CELERY"]
app = Celery("benchmarks.apps.tasks", broker=_URL, backend=_URL)
app.conf.broker_connection_retry_on_startup = True


@app.task
def write(pk: int, n: int) -> float:
    """Commit a number; return when COMMIT returned."""
    return write_score(pk, n)
