"""Django's own settings for its suite, on SQLite, with the runner that writes down outcomes."""

from importlib import import_module

globals().update(
    {name: value for name, value in vars(import_module("test_sqlite")).items() if name.isupper()}
)
TEST_RUNNER = "tests.django_suite.recording.Runner"
