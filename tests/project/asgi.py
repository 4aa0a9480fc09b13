"""The ASGI application of the test project: Django's import, with the package's in its place."""

import os

from wsrequest.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
application = get_asgi_application()
