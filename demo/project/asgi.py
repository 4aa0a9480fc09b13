"""The demo's ASGI application: Django's HTTP, and the same URLs over the WebSocket at ``/ws/``."""

import os

from wsrequest.asgi import get_asgi_application  # the one changed import

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

application = get_asgi_application()
