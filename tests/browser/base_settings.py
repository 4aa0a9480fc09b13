"""What the settings of the projects that browsers visit have in common: those of startproject.

The project's database is in PROJECT_DATA. A project takes all of this by a star import, and changes
what it needs to.
"""

import json
import os
from pathlib import Path
from typing import Any

SECRET_KEY = "a key for tests, which guards nothing"
ALLOWED_HOSTS = ["127.0.0.1"]
CONTRIB_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
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
TEMPLATES: list[dict[str, Any]] = [
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
        "NAME": Path(os.environ.get("PROJECT_DATA", ""), "db.sqlite3"),
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


def change_settings(settings: dict[str, Any], variable: str) -> None:
    """Change settings by a variable of the environment.

    Args:
        settings: the globals of a module of settings.
        variable: its name. It holds an object in JSON, whose lists are put before those of the
            module.
    """
    for name, value in json.loads(os.environ.get(variable, "{}")).items():
        settings[name] = value + settings[name] if isinstance(value, list) else value


def csp_policy(directives: dict[str, list[str]]) -> dict[str, Any]:
    """Return the policy of django-csp, whose place for the nonce is an object that JSON lacks.

    Args:
        directives: each with its values, of which "nonce" stands for that place.
    """
    from csp.constants import NONCE

    return {
        "DIRECTIVES": {
            name: [NONCE if value == "nonce" else value for value in values]
            for name, values in directives.items()
        }
    }
