"""The application that real browsers visit."""

import os

from wsrequest.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.project.settings")
application = get_asgi_application()
