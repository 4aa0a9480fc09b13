"""A process forks while other threads hold locks, or query a catalog."""

import subprocess
import sys
from pathlib import Path

import pytest

import wsrequest.live

HELD = """
import os, signal, threading
from wsrequest.live.sql.statement_cache import shared_cache
from wsrequest.live.tracking import tracker
from wsrequest.live.tracking.catalog_cache import CatalogCache
from wsrequest.live.tracking.sessions import _Contents

locks = {"tracker": lambda: tracker._lock, "managers": lambda: managers._lock,
         "catalogs": lambda: catalogs._lock, "contents": lambda: contents._lock,
         "statements": lambda: shared_cache._lock, "keys": lambda: keys._lock}
managers, catalogs, contents = tracker.ActiveManagers(), CatalogCache(), _Contents()
keys = tracker.KeyTracker(type("Fake", (), {"is_active": True})())

def hold():
    with held():
        is_held.set()
        threading.Event().wait()

for held in locks.values():
    is_held = threading.Event()
    threading.Thread(target=hold, daemon=True).start()
    is_held.wait()
child = os.fork()
if not child:
    signal.alarm(5)
    for name, lock in locks.items():
        print(name, end=" ", flush=True)
        with lock():
            pass
    os._exit(0)
"""
QUERYING = """
import os, signal, threading
from wsrequest.live.tracking import catalog_cache
from wsrequest.live.tracking.catalog import Catalog

class Connection:
    vendor, alias = "sqlite", "named"

def slow(connection):
    is_asked.set()
    threading.Event().wait()

is_asked = threading.Event()
catalog_cache._query = slow
cache = catalog_cache.CatalogCache()
cache.get(Connection, "named", may_ask=True, may_wait=False)
is_asked.wait()
child = os.fork()
if not child:
    signal.alarm(5)
    catalog_cache._query = lambda connection: Catalog()
    catalog_cache._WAIT_SECONDS = 60
    if cache.get(Connection, "named", may_ask=True, may_wait=True) == Catalog():
        print("known", flush=True)
    os._exit(0)
"""
END = """
ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
os._exit(abs(ended))
"""


@pytest.mark.parametrize(
    ("script", "printed"),
    [(HELD, "tracker managers catalogs contents statements keys"), (QUERYING, "known")],
    ids=["held", "querying"],
)
def test_child_does_not_wait_for_threads_of_its_parent(script: str, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script + END],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.split(), done.returncode, done.stderr) == (printed.split(), 0, "")


def test_every_lock_of_live_requests_is_free_in_a_child() -> None:
    package = Path(wsrequest.live.__path__[0])
    makers = {
        path.name
        for path in package.rglob("*.py")
        if "Lock(" in path.read_text().replace("ForkLock(", "")
    }
    assert makers == {"forks.py"}
