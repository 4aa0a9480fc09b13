"""Settings of each process of the site: ORACLE_SITE is a JSON object with ``data`` and ``bus``."""

import json
import os
from pathlib import Path

from tests.oracle import settings as oracle_settings
from tests.project.settings import *  # noqa: F403
from tests.project.settings import DATABASES

SITE = json.loads(os.environ["ORACLE_SITE"])

globals().update(oracle_settings.SETTINGS)
DATABASES["default"] = {**oracle_settings.sqlite(SITE["data"]), "CONN_MAX_AGE": 600}
if SITE.get("postgres"):
    engine = "django.db.backends.postgresql"
    DATABASES["default"] = {"ENGINE": engine, **SITE["postgres"], "CONN_MAX_AGE": 600}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(Path(SITE["data"]) / "cache"),
        "TIMEOUT": None,
    },
    "table": oracle_settings.SETTINGS["CACHES"]["table"],
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
WSREQUEST_BUS = SITE["bus"]
WSREQUEST_RELAYED_LOG = SITE.get("relayed_log", "")
# Only the bus may heal what a fault has broken.
WSREQUEST_LIVE_RECHECK_SECONDS = 0
