"""Settings of the project that real browsers visit: an ordinary stack, sessions in files.

The environment sets BROWSER_DATA (directory of the sessions and the journal), BROWSER_LIFE (how
often the server was begun), WSREQUEST_* and SESSION_*, in JSON, and BROWSER_SETTINGS: an object of
other settings, whose lists are put before those that are here.
"""

import json
import os
from pathlib import Path

DATA = Path(os.environ["BROWSER_DATA"])
LIFE = os.environ["BROWSER_LIFE"]

SECRET_KEY = "a key for tests, which guards nothing"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.browser.project.urls"
INSTALLED_APPS = ["wsrequest", "django.contrib.sessions", "django.contrib.staticfiles"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
SESSION_ENGINE = "django.contrib.sessions.backends.file"
SESSION_FILE_PATH = str(DATA)
USE_TZ = True
STATIC_URL = "/static/"
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 2**20

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {name: {"handlers": ["console"]} for name in ("django", "wsrequest")},
}

globals().update(
    (name, json.loads(value))
    for name, value in os.environ.items()
    if name.startswith(("WSREQUEST_", "SESSION_"))
)
for _name, _value in json.loads(os.environ.get("BROWSER_SETTINGS", "{}")).items():
    globals()[_name] = _value + globals()[_name] if isinstance(_value, list) else _value

# For django-csp, whose place for the nonce is an object that JSON has not.
if "BROWSER_POLICY" in globals():
    from csp.constants import NONCE

    CONTENT_SECURITY_POLICY = {
        "DIRECTIVES": {
            name: [NONCE if value == "nonce" else value for value in values]
            for name, values in globals()["BROWSER_POLICY"].items()
        }
    }
