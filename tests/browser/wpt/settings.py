"""Settings of the project that serves the Web Platform Tests: no middleware, one view.

The environment names the tests' folder (WPT_ROOT), the two ports (WPT_PORTS), and a script that
runs in each page and worker before its tests (WPT_PRELUDE, none by default).
"""

import os
from pathlib import Path

ROOT = Path(os.environ["WPT_ROOT"])
PORTS = [int(port) for port in os.environ["WPT_PORTS"].split(",")]
PRELUDE = Path(os.environ["WPT_PRELUDE"]).read_text() if "WPT_PRELUDE" in os.environ else ""

SECRET_KEY = "a key for tests, which guards nothing"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "tests.browser.wpt.urls"
INSTALLED_APPS = ["wsrequest"]
MIDDLEWARE: list[str] = []
USE_TZ = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 2**20
# One browser opens a page for each test, all of one address.
WSREQUEST_MAX_HANDSHAKES_PER_SECOND = 1000
