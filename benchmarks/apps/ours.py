"""The project through wsrequest."""

from wsrequest.asgi import get_asgi_application

application = get_asgi_application()
