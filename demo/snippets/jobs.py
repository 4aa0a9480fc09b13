"""A long job: a thread highlights every snippet in every style, and tells a room how far it is.

A real project would give it to a worker of Celery or of Django's tasks (docs/howto/long-job.md).
"""

import threading
import time
from itertools import product

from snippets import highlighting
from snippets.models import Snippet
from wsrequest import push

TELL_SECONDS = 0.1  # between two events, so that a fast machine sends no thousands
PAUSE_SECONDS = 0.002  # after each page, so that requests in this process do not wait

_running: set[str] = set()
_lock = threading.Lock()


def start(room: str) -> bool:
    """Begin the job for a room; False if this process runs one for it already."""
    with _lock:
        if room in _running:
            return False
        _running.add(room)
    codes = list(Snippet.objects.values_list("code", "language"))
    threading.Thread(target=_run, args=(room, codes), name=f"job of {room}", daemon=True).start()
    return True


def _run(room: str, codes: list[tuple[str, str]]) -> None:
    styles = highlighting.all_styles()
    done, total, size, told = 0, 2 * len(codes) * len(styles), 0, 0.0
    try:
        for style in styles:
            for (code, language), linenos in product(codes, (False, True)):
                page = highlighting.highlight_page(code, language, style, linenos=linenos)
                size += len(page)
                done += 1
                time.sleep(PAUSE_SECONDS)
                if time.monotonic() - told > TELL_SECONDS:
                    told = time.monotonic()
                    # A client that lags behind needs the newest only.
                    push.send(room, "progress", {"done": done, "total": total}, key="progress")
        push.send(room, "finished", {"pages": total, "bytes": size})
    finally:
        with _lock:
            _running.discard(room)
