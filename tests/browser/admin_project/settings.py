"""Settings of a project with an admin, on a database in PROJECT_DATA.

PROJECT_SETTINGS is an object of other settings in JSON, whose lists are put before those that are
here. PROJECT_THEME puts a theme into the project.
"""

import json
import os

from tests.browser.base_settings import *  # noqa: F403
from tests.browser.base_settings import CONTRIB_APPS, change_settings, csp_policy

ROOT_URLCONF = "tests.browser.admin_project.urls"
INSTALLED_APPS = [
    "wsrequest",
    *filter(None, [os.environ.get("PROJECT_THEME")]),
    "django.contrib.admin",
    *CONTRIB_APPS,
    "wsrequest.contrib.admin",
    "tests.browser.admin_project",
]

globals().update(
    (name, json.loads(value)) for name, value in os.environ.items() if name.startswith("WSREQUEST_")
)
change_settings(globals(), "PROJECT_SETTINGS")
if "POLICY" in globals():
    CONTENT_SECURITY_POLICY = csp_policy(globals()["POLICY"])
