"""A Celery application of the test project. Its broker is a directory, so it needs no server."""

import os
from pathlib import Path

import django
from celery import Celery

django.setup()

from tests.project.models import Note  # noqa: E402 - needs the apps

_DIRECTORY = Path(os.environ["PROJECT_DATA"]) / "celery"
_DIRECTORY.mkdir(exist_ok=True)

app = Celery("tests.processes.tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": str(_DIRECTORY),
    "data_folder_out": str(_DIRECTORY),
    "control_folder": str(_DIRECTORY / "control"),
    "store_processed": False,
}
app.conf.worker_max_tasks_per_child = 1  # each task ends its process
app.conf.broker_connection_retry_on_startup = True


@app.task(ignore_result=True)
def add_note(text: str) -> None:
    """Write a note."""
    Note.objects.create(text=text)
