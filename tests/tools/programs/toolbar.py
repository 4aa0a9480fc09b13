"""The test project under django-debug-toolbar."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.tools.programs.toolbar_settings"

from tests.project.asgi import application

__all__ = ["application"]
