"""The demo's HTTP without a socket, in a process of its own.

Usage: python -m tests.browser.halves wsgi PORT | live-server

``wsgi`` serves it beside the process of the socket. ``live-server`` runs a test case of Django's
StaticLiveServerTestCase: it prints its address, creates a snippet for each line that it reads, and
ends with its input.
"""

import os
import sys
from unittest import TestSuite, TextTestRunner

import django
from django.apps import apps
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.contrib.staticfiles.testing import StaticLiveServerTestCase
from django.core.servers.basehttp import run
from django.core.wsgi import get_wsgi_application
from django.test.runner import DiscoverRunner


class Page(StaticLiveServerTestCase):
    """Not collected: it needs a browser at the other end."""

    def test_page(self) -> None:
        print(self.live_server_url, flush=True)
        for title in sys.stdin:
            apps.get_model("snippets", "Snippet").objects.create(title=title.strip(), code="x")


def main(kind: str, port: str = "") -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    if kind == "wsgi":
        run("127.0.0.1", int(port), StaticFilesHandler(get_wsgi_application()), threading=True)
    runner = DiscoverRunner(verbosity=0, interactive=False)
    runner.setup_test_environment()
    databases = runner.setup_databases()
    result = TextTestRunner(stream=sys.stderr).run(TestSuite([Page("test_page")]))
    runner.teardown_databases(databases)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main(*sys.argv[1:])
