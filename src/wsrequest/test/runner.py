"""A test runner that replaces the clients of a suite without any edit of it."""

import sys
from typing import Any

from django.test.runner import DiscoverRunner
from django.utils.module_loading import import_string

from wsrequest.conf import conf
from wsrequest.test.clients import replace_django_clients

__all__ = ["WebSocketRunner"]


def _project_runner() -> Any:
    """The class that ``TEST_RUNNER`` names, and Django's where that one builds on ours."""
    dotted = str(conf.django("TEST_RUNNER"))
    module = sys.modules.get(dotted.rpartition(".")[0])
    is_being_imported = getattr(getattr(module, "__spec__", None), "_initializing", False)
    return DiscoverRunner if is_being_imported else import_string(dotted)


class WebSocketRunner(_project_runner()):  # type: ignore[misc]  # known at run time only
    """``manage.py test --testrunner wsrequest.test.runner.WebSocketRunner``.

    It is a subclass of the runner in ``TEST_RUNNER``, so options, databases and results are those
    of the project.
    """

    def run_tests(self, *args: Any, **kwargs: Any) -> Any:
        """Run the tests with the clients replaced. Forked workers inherit that.

        This is the one method that every runner has (docs.djangoproject.com, "Defining a test
        runner"). One that starts pytest has no ``setup_test_environment``.
        """
        with replace_django_clients():
            return super().run_tests(*args, **kwargs)
