"""The application of a server of the site."""

import os

from tests.oracle.faults.bugs import plant
from wsrequest.asgi import get_asgi_application

application = get_asgi_application()

from tests.oracle.world import forgetting  # noqa: E402 - needs the apps

_forgets = forgetting()
_forgets.__enter__()
plant(os.environ.get("ORACLE_BUG"))
