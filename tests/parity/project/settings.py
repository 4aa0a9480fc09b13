"""Settings of the recorded project: those of the test project, with middleware that takes notes.

Owns the three stacks of middleware that a row of the table may run through.
"""

import os
from typing import Any

from tests.project.settings import *  # noqa: F403
from tests.project.settings import DATABASES
from tests.project.settings import INSTALLED_APPS as PROJECT_APPS
from tests.project.settings import MIDDLEWARE as PROJECT_MIDDLEWARE

ROOT_URLCONF = "tests.parity.project.urls"
ASGI_APPLICATION = "tests.parity.project.asgi.application"
WSGI_APPLICATION = "tests.parity.project.wsgi.application"
INSTALLED_APPS = [*PROJECT_APPS, "tests.parity.project"]

# No row is to survive a crash: without waiting for the disk the table takes seconds.
for database in DATABASES.values():
    database["OPTIONS"]["init_command"] = "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY"

HERE = "tests.parity.project.middleware"
FULL = [
    f"{HERE}.First",
    f"{HERE}.UpdateCache",
    *PROJECT_MIDDLEWARE[:-1],
    f"{HERE}.FetchFromCache",
    f"{HERE}.hybrid",
    f"{HERE}.Last",
]
SESSIONS = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
# What middleware reads when it is built can only be set for a whole stack.
STACKS: dict[str, dict[str, Any]] = {
    "full": {"MIDDLEWARE": FULL},
    "bare": {"MIDDLEWARE": []},
    "async": {"MIDDLEWARE": [f"{HERE}.First", f"{HERE}.asynchronous", *SESSIONS, f"{HERE}.Last"]},
    "secure": {
        "MIDDLEWARE": FULL,
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 60,
        "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
    },
}
MIDDLEWARE = FULL

# One thread for synchronous code in each server, so that a row finds the connections of the last.
WSREQUEST_THREADS = 1
WSREQUEST_HTTP = os.environ.get("PARITY_HTTP", "workers")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain", "level": "INFO"},
        "recorder": {"class": "tests.parity.project.recorder.LogHandler"},
    },
    "loggers": {
        "django": {"handlers": ["console", "recorder"], "level": "INFO", "propagate": False},
        "django.db.backends": {"level": "DEBUG"},
        "wsrequest": {"handlers": ["console", "recorder"], "level": "WARNING", "propagate": False},
    },
}
