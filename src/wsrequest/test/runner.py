"""A test runner that puts our clients into a suite without an edit.

Owns one attribute of Django's runner; the replacing itself is ``clients``'.
"""

from typing import Any

from django.test.runner import DiscoverRunner

from wsrequest.test.clients import replace_django_clients

__all__ = ["WebSocketRunner"]


class WebSocketRunner(DiscoverRunner):
    """``manage.py test --testrunner wsrequest.test.runner.WebSocketRunner``."""

    def setup_test_environment(self, **kwargs: Any) -> None:
        """Replace the clients with the rest of the environment; forked workers inherit it."""
        super().setup_test_environment(**kwargs)
        self._replaced = replace_django_clients()

    def teardown_test_environment(self, **kwargs: Any) -> None:
        """Take the replacement back."""
        self._replaced.close()
        super().teardown_test_environment(**kwargs)
