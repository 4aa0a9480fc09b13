"""The demo's settings for production: PostgreSQL, and everything else from the environment.

``DJANGO_SETTINGS_MODULE=production``, with this directory and demo/ on the path of imports. It
needs SECRET_KEY, HOSTS and POSTGRES, and takes BUS, POSTGRES_*,
STATIC_ROOT, and TLS=0 for a try.
"""

import os

from project.settings import *  # noqa: F403

DEBUG = False
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = os.environ["HOSTS"].split(",")

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["POSTGRES"],
        "PORT": os.environ.get("POSTGRES_PORT", "5432"),
        "NAME": os.environ.get("POSTGRES_DB", "app"),
        "USER": os.environ.get("POSTGRES_USER", "app"),
        "PASSWORD": os.environ.get("POSTGRES_PASSWORD", ""),
        # Threads keep their connections. One that broke is noticed before a request uses it.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5},
    }
}

WSREQUEST_BUS = os.environ.get("BUS", "postgresql+log://default")

# nginx sets the header on every request, so no client can. It also redirects to TLS.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
if os.environ.get("TLS", "1") == "1":
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 3600  # raise it when all works
STATIC_ROOT = os.environ.get("STATIC_ROOT", "/srv/app/static")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
