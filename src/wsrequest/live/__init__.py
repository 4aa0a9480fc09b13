"""Live GET: which rows a request read, which a commit wrote, and whom that concerns.

For projects: what a view reads that no statement shows, and when that has changed.
"""

from wsrequest.live.tracking.api import depends_on, invalidate
from wsrequest.live.tracking.reruns import is_rerun, skip_on_rerun

__all__ = ["depends_on", "invalidate", "is_rerun", "skip_on_rerun"]
