"""Live GET: which rows a request read, which a commit wrote, and whom that concerns.

For projects: what a view reads that no statement shows, and when that has changed.
"""

from wsrequest.live.depends import changed, depends_on
from wsrequest.live.reruns import is_rerun, skip_on_rerun

__all__ = ["changed", "depends_on", "is_rerun", "skip_on_rerun"]
