"""The ASGI applications that are measured: ours, and Django's own."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.project")

from wsrequest.asgi import get_asgi_application

application = get_asgi_application()
