"""Write one line for each message, as a server's access log has one for each HTTP request.

Each entry stays one line with the same fields, whatever a client sends. It has no query, body,
cookie, token or session.
"""

import logging
from urllib.parse import quote

__all__ = ["write"]

logger = logging.getLogger("wsrequest.access")

_SAFE = "/%:@!$&'()*+,;~-._"  # of a path and of a user. No space, and no equals sign
_MOST_CHARACTERS = 1000
_LINE = (
    "method=%(method)s path=%(path)s status=%(status)d bytes=%(bytes)d ms=%(ms).1f user=%(user)s "
    "connection=%(connection)s rerun=%(rerun)s"
)


def write(
    method: str,
    path: str,
    status: int,
    sent_bytes: int,
    seconds: float,
    user: object | None,
    connection_id: str,
    *,
    is_rerun: bool = False,
) -> None:
    """Write the line of a message. The fields are also attributes of the log record.

    Args:
        method: empty if the message could not be read, as is ``path``.
        path: without the query. Percent-encoded or not.
        status: of HTTP.
        sent_bytes: of its frames. Of a rerun: the body that its subscribers share.
        seconds: from its frame to its last frame.
        user: the primary key of its user, or None.
        connection_id: empty for a run that no connection owns.
        is_rerun: whether the server ran the view again for its subscribers.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    fields = {
        "method": method or "-",
        "path": _field(path),
        "status": status,
        "bytes": sent_bytes,
        "ms": round(seconds * 1000, 3),
        "user": "-" if user is None else _field(str(user)),
        "connection": connection_id or "-",
        "rerun": "yes" if is_rerun else "no",
    }
    logger.info(_LINE, fields, extra=fields)


def _field(text: str) -> str:
    """Return a client's text as one word of one line."""
    return quote(text[:_MOST_CHARACTERS], safe=_SAFE, errors="replace") or "-"
