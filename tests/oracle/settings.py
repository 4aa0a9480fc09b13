"""The settings of the oracle's world, which need no Django to be read."""

from pathlib import Path
from typing import Any

__all__ = ["SETTINGS", "sqlite"]

SETTINGS: dict[str, Any] = {
    "ROOT_URLCONF": "tests.oracle.project.urls",
    "MIDDLEWARE": [
        "django.middleware.common.CommonMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
    ],
    "LOGIN_URL": "/log-in/",
    "CACHES": {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "oracle",
            "TIMEOUT": None,
        },
        "table": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "oracle_cache",
            "TIMEOUT": None,
        },
    },
    # Few threads and bytes, and no pauses, so that everything meets that can meet.
    "WSREQUEST_THREADS": 4,
    "WSREQUEST_MAX_OUTBOUND_BYTES": 1024,
    "WSREQUEST_LIVE_INTERVAL_SECONDS": 0.001,
}


def sqlite(directory: str | Path) -> dict[str, Any]:
    """A file that can be read while it is written, as Django's documentation sets it up."""
    options = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
    }
    name = Path(directory) / "oracle.sqlite3"
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options}
