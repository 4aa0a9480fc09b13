"""Events to rooms, users and sessions, beside the responses of live requests (docs/push.md).

Projects import from here. A view joins a room by ``request.websocket.join``.
"""

from wsrequest.protocol.messages import Member
from wsrequest.push.api import (
    asend,
    asend_to_session,
    asend_to_user,
    send,
    send_to_session,
    send_to_user,
)
from wsrequest.push.presence_api import amembers, members

__all__ = [
    "Member",
    "amembers",
    "asend",
    "asend_to_session",
    "asend_to_user",
    "members",
    "send",
    "send_to_session",
    "send_to_user",
]
