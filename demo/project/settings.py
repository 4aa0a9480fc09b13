"""Settings of the demo: an ordinary Django project on SQLite.

All that wsrequest needs here is its line in INSTALLED_APPS; one more makes the admin live. The
environment may set DEMO_DB (path of the database file), DEMO_DEBUG (0 turns DEBUG off),
DEMO_ANON_RATE (anonymous creates, as "30/min"), DEMO_BUS (what carries commits from process to
process) and DEMO_POSTGRES (the name of a PostgreSQL database instead of SQLite, at the address in
libpq's variables, such as PGHOST).
"""

import os
from datetime import timedelta
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# For development only: it is public, so whoever reads it can forge this demo's sessions and tokens.
# A deployed project must keep its key secret.
SECRET_KEY = "django-insecure-demo-only-key-that-anyone-can-read-do-not-deploy-it"

DEBUG = os.environ.get("DEMO_DEBUG", "1") != "0"

ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "wsrequest",  # above staticfiles, because it brings its own runserver
    "wsrequest.contrib.admin",  # the admin, live
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "snippets",
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

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
WSGI_APPLICATION = "project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DEMO_DB") or BASE_DIR / "db.sqlite3",
        # Several threads write at once, so writers queue at BEGIN instead of failing in their
        # middle, and readers do not wait for them.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    },
}
if "DEMO_POSTGRES" in os.environ:
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["DEMO_POSTGRES"],
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK = {
    # The token comes first: a message that carries one means it, whoever the session's user is.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticatedOrReadOnly"],
    "DEFAULT_PAGINATION_CLASS": "snippets.pagination.SnippetPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {"anon_create": os.environ.get("DEMO_ANON_RATE") or "30/min"},
    # No proxy stands in front, so X-Forwarded-For must not choose whose rate is counted.
    "NUM_PROXIES": 0,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Snippets",
    "VERSION": "1.0.0",
    # What is read-only is in every answer, and in no request: so a client gets a type for each.
    "COMPONENT_SPLIT_REQUEST": True,
}

SIMPLE_JWT = {
    "AUTH_HEADER_TYPES": ("JWT",),  # what a message's "token" becomes
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
}

LOGIN_URL = "rest_framework:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"

if "DEMO_BUS" in os.environ:
    WSREQUEST_BUS = os.environ["DEMO_BUS"]
