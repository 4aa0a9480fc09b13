"""Settings of a project with an admin, on a database in PROJECT_DATA.

PROJECT_SETTINGS is an object of other settings in JSON, whose lists are put before those that are
here. PROJECT_THEME puts a theme into the project.
"""

import json
import os
from pathlib import Path

DATA = Path(os.environ["PROJECT_DATA"])
THEMES = {"": [], "unfold": ["unfold"], "jazzmin": ["jazzmin"]}

SECRET_KEY = "a key for tests, which guards nothing"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.browser.admin_project.urls"
INSTALLED_APPS = [
    "wsrequest",
    *THEMES[os.environ.get("PROJECT_THEME", "")],
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "wsrequest.contrib.admin",
    "tests.browser.admin_project",
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
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "db.sqlite3",
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True
STATIC_URL = "/static/"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {name: {"handlers": ["console"]} for name in ("django", "wsrequest")},
}

globals().update(
    (name, json.loads(value)) for name, value in os.environ.items() if name.startswith("WSREQUEST_")
)
for _name, _value in json.loads(os.environ.get("PROJECT_SETTINGS", "{}")).items():
    globals()[_name] = _value + globals()[_name] if isinstance(_value, list) else _value

# For django-csp, whose place for the nonce is an object that JSON has not.
if "POLICY" in globals():
    from csp.constants import NONCE

    CONTENT_SECURITY_POLICY = {
        "DIRECTIVES": {
            name: [NONCE if value == "nonce" else value for value in values]
            for name, values in globals()["POLICY"].items()
        }
    }
