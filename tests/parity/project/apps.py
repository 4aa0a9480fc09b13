"""Starts the recorder with the project."""

from django.apps import AppConfig


class ParityConfig(AppConfig):
    name = "tests.parity.project"
    label = "parity"

    def ready(self) -> None:
        from tests.parity.project import recorder  # the log handler imports it before the apps

        recorder.start()
