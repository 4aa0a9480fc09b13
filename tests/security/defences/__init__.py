"""The defences of the package: what each is, how it would be taken away, which tests must notice.

An edit is a text that stands exactly once in its file and what takes its place; the package still
runs then, only without that defence. scripts/defences applies them one by one, and test_table
sees that all of them still apply.
"""

from tests.security.defences.bus import BUS
from tests.security.defences.changes import CHANGES
from tests.security.defences.defence import Defence
from tests.security.defences.handshake import HANDSHAKE
from tests.security.defences.http import HTTP
from tests.security.defences.identity import IDENTITY
from tests.security.defences.limits import LIMITS
from tests.security.defences.live import LIVE
from tests.security.defences.messages import MESSAGES
from tests.security.defences.push import PUSH
from tests.security.defences.unread import UNREAD

__all__ = ["DEFENCES", "Defence"]

DEFENCES = [*HANDSHAKE, *IDENTITY, *MESSAGES, *LIMITS, *UNREAD, *HTTP, *LIVE, *PUSH, *CHANGES, *BUS]
