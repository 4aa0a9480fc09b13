"""The application of the oracle's tables, beside the test project's own."""

from django.apps import AppConfig


class OracleConfig(AppConfig):
    """Without migrations: ``tests.oracle.world`` makes the tables in a database of its own."""

    name = "tests.oracle.project"
    label = "oracle"
    default_auto_field = "django.db.models.AutoField"
