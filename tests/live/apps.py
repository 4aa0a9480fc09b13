"""The application of the models for these tests. No other test installs it."""

from django.apps import AppConfig


class LiveConfig(AppConfig):
    name = "tests.live"
    label = "live"
