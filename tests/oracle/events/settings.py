"""Settings of each process of the site: those of the run under faults, with room for a crowd."""

import os

from tests.oracle.faults.settings import *  # noqa: F403

if "ORACLE_KEPT" in os.environ:
    WSREQUEST_PUSH_SHARED_HISTORY_BYTES = 2**22
    WSREQUEST_PUSH_HISTORY_EVENTS = 1000
ROOT_URLCONF = "tests.oracle.events.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
WSREQUEST_MAX_OUTBOUND_BYTES = 2**19
WSREQUEST_LIVE_INTERVAL_SECONDS = 0.05
WSREQUEST_MAX_CONNECTIONS = WSREQUEST_MAX_CONNECTIONS_PER_ADDRESS = 10_000
WSREQUEST_MAX_HANDSHAKES_PER_SECOND = 5_000
WSREQUEST_MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS = 5_000
