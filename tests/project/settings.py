"""Settings of the test project.

Owns the stack that every test request passes through. A test changes it by environment
variables: ``PROJECT_*`` for the databases, ``PROJECT_DJANGO`` (a JSON object) for Django itself,
``WSREQUEST_*`` (JSON values) for those of the package under test.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("PROJECT_DATA", tempfile.gettempdir()))

SECRET_KEY = "a key for tests, which guards nothing"
DEBUG = os.environ.get("PROJECT_DEBUG") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ROOT_URLCONF = "tests.project.urls"
ASGI_APPLICATION = "tests.project.asgi.application"

INSTALLED_APPS = [
    "wsrequest",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "ninja",
    "tests.project",
    "tests.oracle.project.apps.OracleConfig",
]

# The seven of startproject, and the three that touch bodies and languages, in the order that
# Django's documentation gives; the project's own stands last, next to the view.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tests.project.middleware.RecordingMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def sqlite(name: str) -> dict[str, Any]:
    """Return the settings of one SQLite file in ``PROJECT_DATA``."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / f"{name}.sqlite3",
        # Several threads write: wait for a lock, and take it before reading.
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        "CONN_MAX_AGE": int(os.environ.get("PROJECT_CONN_MAX_AGE", "60")),
    }


def postgres(parameters: str) -> dict[str, Any]:
    """Return the settings of a PostgreSQL database; ``parameters`` is a JSON object of them."""
    return {"ENGINE": "django.db.backends.postgresql", **json.loads(parameters)}


DATABASES: dict[str, dict[str, Any]] = {"default": sqlite("default"), "other": sqlite("other")}
if "PROJECT_POSTGRES" in os.environ:
    DATABASES["default"] = postgres(os.environ["PROJECT_POSTGRES"])
if "PROJECT_POSTGRES_OTHER" in os.environ:
    DATABASES["other"] = postgres(os.environ["PROJECT_POSTGRES_OTHER"])
# Django refuses async views while any alias is atomic, so it is so only where a test asks.
DATABASES["other"]["ATOMIC_REQUESTS"] = os.environ.get("PROJECT_ATOMIC_REQUESTS") == "1"
DATABASE_ROUTERS = ["tests.project.models.MirrorRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Passwords are made by the dozen; how hard they are to guess is not under test.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

USE_TZ = True
USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French")]
STATIC_URL = "/static/"

# Small, so that a test need not send megabytes to reach the temporary file or the limit.
FILE_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
FILE_UPLOAD_TEMP_DIR = os.environ.get("PROJECT_UPLOADS")

# Everything from INFO to the server's log, where Django shows its own with DEBUG only.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        name: {
            "handlers": ["console"],
            "level": os.environ.get("PROJECT_LOG_LEVEL", "INFO"),
            "propagate": False,
        }
        for name in ("django", "wsrequest")
    },
}

WSREQUEST_ALLOWED_ORIGINS = ["https://app.example"]
WSREQUEST_FORBIDDEN_HEADERS = ["X-Project-Secret", "X-Projects-*"]
WSREQUEST_PER_REQUEST_HEADERS = ["X-Acme-*"]
globals().update(
    (name, json.loads(value)) for name, value in os.environ.items() if name.startswith("WSREQUEST_")
)
globals().update(json.loads(os.environ.get("PROJECT_DJANGO", "{}")))
