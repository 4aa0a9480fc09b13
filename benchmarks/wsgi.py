"""The WSGI application that is measured."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.project")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
