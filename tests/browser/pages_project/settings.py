"""Settings of a project of plain pages, on a database in PROJECT_DATA.

PROJECT_SETTINGS is an object of other settings in JSON, whose lists are put before those that are
here.
"""

from pathlib import Path

from tests.browser.base_settings import *  # noqa: F403
from tests.browser.base_settings import CONTRIB_APPS, TEMPLATES, change_settings

ROOT_URLCONF = "tests.browser.pages_project.urls"
LOGIN_URL = "/login/"
INSTALLED_APPS = ["wsrequest", *CONTRIB_APPS, "tests.browser.pages_project"]
TEMPLATES[0] |= {"DIRS": [Path(__file__).parent / "templates"], "APP_DIRS": False}

change_settings(globals(), "PROJECT_SETTINGS")
