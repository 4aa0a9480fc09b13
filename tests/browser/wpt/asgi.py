"""The application that serves the Web Platform Tests, over HTTP and over the socket."""

import os

from wsrequest.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.wpt.settings")
application = get_asgi_application()
