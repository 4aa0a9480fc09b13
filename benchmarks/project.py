"""The settings of the project that is measured: startproject's seven middleware, SQLite.

All subjects share them. The database is named by BENCH_DB, or by BENCH_POSTGRES, the JSON of
parameters. BENCH_THREADS is for trying another number of threads, the default is the package's own.
"""

import json
import os

SECRET_KEY = "for measuring only"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "benchmarks.urls"
STATIC_URL = "static/"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
INSTALLED_APPS = [
    "wsrequest",
    "benchmarks",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BENCH_DB"],
        "CONN_MAX_AGE": None,  # where threads persist it may, as under WSGI
    }
}
if "BENCH_POSTGRES" in os.environ:
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": None,
        "OPTIONS": json.loads(os.environ.get("BENCH_POSTGRES_OPTIONS", "{}")),
        **json.loads(os.environ["BENCH_POSTGRES"]),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
WSREQUEST_MAX_CONNECTIONS_PER_ADDRESS = 10_000  # all clients of the idle row share one
WSREQUEST_MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS = 500
WSREQUEST_BUS = os.environ.get("BENCH_BUS", "memory://")
globals().update(json.loads(os.environ.get("BENCH_SETTINGS", "{}")))  # any other setting
if "BENCH_THREADS" in os.environ:
    WSREQUEST_THREADS = int(os.environ["BENCH_THREADS"])
