"""The hand-written consumer through Channels, without a stack of its own."""

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application
from django.utils.module_loading import import_string

http = get_asgi_application()  # sets Django up, which the consumer's imports need
consumer = import_string("benchmarks.consumers.Consumer")
application = ProtocolTypeRouter({"http": http, "websocket": consumer.as_asgi()})
