"""The application of live pages that real browsers visit, on a new database."""

import os

from django.core.management import call_command

from wsrequest.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.pages_project.settings")
application = get_asgi_application()
call_command("migrate", run_syncdb=True, verbosity=0)
