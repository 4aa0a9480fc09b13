"""Live requests: which rows a run read, which a commit wrote, and which views must run again.

Projects import from here what tells wsrequest about dependencies that no statement shows.
"""

from wsrequest.live.tracking.api import depends_on, invalidate, is_rerun, skip_on_rerun

__all__ = ["depends_on", "invalidate", "is_rerun", "skip_on_rerun"]
