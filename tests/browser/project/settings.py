"""Settings of the project that real browsers visit: an ordinary stack, sessions in files.

The environment sets BROWSER_DATA (directory of the sessions and the journal), BROWSER_LIFE (how
often the server was begun), WSREQUEST_* and SESSION_*, in JSON, and BROWSER_SETTINGS: an object of
other settings, whose lists are put before those that are here.
"""

import json
import os
from pathlib import Path

from tests.browser import base_settings
from tests.browser.base_settings import change_settings, csp_policy

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
LOGGING = base_settings.LOGGING
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 2**20

globals().update(
    (name, json.loads(value))
    for name, value in os.environ.items()
    if name.startswith(("WSREQUEST_", "SESSION_"))
)
change_settings(globals(), "BROWSER_SETTINGS")
if "BROWSER_POLICY" in globals():
    CONTENT_SECURITY_POLICY = csp_policy(globals()["BROWSER_POLICY"])
