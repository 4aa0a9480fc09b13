"""The application of a server of the site."""

import os

from wsrequest.asgi import get_asgi_application

application = get_asgi_application()

from tests.oracle.events.bugs import plant  # noqa: E402 - needs the apps

plant(os.environ.get("ORACLE_BUG"))
