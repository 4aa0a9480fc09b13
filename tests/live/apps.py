"""The application of the models that live GETs are tested with; only these tests install it."""

from django.apps import AppConfig


class LiveConfig(AppConfig):
    name = "tests.live"
    label = "live"
