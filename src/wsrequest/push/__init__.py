"""Events to rooms, users and sessions, beside the responses of live requests (docs/push.md).

Projects import from here. A view joins a room by ``request.websocket.join``.
"""

from wsrequest.push.api import (
    asend,
    asend_to_session,
    asend_to_user,
    send,
    send_to_session,
    send_to_user,
)

__all__ = [
    "asend",
    "asend_to_session",
    "asend_to_user",
    "send",
    "send_to_session",
    "send_to_user",
]
